// The local and tar exporters: the root file system itself, as a directory or a plain archive.
import { mkdir, rm } from 'node:fs/promises'
import { PassThrough, type Writable } from 'node:stream'
import type { Context } from '../core/context.ts'
import { copyTree, type ExportedTree, writeTreeTar } from '../snapshot/export-tree.ts'
import { mergedTree } from '../snapshot/merged-tree.ts'
import { subtree } from '../snapshot/subtree.ts'
import type { Native } from '../sys/native.ts'
import { entryAt, inPlaceOf, makeParents, writeFailure, writeFileWhole, writeStream } from './destination.ts'
import { moveInto, stagingName } from './move-into.ts'

export interface TreeOutput {
  readonly type: 'local' | 'tar'
  /** As typed; `-` is standard output, for archives. */
  readonly dest: string
  /** What of the file system is written; absent: all of it. */
  readonly path?: string
}

export interface TreeHost {
  readonly native: Native
  readonly stdout: Writable
  /** SOURCE_DATE_EPOCH, RFC 3339: later times become this. */
  readonly epoch?: string
  /** The account that a directory's files belong to; root keeps the image's owners only in archives. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

export interface TreeExporter {
  /** Writes the file system of these layer directories, bottom first. Postcondition: the destination is complete, or unchanged. */
  export(directories: readonly string[], cx: Context): Promise<void>
}

/** Exports a file system, or what it holds at `output.path`, to where `output` says. */
export function treeExporter(output: TreeOutput, host: TreeHost): TreeExporter {
  const latest =
    host.epoch === undefined ? {} : { latestMtimeNs: BigInt(Date.parse(host.epoch)) * 1_000_000n }
  return {
    export: async (directories, cx) => {
      const whole = mergedTree(directories, { native: host.native })
      const tree = output.path === undefined ? whole : subtree(whole, output.path)
      const options = { signal: cx.signal, ...latest }
      if (output.type === 'tar') await writeArchive(tree, output.dest, host.stdout, options)
      else
        await writeDirectory(tree, output.dest, {
          ...options,
          native: host.native,
          owner: host.owner ?? caller(),
        })
    },
  }
}

type ArchiveOptions = Parameters<typeof writeTreeTar>[2]
type DirectoryOptions = Parameters<typeof copyTree>[2]

async function writeArchive(
  tree: ExportedTree,
  dest: string,
  stdout: Writable,
  options: ArchiveOptions,
): Promise<void> {
  const archive = new PassThrough({ highWaterMark: 1 << 20 })
  const written =
    dest === '-'
      ? writeStream(stdout, archive, options.signal)
      : writeFileWhole(dest, archive, options.signal)
  // A destination that cannot be opened reads nothing, and whoever writes would wait for ever.
  written.catch(() => archive.destroy())
  const results = await Promise.allSettled([written, writeTreeTar(tree, archive, options)])
  // The writer's failure first: the reader's is then only its echo.
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function writeDirectory(tree: ExportedTree, dest: string, options: DirectoryOptions): Promise<void> {
  if ((await entryAt(dest)) !== undefined) {
    const staging = `${dest}/${stagingName()}`
    try {
      await mkdir(staging, { mode: 0o700 })
      await copyTree(tree, staging, options)
      options.signal.throwIfAborted()
      await moveInto(staging, dest)
    } catch (thrown) {
      throw writeFailure(dest, thrown)
    } finally {
      await rm(staging, { recursive: true, force: true })
    }
    return
  }
  const made = makeParents(dest)
  try {
    await inPlaceOf(dest, async (temp) => {
      await mkdir(temp, { mode: 0o755 })
      await copyTree(tree, temp, options)
    })
  } catch (thrown) {
    if (made !== undefined) await rm(made, { recursive: true, force: true })
    throw thrown
  }
}

function caller(): { readonly uid: number; readonly gid: number } {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
}
