// Git repositories over a real git and a real server: what refs mean, what a checkout holds, what is shut out.
import { execFileSync } from 'node:child_process'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type GitFetcher, type GitFetcherOptions, openGitFetcher } from '../../src/fetch/git.ts'
import type { GitTree } from '../../src/fetch/git-checkout.ts'
import { openNative } from '../../src/sys/native.ts'
import { testContext } from '../ops/support/context.ts'
import { type GitServer, gitServer, type TestRepository, testRepository } from '../support/git-server.ts'

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

function fetcher(change: Partial<GitFetcherOptions> = {}): GitFetcher {
  return openGitFetcher({
    native: openNative(resolve(import.meta.dirname, '../../dist')),
    secret: async () => undefined,
    environment: process.env,
    directory: join(root, 'cache'),
    ...change,
  })
}

const find = (ref?: string, change?: Partial<GitFetcherOptions>) =>
  fetcher(change).resolve({ remote, ...(ref === undefined ? {} : { ref }) }, testContext())

/** Checks out and lists: `path mode content`. */
async function tree(
  wanted: Partial<GitTree> & { readonly commit: string },
  change?: Partial<GitFetcherOptions>,
) {
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

describe('refs', () => {
  it('are branches, tags, annotated tags and whatever has its full name; none is the default branch', async () => {
    const first = repository.commit({ f: '1' })
    repository.git('tag', 'light')
    repository.git('tag', '-a', '-m', 'x', 'heavy')
    const tag = repository.git('rev-parse', 'heavy')
    repository.git('update-ref', 'refs/pull/7/head', first)
    repository.git('checkout', '-q', '-b', 'dev/x')
    const second = repository.commit({ f: '2' })
    repository.git('checkout', '-q', 'main')
    expect(await find()).toEqual({ commit: first, ref: 'refs/heads/main' })
    expect(await find('main')).toEqual({ commit: first, ref: 'refs/heads/main' })
    expect(await find('dev/x')).toEqual({ commit: second, ref: 'refs/heads/dev/x' })
    expect(await find('light')).toEqual({ commit: first, ref: 'refs/tags/light' })
    expect(await find('heavy')).toEqual({ commit: first, ref: 'refs/tags/heavy', tag })
    expect(await find('refs/tags/heavy')).toEqual({ commit: first, ref: 'refs/tags/heavy', tag })
    for (const ref of ['refs/pull/7/head', 'pull/7/head']) {
      expect(await find(ref)).toEqual({ commit: first, ref: 'refs/pull/7/head' })
    }
  })

  it('are first branches, then tags; a pattern is none', async () => {
    repository.commit({ f: '1' })
    repository.git('tag', 'both')
    repository.git('checkout', '-q', '-b', 'both')
    const branch = repository.commit({ f: '2' })
    expect(await find('both')).toMatchObject({ commit: branch, ref: 'refs/heads/both' })
    await expect(find('bot*')).rejects.toMatchObject({ code: 'ERR_GIT_REF' })
  })

  it.each([
    ['mian', 'did you mean the branch main?'],
    ['v1.1', 'did you mean the tag v1.0?'],
    ['abc1234', 'a commit is named by all 40 digits of its id'],
    ['something', 'it has main, v1.0'],
  ])('that are not there, as %s, are not found: %s', async (ref, hint) => {
    repository.commit({ f: '1' })
    repository.git('tag', 'v1.0')
    await expect(find(ref)).rejects.toMatchObject({
      code: 'ERR_GIT_REF',
      message: `repository ${remote} does not contain ref ${ref}`,
      hint,
    })
  })

  it('of an empty repository are none', async () => {
    await expect(find()).rejects.toMatchObject({ code: 'ERR_GIT_REF' })
  })
})

describe('a checkout', () => {
  it('has the files of the commit with the modes of git and nothing else', async () => {
    const commit = repository.commit({
      'run.sh': '#',
      'd/f': 'x',
      link: '-> d/f',
      '.gitignore': 'd',
      'ü\n': 'u',
    })
    const { list: files, directory } = await tree({ commit })
    expect(files).toEqual(['.gitignore 644 d', 'd/', 'd/f 644 x', 'link -> d/f', 'run.sh 755 #', 'ü\n 644 u'])
    expect(lstatSync(join(directory, 'd')).mode & 0o777).toBe(0o755)
  })

  it('of an earlier commit is fetched alone, from a host of the old protocol with everything else', async () => {
    const first = repository.commit({ f: '1' })
    repository.commit({ f: '2' })
    const old = join(root, 'old')
    mkdirSync(old)
    for (const directory of [join(root, 'cache'), old]) {
      server.isOld = directory === old
      expect((await tree({ commit: first }, { directory })).list).toEqual(['f 644 1'])
    }
    const [cached = ''] = readdirSync(join(root, 'cache')).filter((name) => !name.endsWith('.lock'))
    expect(readFileSync(join(root, 'cache', cached, 'shallow'), 'utf8')).toBe(`${first}\n`)
  })

  it('of what was fetched before asks nobody', async () => {
    const commit = repository.commit({ f: '1' })
    await tree({ commit })
    await server[Symbol.asyncDispose]()
    expect((await tree({ commit })).list).toEqual(['f 644 1'])
    server = await gitServer(join(root, 'served'))
  })

  it('is of the commit that was found although the branch has moved, and of commits that only a pull request has', async () => {
    const first = repository.commit({ f: '1' })
    repository.commit({ f: '2' })
    expect((await tree({ commit: first, ref: 'refs/heads/main' })).list).toEqual(['f 644 1'])
    repository.git('checkout', '-q', '--detach')
    const pulled = repository.commit({ f: '3' })
    repository.git('update-ref', 'refs/pull/1/head', pulled)
    repository.git('checkout', '-q', 'main')
    expect((await tree({ commit: pulled, ref: 'refs/pull/1/head' })).list).toEqual(['f 644 3'])
  })

  it('is not of a commit that is not there', async () => {
    repository.commit({ f: '1' })
    for (const fetchByCommit of [true, false]) {
      await expect(tree({ commit: '1'.repeat(40), fetchByCommit })).rejects.toMatchObject({
        code: 'ERR_GIT_COMMIT',
        message: expect.stringContaining(`it does not have commit ${'1'.repeat(40)}`),
      })
    }
  })

  it('may be of a repository whose ids are longer', async () => {
    const other = testRepository(join(root, 'served'), 'long.git', 'sha256')
    const commit = other.commit({ f: 'long' })
    remote = `${server.url}/long.git`
    expect(commit).toHaveLength(64)
    expect(await find()).toMatchObject({ commit })
    expect((await tree({ commit })).list).toEqual(['f 644 long'])
  })

  it('of an empty tree is empty', async () => {
    expect((await tree({ commit: repository.commit({}) })).list).toEqual([])
  })

  it('may be a directory of it, reached through no link', async () => {
    const commit = repository.commit({ 'a/b/f': 'x', link: '-> a', file: 'y' })
    expect((await tree({ commit, subdir: 'a/b' })).list).toEqual(['f 644 x'])
    expect((await tree({ commit, subdir: 'a/b', keepGitDir: true })).list).toEqual(['f 644 x'])
    for (const [subdir, why] of [
      ['a/c', 'c is missing'],
      ['link/b', 'link is a symbolic link'],
      ['file', 'file is no directory'],
    ] as const) {
      await expect(tree({ commit, subdir })).rejects.toMatchObject({
        code: 'ERR_GIT_SUBDIR',
        message: expect.stringContaining(why),
      })
    }
  })

  it('may have the time of the commit everywhere, whose parents are not there', async () => {
    repository.commit({ f: 'before' })
    const commit = repository.commit({ 'd/f': 'x', link: '-> nowhere' }, 1_234_567_890)
    const { directory } = await tree({ commit, mtime: 'commit' })
    for (const path of ['', 'd', 'd/f', 'link']) {
      expect(lstatSync(join(directory, path)).mtimeMs).toBe(1_234_567_890_000)
    }
  })

  it('may keep its repository, with the name it was found by and nothing of ours', async () => {
    repository.commit({ f: '1' })
    const commit = repository.commit({ f: '2' })
    repository.git('tag', '-a', '-m', 'x', 'heavy')
    const tag = repository.git('rev-parse', 'heavy')
    const { directory } = await tree({ commit, keepGitDir: true, ref: 'refs/tags/heavy', tag })
    const git = (...args: string[]): string => testGit(directory, args)
    expect(git('status', '--porcelain')).toBe('')
    expect(git('rev-parse', 'HEAD')).toBe(commit)
    expect(git('for-each-ref')).toBe(`${tag} tag\trefs/tags/heavy`)
    expect(git('rev-list', '--count', 'HEAD')).toBe('1')
    expect(git('config', 'remote.origin.url')).toBe(remote)
    const inside = readdirSync(join(directory, '.git'), { recursive: true, encoding: 'utf8' })
    expect(inside.filter((name) => /hooks|FETCH_HEAD|alternates/.test(name))).toEqual([])
    expect(git('config', '--list', '--local')).not.toContain(root)
    expect(readdirSync(join(directory, '.git'))).not.toContain('logs')
  })
})

function testGit(cwd: string, args: readonly string[]): string {
  const it: TestRepository = { ...repository, path: cwd }
  return it.git('-C', cwd, ...args)
}

describe('what a crash has left', () => {
  const kept = (): string => {
    const [name = ''] = readdirSync(join(root, 'cache')).filter((one) => /^[0-9a-f]{64}$/.test(one))
    return join(root, 'cache', name)
  }

  /** Runs the program on every file of the kept repository's objects. */
  const damage = (act: readonly string[]): void => {
    execFileSync('find', [join(kept(), 'objects'), '-type', 'f', '-exec', ...act, '{}', '+'])
  }

  it('are locks, which stop nobody', async () => {
    const first = repository.commit({ f: '1' })
    const second = repository.commit({ f: '2' })
    await tree({ commit: first })
    for (const name of ['shallow.lock', 'packed-refs.lock', `refs/slipway/${second}.lock`]) {
      writeFileSync(join(kept(), name), '')
    }
    expect((await tree({ commit: second })).list).toEqual(['f 644 2'])
  })

  it('are damaged files, which are fetched again', async () => {
    const first = repository.commit({ f: '1', 'd/g': 'x' })
    const second = repository.commit({ f: '2' })
    await tree({ commit: first })
    for (const act of [
      ['truncate', '-s', '0'],
      ['truncate', '-s', '30'],
      ['rm', '-f'],
    ]) {
      damage(act)
      expect((await tree({ commit: first })).list).toEqual(['d/', 'd/g 644 x', 'f 644 1'])
    }
    damage(['truncate', '-s', '0'])
    expect((await tree({ commit: second })).list).toEqual(['d/', 'd/g 644 x', 'f 644 2'])
  })
})

describe('submodules', () => {
  const withModule = (url: string): string => {
    repository.git('config', '-f', '.gitmodules', 'submodule.m.path', 'm')
    repository.git('config', '-f', '.gitmodules', 'submodule.m.url', url)
    const module = testRepository(join(root, 'served'), 'b.git')
    const commit = module.commit({ inner: 'i' })
    module.commit({ inner: 'later' })
    repository.git('update-index', '--add', '--cacheinfo', `160000,${commit},m`)
    mkdirSync(join(repository.path, 'm'))
    writeFileSync(join(repository.path, 'f'), '1')
    repository.git('add', 'f', '.gitmodules')
    repository.git('commit', '-q', '-m', 'x')
    return repository.git('rev-parse', 'HEAD')
  }

  it('come with it, without the links to their repositories, unless they are not wanted', async () => {
    const commit = withModule('../b.git')
    const files = (await tree({ commit })).list.filter((line) => !line.startsWith('.gitmodules'))
    expect(files).toEqual(['f 644 1', 'm/', 'm/inner 644 i'])
    const without = (await tree({ commit, submodules: false })).list
    expect(without.filter((line) => line.startsWith('m'))).toEqual(['m/'])
    const kept = await tree({ commit, keepGitDir: true })
    expect(readFileSync(join(kept.directory, 'm/.git'), 'utf8')).toBe('gitdir: ../.git/modules/m\n')
    expect(testGit(kept.directory, ['submodule', 'status'])).not.toMatch(/^[-+]/)
  })

  it.each([
    ['ext::sh -c touch% HERE', /ext.*not allowed/],
    ['file://HERE', /file.*not allowed/],
    ['HERE', /file.*not allowed/],
  ])('never come from %s', async (url, message) => {
    const marker = join(root, 'marker')
    const commit = withModule(
      url.replace('HERE', url.startsWith('ext') ? marker : join(root, 'served/b.git')),
    )
    await expect(tree({ commit })).rejects.toMatchObject({ message: expect.stringMatching(message) })
    expect(readdirSync(root)).not.toContain('marker')
  })
})

describe('what is shut out', () => {
  it('is the user: no configuration, no hook, no filter, no credential helper', async () => {
    const home = join(root, 'home')
    mkdirSync(join(home, 'hooks'), { recursive: true })
    const touch = (name: string): string => `touch ${join(root, name)}`
    writeFileSync(join(home, 'hooks/post-checkout'), `#!/bin/sh\n${touch('hooked')}\n`, { mode: 0o755 })
    const config = [
      `[core]\n hooksPath = ${home}/hooks\n askPass = ${touch('asked')}`,
      `[credential]\n helper = "!${touch('helped')}"`,
      `[filter "f"]\n smudge = "${touch('smudged')}; cat"`,
      `[url "file:///"]\n insteadOf = http://`,
    ]
    writeFileSync(join(home, '.gitconfig'), config.join('\n'))
    const commit = repository.commit({ '.gitattributes': '* filter=f', f: 'x' })
    const environment = {
      ...process.env,
      HOME: home,
      GIT_CONFIG_GLOBAL: join(home, '.gitconfig'),
      GIT_ASKPASS: touch('asked'),
    }
    expect((await tree({ commit }, { environment })).list).toContain('f 644 x')
    server.authorization = 'nobody'
    await expect(find('main', { environment })).rejects.toMatchObject({ code: 'ERR_GIT_UNAUTHORIZED' })
    expect(readdirSync(root).filter((name) => /hooked|asked|helped|smudged/.test(name))).toEqual([])
  })

  it.each([
    ['ext::sh -c touch% MARKER', 'ERR_GIT_PROTOCOL'],
    ['file:///etc', 'ERR_GIT_PROTOCOL'],
    ['/etc', 'ERR_GIT_PROTOCOL'],
    ['--upload-pack=touch MARKER', 'ERR_GIT_PROTOCOL'],
  ])('is the address %s', async (address) => {
    const marker = join(root, 'marker')
    const source = { remote: address.replace('MARKER', marker) }
    await expect(fetcher().resolve(source, testContext())).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_GIT_/),
    })
    expect(readdirSync(root)).not.toContain('marker')
  })

  it('is a ref that looks like an option', async () => {
    repository.commit({ f: '1' })
    await expect(find('--upload-pack=touch /tmp/slipway-marker')).rejects.toMatchObject({
      code: 'ERR_GIT_REF',
    })
  })
})

