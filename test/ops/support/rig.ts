// A file driver over a real state directory and the real helper, with a small language for trees: what a
// test needs to say "this base, this context, this COPY, then that tree".
import {
  chmodSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { digestOf } from '../../../src/core/digest.ts'
import type { FileAction, OpNote, OpOf } from '../../../src/graph/op.ts'
import { writeLayer } from '../../../src/layer/write-layer.ts'
import type { SourcesOptions } from '../../../src/ops/copy/sources.ts'
import { fileDriver } from '../../../src/ops/file.ts'
import { openLayerSource } from '../../../src/ops/layers.ts'
import { type MergedEntry, mergedTree } from '../../../src/snapshot/merged-tree.ts'
import { openOverlaySnapshotter } from '../../../src/snapshot/overlay-snapshotter.ts'
import type { Snapshotter } from '../../../src/snapshot/types.ts'
import type { LayerRef, Result } from '../../../src/solve/types.ts'
import { openMemoryStore } from '../../../src/store/memory-store.ts'
import { openNative } from '../../../src/sys/native.ts'
import { writeHint } from '../../support/write-hint.ts'
import { type TestContext, testContext } from './context.ts'

/**
 * Path → what is there: text of a file, `/` suffix in the path for a directory, `-> target` for a symbolic link,
 * `= path` for a hard link. An array adds mode and owner: `['text', 0o600, 5, 6]`.
 */
export type Tree = Readonly<
  Record<string, string | readonly [what: string, mode?: number, uid?: number, gid?: number]>
>

/** The time every file of a test tree has. */
export const treeTime = new Date('2010-01-01T00:00:00Z')

export function writeTree(root: string, tree: Tree): void {
  const paths = Object.keys(tree)
  for (const path of paths) {
    const spec = tree[path] ?? ''
    const [what, mode, uid = 0, gid = 0] = typeof spec === 'string' ? [spec] : spec
    const full = join(root, path)
    mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true })
    if (what.startsWith('-> ')) symlinkSync(what.slice(3), full)
    else if (what.startsWith('= ')) linkSync(join(root, what.slice(2)), full)
    else if (!path.endsWith('/')) writeFileSync(full, what)
    const plain = full.replace(/\/$/, '')
    if (what.startsWith('= ')) continue
    lchownSync(plain, uid, gid)
    if (!what.startsWith('-> ')) chmodSync(plain, mode ?? (path.endsWith('/') ? 0o755 : 0o644))
  }
  for (const path of paths.reverse()) lutimesSync(join(root, path).replace(/\/$/, ''), treeTime, treeTime)
}

const note: OpNote = { slot: { stage: '0', ordinal: 0 }, label: '', title: '' }

export type CopyInput = Partial<Extract<FileAction, { kind: 'copy' }>> & {
  readonly sources: readonly string[]
  readonly destination: string
}

/** A COPY of input `from` (1 by default) with nothing else said. */
export function copy(input: CopyInput): FileAction {
  return { kind: 'copy', from: 1, exclude: [], parents: false, unpack: false, instruction: 'COPY', ...input }
}

export interface Rig {
  readonly root: string
  readonly context: string
  readonly snapshotter: Snapshotter
  /** What the sources of the driver are opened with. */
  readonly reading: SourcesOptions
  /** A committed layer of this tree, as an input of an op. */
  layer(tree: Tree): Promise<Result>
  /** The context directory as an input of an op. */
  local(ignore?: readonly string[]): Result
  /** Runs the actions on `base`; further inputs follow it. Every run looks at the context anew, unless given the `cx` of another. */
  run(
    base: Result | null,
    others: readonly Result[],
    actions: readonly FileAction[],
    cx?: TestContext,
  ): Promise<Result>
  /** As `run`, by an op whose layers no other one reads; the layer it makes, as an archive and how it came to be. */
  last(
    base: Result | null,
    others: readonly Result[],
    actions: readonly FileAction[],
    cx?: TestContext,
  ): Promise<{ readonly kind: LayerRef['kind']; readonly archive: Buffer; readonly layers: Result }>
  /** The archive of the top layer of what `run` made. */
  archive(result: Result): Promise<Buffer>
  /** The same layers, each a directory. */
  unpacked(result: Result): Promise<Result>
  /** The digest of what the actions read of the context. */
  digest(actions: readonly FileAction[], ignore?: readonly string[], cx?: TestContext): Promise<string>
  digestOf(input: Result, actions: readonly FileAction[]): Promise<string>
  /** One line per object: `path mode uid:gid content`. */
  list(result: Result, under?: string): string[]
  entry(result: Result, path: string): MergedEntry | undefined
  dispose(): void
}

