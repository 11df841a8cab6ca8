// A git server with one repository, and fetchers that keep what they fetch beside it: what every test of git's has of its own.
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { type GitFetcher, type GitFetcherOptions, openGitFetcher } from '../../src/fetch/git.ts'
import type { GitTree } from '../../src/fetch/git-checkout.ts'
import { openNative } from '../../src/sys/native.ts'
import { testContext } from '../ops/support/context.ts'
import { type GitServer, gitServer, type TestRepository, testRepository } from '../support/git-server.ts'

type Change = Partial<GitFetcherOptions>

/** Made anew before each test. */
export interface GitRig {
  /** `served` and `cache` are in it, and what a test puts there. */
  readonly root: string
  server: GitServer
  readonly repository: TestRepository
  /** What `find` and `tree` ask: the repository's address, unless a test says another. */
  remote: string
  fetcher(change?: Change): GitFetcher
  find(ref?: string, change?: Change): ReturnType<GitFetcher['resolve']>
  /** Checks out and lists: `path mode content`. */
  tree(
    wanted: Partial<GitTree> & { readonly commit: string },
    change?: Change,
  ): Promise<{ readonly directory: string; readonly list: readonly string[] }>
  /** What git says in a directory. */
  git(cwd: string, args: readonly string[]): string
}

/** Registers what makes and removes it. */
export function gitRig(): GitRig {
  let root: string
  let server: GitServer
  let repository: TestRepository
  let remote: string
  let count = 0

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'slipway-git-'))
    mkdirSync(join(root, 'cache'))
    server = await gitServer(join(root, 'served'))
    repository = testRepository(join(root, 'served'), 'a.git')
    remote = `${server.url}/a.git`
  })

  afterEach(async () => {
    await server[Symbol.asyncDispose]()
    rmSync(root, { recursive: true, force: true })
  })

  const fetcher: GitRig['fetcher'] = (change = {}) =>
    openGitFetcher({
      native: openNative(resolve(import.meta.dirname, '../../dist')),
      secret: async () => undefined,
      environment: process.env,
      directory: join(root, 'cache'),
      ...change,
    })
  return {
    get root() {
      return root
    },
    get server() {
      return server
    },
    set server(other) {
      server = other
    },
    get repository() {
      return repository
    },
    get remote() {
      return remote
    },
    set remote(other) {
      remote = other
    },
    fetcher,
    find: (ref, change) =>
      fetcher(change).resolve({ remote, ...(ref === undefined ? {} : { ref }) }, testContext()),
    async tree(wanted, change) {
      const base = join(root, `out${count++}`)
      const directory = join(base, 'fs')
      mkdirSync(directory, { recursive: true })
      mkdirSync(join(base, 'work'))
      const all: GitTree = {
        remote,
        subdir: '',
        submodules: true,
        mtime: 'checkout',
        keepGitDir: false,
        fetchByCommit: false,
        ...wanted,
      }
      await fetcher(change).checkOut(all, { directory, scratch: join(base, 'work') }, testContext())
      return { directory, list: list(directory) }
    },
    git(cwd, args) {
      const it: TestRepository = { ...repository, path: cwd }
      return it.git('-C', cwd, ...args)
    },
  }
}

function list(directory: string, under = ''): string[] {
  return readdirSync(join(directory, under), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(under, entry.name)
      if (path === '.git') return [path]
      const full = join(directory, path)
      if (entry.isDirectory()) return [`${path}/`, ...list(directory, path)]
      if (entry.isSymbolicLink()) return [`${path} -> ${readlinkSync(full)}`]
      return [`${path} ${(lstatSync(full).mode & 0o777).toString(8)} ${readFileSync(full, 'utf8')}`]
    })
}