describe('credentials', () => {
  const basic = (text: string): string => `basic ${Buffer.from(text).toString('base64')}`
  const from = (secrets: Readonly<Record<string, string>>) => ({ secret: async (id: string) => secrets[id] })

  it('are secrets, those of the host first, else what the address says', async () => {
    const commit = repository.commit({ f: '1' })
    const host = new URL(server.url).host
    const cases: [string, Partial<GitFetcherOptions>][] = [
      [basic('x-access-token:T'), from({ GIT_AUTH_TOKEN: 'T' })],
      ['Bearer H', from({ GIT_AUTH_HEADER: 'Bearer H', GIT_AUTH_TOKEN: 'T' })],
      ['Bearer H', from({ [`GIT_AUTH_HEADER.${host}`]: 'Bearer H', GIT_AUTH_TOKEN: 'T' })],
      [basic('x-access-token:own'), from({ [`GIT_AUTH_TOKEN.${host}`]: 'own', GIT_AUTH_HEADER: 'other' })],
    ]
    for (const [authorization, options] of cases) {
      server.authorization = authorization
      expect(await find('main', options)).toMatchObject({ commit })
    }
    server.authorization = basic('me:p@ss')
    remote = remote.replace('//', '//me:p%40ss@')
    expect(await find()).toMatchObject({ commit })
    expect((await tree({ commit })).list).toEqual(['f 644 1'])
  })

  it('are missing, or wrong: the failure says what to give, and nothing of what was given', async () => {
    repository.commit({ f: '1' })
    server.authorization = 'other'
    remote = remote.replace('//', '//me:hunter2@')
    for (const options of [{}, from({ GIT_AUTH_TOKEN: 'hunter2' })]) {
      const failure = await find('main', options).catch((thrown: unknown) => thrown)
      expect(failure).toMatchObject({
        code: 'ERR_GIT_UNAUTHORIZED',
        hint: expect.stringContaining('GIT_AUTH_TOKEN'),
      })
      expect(JSON.stringify(failure) + String(failure)).not.toContain('hunter2')
    }
  })

  it('are in none of the files that are kept', async () => {
    const commit = repository.commit({ f: '1' })
    server.authorization = basic('me:hunter2')
    remote = remote.replace('//', '//me:hunter2@')
    const { directory } = await tree({ commit, keepGitDir: true, ref: 'refs/heads/main' })
    for (const place of [directory, join(root, 'cache')]) {
      for (const name of readdirSync(place, { recursive: true, encoding: 'utf8' })) {
        if (!lstatSync(join(place, name)).isFile()) continue
        expect(readFileSync(join(place, name), 'latin1'), name).not.toMatch(/hunter2|authorization/i)
      }
    }
  })
})