export async function openRig(): Promise<Rig> {
  const root = mkdtempSync(join(tmpdir(), 'slipway-ops-'))
  const context = join(root, 'context')
  mkdirSync(context)
  const native = openNative(resolve(import.meta.dirname, '../../../dist'))
  const snapshotter = await openOverlaySnapshotter(join(root, 'state'), native)
  const store = openMemoryStore()
  const layers = openLayerSource({ native, store, snapshotter, fetch: async () => undefined })
  const reading: SourcesOptions = {
    native,
    layers,
    directoryOf: () => context,
    statCacheDirectory: join(root, 'stat-cache'),
    writeHint,
  }
  const driver = fileDriver({ ...reading, snapshotter, archives: store })
  let count = 0
  const resultOf = (refs: readonly LayerRef[]): Result => ({
    id: digestOf(`${root}${count++}`),
    layers: refs,
  })
  const opOf = (base: number | null, actions: readonly FileAction[]): OpOf<'file'> => ({
    kind: 'file',
    inputs: [],
    base,
    actions,
  })
  const treeOf = (result: Result) =>
    mergedTree(
      result.layers.map((layer) => snapshotter.path(layer.kind === 'snapshot' ? layer.id : '')),
      { native },
    )
  const contentOf = async (input: Result, actions: readonly FileAction[], at: TestContext) =>
    String(await driver.contentOf?.(opOf(0, actions), 1, input, at))
  const local = (ignore: readonly string[] = []): Result =>
    resultOf([{ kind: 'directory', name: 'context', ignore }])
  const archive = async (result: Result): Promise<Buffer> => {
    const paths = await layers.directories(result.layers, testContext())
    const { signal } = new AbortController()
    const upper = paths.at(-1) ?? ''
    const { descriptor } = await writeLayer(upper, { lower: paths.slice(0, -1), store, native, signal })
    return store.read(descriptor, 1 << 30)
  }
  return {
    root,
    snapshotter,
    reading,
    context,
    local,
    async layer(tree) {
      await using active = await snapshotter.prepare([])
      writeTree(active.upper, tree)
      return resultOf([{ kind: 'snapshot', id: await active.commit(), created: '2026-01-01T00:00:00Z' }])
    },
    async run(base, others, actions, at = testContext()) {
      const inputs = [base ?? { id: digestOf(''), layers: [] }, ...others]
      return resultOf(await driver.run(opOf(base === null ? null : 0, actions), inputs, note, at))
    },
    async last(base, others, actions, at = testContext()) {
      const inputs = [base ?? { id: digestOf(''), layers: [] }, ...others]
      const told = { ...note, isLast: true } as const
      const layers = resultOf(await driver.run(opOf(base === null ? null : 0, actions), inputs, told, at))
      const top = layers.layers.at(-1)
      if (top?.kind !== 'archive')
        return { kind: top?.kind ?? 'blob', archive: await archive(layers), layers }
      return { kind: top.kind, archive: await store.read(top.descriptor, 1 << 30), layers }
    },
    archive,
    async unpacked(result) {
      const ids = await layers.snapshots(result.layers, testContext())
      return resultOf(ids.map((id) => ({ kind: 'snapshot', id, created: '2026-01-01T00:00:00Z' })))
    },
    digest: (actions, ignore, at = testContext()) => contentOf(local(ignore), actions, at),
    digestOf: (input, actions) => contentOf(input, actions, testContext()),
    list(result, under = '') {
      const tree = treeOf(result)
      const top = tree.lookup(under, { follow: false })
      if (top === undefined) return []
      const contentOfEntry = (entry: MergedEntry): string => {
        if (entry.type === 'directory') return ''
        if (entry.linkTarget !== undefined) return ` -> ${entry.linkTarget}`
        if (entry.type !== 'file') return ` ${entry.type}`
        return ` ${tree.readFile(entry.path, 1 << 20)?.toString()}`
      }
      return [...tree.walk(top)].map((entry) => {
        const mode = entry.type === 'symlink' ? 'link' : entry.mode.toString(8)
        const slash = entry.type === 'directory' ? '/' : ''
        return `${entry.path}${slash} ${mode} ${entry.uid}:${entry.gid}${contentOfEntry(entry)}`
      })
    },
    entry: (result, path) => treeOf(result).lookup(path, { follow: false }),
    dispose: () => rmSync(root, { recursive: true, force: true }),
  }
}
