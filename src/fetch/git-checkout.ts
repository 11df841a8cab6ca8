// The files of a commit in a directory: submodules, a part of the tree, the times, and `.git` where it is asked for.
import { lstat, lutimes, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { SlipwayError } from '../core/error.ts'
import { baseOf, cleanPath } from '../core/path.ts'
import { gitFailure } from './git-failure.ts'
import type { GitRemote } from './git-remote.ts'
import { exists, type Git, ignoreMissing, keptRef, type WantedCommit } from './git-repository.ts'

export interface GitTree extends WantedCommit {
  /** As written, credentials and all. */
  readonly remote: string
  /** Clean; empty for the whole tree. */
  readonly subdir: string
  readonly submodules: boolean
  readonly mtime: 'checkout' | 'commit'
  /** Whether `.git` stays; not for a part of the tree. */
  readonly keepGitDir: boolean
}

export interface CheckoutPlace {
  readonly remote: GitRemote
  /** The bare repository that has the commit. */
  readonly repository: string
  readonly act: string
  readonly directory: string
  readonly scratch: string
  readonly git: Git
}

/** Postcondition: the tree is in `place.directory`. */
export async function checkOut(tree: GitTree, place: CheckoutPlace): Promise<void> {
  const { act, repository, scratch, directory, remote } = place
  const top = `${scratch}/tree`
  // An attempt before this one may have failed.
  await rm(top, { recursive: true, force: true })
  await mkdir(top, { recursive: true })
  const git = async (args: readonly string[], run: Parameters<Git>[1] = {}): Promise<string> => {
    const result = await place.git(args, { cwd: top, ...run })
    if (!result.ok) throw gitFailure(act, result)
    return result.stdout
  }
  const { commit, subdir, mtime } = tree
  const keeps = tree.keepGitDir && subdir === ''
  const format = commit.length === 64 ? 'sha256' : 'sha1'
  await git(['init', '--quiet', '--template=', `--object-format=${format}`])
  await git(['config', 'remote.origin.url', remote.url])
  if (keeps) await copyHistory(tree, repository, git)
  else {
    await mkdir(`${top}/.git/objects/info`, { recursive: true })
    await writeFile(`${top}/.git/objects/info/alternates`, `${repository}/objects\n`)
  }
  await git(['checkout', '--quiet', '--force', '--detach', commit])
  if (tree.submodules && (await exists(`${top}/.gitmodules`))) await addSubmodules(top, keeps, place)
  // Not with `show`: it wants the parents, which were not fetched.
  const seconds = mtime === 'commit' ? timeOf(await git(['cat-file', 'commit', commit])) : undefined
  if (!keeps) await rm(`${top}/.git`, { recursive: true })
  const from = await inside(top, subdir, act)
  if (seconds !== undefined) await setTimes(Buffer.from(from), seconds)
  for (const name of await readdir(from, { encoding: 'buffer' })) {
    await rename(
      Buffer.concat([Buffer.from(`${from}/`), name]),
      Buffer.concat([Buffer.from(`${directory}/`), name]),
    )
  }
  if (seconds !== undefined) await lutimes(directory, seconds, seconds)
}

/** When a commit was made, in seconds since 1970. */
function timeOf(commit: string): number {
  const header = commit.slice(0, commit.indexOf('\n\n'))
  return Number(/^committer .*> (-?\d+) [-+]\d+$/m.exec(header)?.[1] ?? 0)
}

/** The commit and the name it was found by, without what was before it. */
async function copyHistory(
  { commit, tag, ref }: GitTree,
  repository: string,
  git: (args: readonly string[], run?: Parameters<Git>[1]) => Promise<string>,
): Promise<void> {
  const object = keptRef(tag ?? commit)
  const name = ref ?? 'refs/heads/slipway'
  // As a remote, not as a path: git must not link files of the repository that it shares.
  const fetched = [
    'fetch',
    '--quiet',
    '--depth=1',
    '--no-tags',
    '--update-head-ok',
    '--no-write-fetch-head',
    '--',
  ]
  await git([...fetched, `file://${repository}`, `+${object}:${name}`], { protocols: 'file' })
  if (ref === undefined) {
    await git(['update-ref', '--no-deref', 'HEAD', commit])
    await git(['update-ref', '-d', name])
  }
}

async function addSubmodules(top: string, keeps: boolean, place: CheckoutPlace): Promise<void> {
  const { act, git, remote } = place
  const update = ['submodule', '--quiet', 'update', '--init', '--recursive', '--progress']
  const run = { cwd: top, config: remote.config }
  const shallow = await git([...update, '--depth=1'], run)
  // Some hosts do not give single commits.
  const result = shallow.ok ? shallow : await git(update, run)
  if (!result.ok) {
    const { code, message, hint } = gitFailure(`${act}: get its submodules`, result)
    throw new SlipwayError({ code, message, hint: hint ?? 'leave them out with ?submodules=false' })
  }
  // Differs: BuildKit leaves files that lead to a directory of its own, which is not there any more.
  if (!keeps) await removeLinks(Buffer.from(top), true)
}

/** Removes the files named `.git` that lead from submodules to their repositories. No repository can have such files of its own. */
async function removeLinks(directory: Buffer, isTop: boolean): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([directory, Buffer.from('/'), entry.name])
    const isLink = entry.name.equals(Buffer.from('.git'))
    if (isLink && isTop) continue
    if (isLink) await rm(path, { recursive: true })
    else if (entry.isDirectory()) await removeLinks(path, false)
  }
}

/** The directory `subdir` of the tree, reached without links. */
async function inside(top: string, subdir: string, act: string): Promise<string> {
  let path = top
  for (const part of cleanPath(subdir).split('/')) {
    if (part === '') continue
    path = `${path}/${part}`
    const found = await lstat(path).catch(ignoreMissing)
    if (found?.isDirectory()) continue
    throw new SlipwayError({
      code: 'ERR_GIT_SUBDIR',
      message: `${act}: ${JSON.stringify(subdir)} is not a directory in it: ${baseOf(path)} is ${found === undefined ? 'missing' : found.isSymbolicLink() ? 'a symbolic link' : 'no directory'}`,
    })
  }
  return path
}

async function setTimes(path: Buffer, seconds: number): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    const below = Buffer.concat([path, Buffer.from('/'), entry.name])
    if (entry.isDirectory()) await setTimes(below, seconds)
    else await lutimes(below, seconds, seconds)
  }
  await lutimes(path, seconds, seconds)
}
