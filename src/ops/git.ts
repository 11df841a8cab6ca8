// The driver of git repositories: the files of a commit as a layer of their own. Git itself is fetch's business.
import { invariant } from '../core/error.ts'
import type { GitFetcher } from '../fetch/git.ts'
import type { OpOf } from '../graph/op.ts'
import type { Snapshotter } from '../snapshot/types.ts'
import type { OpDriver } from '../solve/types.ts'
import { snapshotLayer } from './layers.ts'

export interface GitDependencies {
  readonly snapshotter: Pick<Snapshotter, 'prepare'>
  readonly fetcher: () => Promise<Pick<GitFetcher, 'checkOut'>>
}

/** The driver of git ops. Throws ERR_GIT_*. */
export function gitDriver({ snapshotter, fetcher }: GitDependencies): OpDriver<OpOf<'git'>> {
  return {
    async run({ commit, subdir, submodules, mtime, gitDir }, _inputs, note, cx) {
      invariant(note.remote, 'a git op has no remote in its note')
      const { url: remote, ref, fetchByCommit = false } = note.remote
      await using active = await snapshotter.prepare([])
      const tree = {
        remote,
        commit,
        subdir,
        submodules,
        mtime,
        fetchByCommit,
        keepGitDir: gitDir !== undefined,
        ...(ref === undefined ? {} : { ref }),
        ...(gitDir?.tag === undefined ? {} : { tag: gitDir.tag }),
      }
      await (await fetcher()).checkOut(tree, { directory: active.upper, scratch: active.work }, cx)
      return [snapshotLayer(await active.commit(), cx)]
    },
  }
}