describe('what goes wrong', () => {
  it('there is no git', async () => {
    await expect(find('main', { environment: { PATH: '/nonexistent' } })).rejects.toMatchObject({
      code: 'ERR_GIT_MISSING',
      hint: expect.stringContaining('install git'),
    })
  })

  it('there is no ssh', async () => {
    const bin = join(root, 'bin')
    mkdirSync(bin)
    for (const name of ['git', 'sh'])
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
        join(bin, name),
      )
    const cx = testContext()
    await expect(
      fetcher({ environment: { PATH: bin } }).resolve({ remote: 'git@host.invalid:a.git' }, cx),
    ).rejects.toMatchObject({ code: 'ERR_GIT_SSH_MISSING', hint: 'install the client of OpenSSH' })
  })

  it('there is no repository, or nobody there', async () => {
    remote = `${server.url}/none.git`
    await expect(find()).rejects.toMatchObject({ code: 'ERR_GIT_NOT_FOUND' })
    remote = 'http://127.0.0.1:1/a.git'
    await expect(find()).rejects.toMatchObject({
      code: 'ERR_GIT_UNREACHABLE',
      message: 'find the default branch in http://127.0.0.1:1/a.git: could not connect',
    })
  })

  it('the host is silent: git and what it has started end', async () => {
    const silent = createServer((socket) => socket.resume().on('error', () => undefined))
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
    remote = `git://127.0.0.1:${(silent.address() as AddressInfo).port}/a.git`
    await expect(find('main', { silenceMs: 300 })).rejects.toMatchObject({
      code: 'ERR_GIT_TIMEOUT',
      message: expect.stringContaining('the host does not answer'),
    })
    const said = { code: 'ERR_GIT_TIMEOUT', message: expect.stringMatching(/: the host does not answer$/) }
    const address = remote.replace('git:', 'ssh:')
    await expect(
      fetcher({ sshConnectSeconds: 1 }).resolve({ remote: address }, testContext()),
    ).rejects.toMatchObject(said)
    const cx = testContext()
    setTimeout(() => cx.abort(), 100)
    await expect(fetcher().resolve({ remote }, cx)).rejects.toMatchObject({ name: 'AbortError' })
    // Waits for every connection to end: the transport that git started has died too.
    await new Promise((done) => silent.close(done))
  })
})
