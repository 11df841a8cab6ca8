// Git repositories: what a ref names now, and the files of a commit. Commits are kept in one bare repository per remote.
import type { Context } from '../core/context.ts'
import { nearest } from '../core/diagnostic.ts'
import { digestOf, hexOf } from '../core/digest.ts'
import { errnoOf, redact, SlipwayError } from '../core/error.ts'
import type { Native } from '../sys/native.ts'
import { checkOut, type GitTree } from './git-checkout.ts'
import { type GitResult, type GitRun, type GitSettings, runGit } from './git-command.ts'
import { gitFailure } from './git-failure.ts'
import { type GitRemote, gitRemote } from './git-remote.ts'
import { openRepository } from './git-repository.ts'
import type { ReadSecret } from './secret.ts'

/** A ref of a remote, resolved. */
export interface GitTip {
  readonly commit: string
  /** In full: `refs/heads/main`; absent where HEAD names no branch. */
  readonly ref?: string
  /** The object of an annotated tag. */
  readonly tag?: string
}

export interface GitFetcher {
  /** What `ref` (a branch, a tag, `refs/…`; without one the default branch) names now. Throws ERR_GIT_*. */
  resolve(source: { readonly remote: string; readonly ref?: string }, cx: Context): Promise<GitTip>
  /** Postcondition: `directory`, which was empty, holds the tree; `scratch` may hold anything. Throws ERR_GIT_*. */
  checkOut(
    tree: GitTree,
    to: { readonly directory: string; readonly scratch: string },
    cx: Context,
  ): Promise<void>
}

export interface GitFetcherOptions extends GitSettings {
  readonly native: Native
  readonly secret: ReadSecret
}

/** `directory` (it exists) holds the repositories. */
export function openGitFetcher(options: GitFetcherOptions): GitFetcher {
  return {
    async resolve({ remote: address, ref }, cx) {
      const remote = await gitRemote(address, options.secret)
      const act = `find ${ref === undefined ? 'the default branch' : ref} in ${redact(remote.url)}`
      const ask = (args: readonly string[]): Promise<GitResult> =>
        runGit(options, ['ls-remote', ...args], { config: remote.config, signal: cx.signal })
      const patterns = ref === undefined ? ['HEAD'] : [ref, `${ref}^{}`]
      const answer = await ask(['--symref', '--', remote.url, ...patterns])
      if (!answer.ok) throw gitFailure(act, answer)
      const tip = tipIn(answer.stdout, ref)
      if (tip !== undefined) return tip
      const all = await ask(['--heads', '--tags', '--refs', '--', remote.url])
      throw unknownRef(remote, ref, all.ok ? all.stdout : '')
    },
    async checkOut(tree, { directory, scratch }, cx) {
      const remote = await gitRemote(tree.remote, options.secret)
      const act = `fetch ${redact(remote.url)}`
      const git = async (args: readonly string[], run: Omit<GitRun, 'signal'> = {}): Promise<GitResult> =>
        runGit(options, args, { ...run, signal: cx.signal })
      const path = `${options.directory}/${hexOf(digestOf(remote.url))}`
      await using repository = await openRepository(
        { path, git, act, native: options.native },
        tree.commit,
        cx,
      )
      const attempt = async (): Promise<void> => {
        await repository.ensure(remote, tree, cx)
        await checkOut(tree, { remote, repository: path, act, directory, scratch, git })
      }
      try {
        await attempt()
      } catch (thrown) {
        cx.signal.throwIfAborted()
        if (errnoOf(thrown) !== undefined) throw diskFailure(act, thrown)
        // What a power cut has damaged is had again.
        if (!isDoubtful(thrown) || (await repository.isSound())) throw thrown
        cx.debug('git repository is damaged', { path, failure: String(thrown) })
        await repository.remake()
        await attempt()
      }
    },
  }
}

/** Whether a failure may be one of what is kept here. */
function isDoubtful(thrown: unknown): boolean {
  return thrown instanceof SlipwayError && ['ERR_GIT_FAILED', 'ERR_GIT_COMMIT'].includes(thrown.code)
}

function diskFailure(act: string, cause: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_GIT_CHECKOUT',
    message: `${act}: check out its files: ${errnoOf(cause)}`,
    cause,
  })
}

/** The order is BuildKit's: the full name, then branches, then tags. */
function tipIn(text: string, ref: string | undefined): GitTip | undefined {
  const refs = new Map<string, string>()
  let head: string | undefined
  for (const line of text.split('\n')) {
    const [what = '', name = ''] = line.split('\t')
    if (what.startsWith('ref: ') && name === 'HEAD') head = what.slice('ref: '.length)
    else if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(what)) refs.set(name, what)
  }
  if (ref === undefined) {
    const commit = refs.get('HEAD')
    return commit === undefined ? undefined : { commit, ...(head === undefined ? {} : { ref: head }) }
  }
  const names = [
    `refs/${ref.replace(/^refs\//, '')}`,
    `refs/heads/${ref.replace(/^refs\/heads\//, '')}`,
    `refs/tags/${ref.replace(/^refs\/tags\//, '')}`,
  ]
  const full = names.find((name) => refs.has(name))
  const object = full === undefined ? undefined : refs.get(full)
  if (full === undefined || object === undefined) return undefined
  const peeled = refs.get(`${full}^{}`)
  return peeled === undefined ? { commit: object, ref: full } : { commit: peeled, ref: full, tag: object }
}

function unknownRef({ url }: GitRemote, ref: string | undefined, text: string): SlipwayError {
  const names = Array.from(text.matchAll(/\trefs\/(?:heads|tags)\/(.+)$/gm), ([, name = '']) => name)
  const close = ref === undefined ? undefined : nearest(ref.replace(/^refs\/(?:heads|tags)\//, ''), names)
  const isTag = close !== undefined && text.includes(`\trefs/tags/${close}`)
  const hint =
    close !== undefined
      ? `did you mean the ${isTag ? 'tag' : 'branch'} ${close}?`
      : ref !== undefined && /^[0-9a-f]{4,39}$/.test(ref)
        ? 'a commit is named by all 40 digits of its id'
        : names.length === 0
          ? 'it has no branches and no tags'
          : `it has ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`
  return new SlipwayError({
    code: 'ERR_GIT_REF',
    message:
      ref === undefined
        ? `find the default branch in ${redact(url)}: it has none`
        : `repository ${redact(url)} does not contain ref ${ref}`,
    hint,
  })
}
