// The bare repository that keeps what was fetched from one remote, locked while a process uses it.
import { mkdir, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import type { Context } from '../core/context.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { acquireLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import type { GitResult, GitRun } from './git-command.ts'
import { gitFailure } from './git-failure.ts'
import type { GitRemote } from './git-remote.ts'

export type Git = (args: readonly string[], run?: Omit<GitRun, 'signal'>) => Promise<GitResult>

/** What of a remote is needed. */
export interface WantedCommit {
  readonly commit: string
  /** Where the commit was found. */
  readonly ref?: string
  /** The object of an annotated tag that is wanted too. */
  readonly tag?: string
  /** Whether the remote is asked for the commit and for nothing else. */
  readonly fetchByCommit: boolean
}

export interface Repository extends AsyncDisposable {
  /** Postcondition: the commit with its files is there under `refs/slipway/<commit>`. */
  ensure(remote: GitRemote, wanted: WantedCommit, cx: Context): Promise<void>
  /** Whether everything that it keeps can be read. */
  isSound(): Promise<boolean>
  /** Postcondition: it is empty. */
  remake(): Promise<void>
}

/** The name under which the repository keeps an object. */
export function keptRef(object: string): string {
  return `refs/slipway/${object}`
}

/** Opens, and makes when there is none, the repository at `path` for commits whose ids are as long as `commit`. */
export async function openRepository(
  use: { readonly path: string; readonly git: Git; readonly act: string; readonly native: Native },
  commit: string,
  cx: Context,
): Promise<Repository> {
  const { git, act, native } = use
  const format = commit.length === 64 ? 'sha256' : 'sha1'
  const path = use.path
  const lock = await acquireLock(`${path}.lock`, { native, signal: cx.signal })
  const inside = (args: readonly string[], run: Omit<GitRun, 'signal'> = {}): Promise<GitResult> =>
    git(['--git-dir', path, ...args], run)
  const must = async (args: readonly string[]): Promise<void> => {
    const result = await inside(args)
    if (!result.ok) throw gitFailure(act, result)
  }
  const has = async (object: string): Promise<boolean> => {
    const type = object === commit ? '^{commit}' : '^{tag}'
    return (
      (await inside(['cat-file', '-e', `${object}${type}`])).ok &&
      (await inside(['rev-parse', '-q', '--verify', keptRef(object)])).ok
    )
  }

  const make = async (): Promise<void> => {
    const draft = `${path}.new`
    await rm(draft, { recursive: true, force: true })
    await mkdir(draft, { recursive: true, mode: 0o700 })
    const made = await git(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, draft])
    if (!made.ok) throw gitFailure(act, made)
    await rename(draft, path)
  }

  try {
    await removeLocks(path)
    if (!(await exists(`${path}/HEAD`))) await make()
  } catch (thrown) {
    await lock[Symbol.asyncDispose]()
    throw thrown
  }

  const fetchFrom = (remote: GitRemote, options: readonly string[], refspecs: readonly string[]) =>
    inside(
      [
        'fetch',
        '--quiet',
        '--progress',
        '--force',
        '--no-write-fetch-head',
        ...options,
        '--',
        remote.url,
        ...refspecs,
      ],
      { config: remote.config },
    )

  return {
    async ensure(remote, wanted, cx) {
      const objects = [wanted.commit, ...(wanted.tag === undefined ? [] : [wanted.tag])]
      const isThere = async (): Promise<boolean> => (await Promise.all(objects.map(has))).every(Boolean)
      if (await isThere()) return
      let last: Extract<GitResult, { ok: false }> | undefined
      for (const attempt of await attempts(path, wanted, objects)) {
        cx.signal.throwIfAborted()
        const result = await fetchFrom(remote, attempt.options, attempt.refspecs)
        if (!result.ok) {
          const failure = gitFailure(act, result)
          // Only a refusal to give what was asked for is worth another question.
          if (failure.code !== 'ERR_GIT_FAILED') throw failure
          last = result
        }
        // What came may have other names than ours.
        for (const object of objects) {
          if ((await inside(['cat-file', '-e', object])).ok)
            await must(['update-ref', keptRef(object), object])
        }
        if (await isThere()) return
      }
      throw new SlipwayError({
        code: 'ERR_GIT_COMMIT',
        message: `${act}: it does not have commit ${wanted.commit}${last === undefined ? '' : ` (${gitFailure('git', last).message})`}`,
        hint: 'was the branch rewritten, or is the commit one of a fork?',
      })
    },
    isSound: async () => (await inside(['fsck', '--connectivity-only', '--no-dangling', '--no-progress'])).ok,
    async remake() {
      await rm(path, { recursive: true, force: true })
      await make()
    },
    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
  }
}

/** Removes what a git that was killed has left. The caller holds our lock, so no other git is at work. */
async function removeLocks(path: string): Promise<void> {
  const [top, refs] = await Promise.all([namesIn(path, false), namesIn(`${path}/refs`, true)])
  const locks = [...top, ...refs.map((name) => `refs/${name}`)].filter((name) => name.endsWith('.lock'))
  for (const name of locks) await unlink(`${path}/${name}`).catch(ignoreMissing)
}

async function namesIn(directory: string, recursive: boolean): Promise<readonly string[]> {
  return (await readdir(directory, { recursive }).catch(ignoreMissing)) ?? []
}

/** The least first: the commit alone; the ref it was found at, for hosts that give no commits; everything, from hosts that give no parts. */
async function attempts(
  path: string,
  wanted: WantedCommit,
  objects: readonly string[],
): Promise<{ readonly options: readonly string[]; readonly refspecs: readonly string[] }[]> {
  const shallow = ['--depth=1', '--no-tags']
  const alone = { options: shallow, refspecs: objects.map((object) => `${object}:${keptRef(object)}`) }
  if (wanted.fetchByCommit) return [alone]
  const whole = (await exists(`${path}/shallow`)) ? ['--unshallow'] : []
  const everything = ['refs/heads/*:refs/remotes/heads/*', 'refs/tags/*:refs/remotes/tags/*']
  const { ref } = wanted
  return [
    alone,
    ...(ref === undefined
      ? []
      : [{ options: shallow, refspecs: [`${ref}:${keptRef(wanted.tag ?? wanted.commit)}`] }]),
    {
      options: ['--no-tags', ...whole],
      refspecs: [...everything, ...(ref === undefined ? [] : [`${ref}:refs/remotes/${ref}`])],
    },
  ]
}

/** Whether anything is at `path`. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(ignoreMissing)) !== undefined
}

/** For a `catch`: undefined for what is not there; rethrows everything else. */
export function ignoreMissing(thrown: unknown): undefined {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown
}
