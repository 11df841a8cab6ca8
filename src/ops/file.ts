// The driver of COPY, ADD, WORKDIR and here-documents: one new layer, made by one run of the native helper.
// What is selected and where it goes is decided in copy/; here the parts meet.
import { bytesOf, textOf } from '../core/byte-string.ts'
import { digestOfJson } from '../core/canonical-json.ts'
import type { Context } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { invariant, SlipwayError } from '../core/error.ts'
import { type ModeChange, octalPermissions, parseFileMode } from '../core/file-mode.ts'
import { ociLayerType } from '../core/media-type.ts'
import { baseOf } from '../core/path.ts'
import type { FileAction, OpOf } from '../graph/op.ts'
import { writeTar } from '../layer/tar-write.ts'
import { type MergedTree, mergedTree } from '../snapshot/merged-tree.ts'
import type { Active, Snapshotter } from '../snapshot/types.ts'
import type { LayerRef, OpDriver, Result, RunNote } from '../solve/types.ts'
import type { PieceWriter } from '../store/types.ts'
import type { FileOperation } from '../sys/file-operation.ts'
import { applyFileOperations, type FileCounts, recordedNote } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'
import { entriesOf } from './copy/content-digest.ts'
import { asContextChange, changed, unreadable } from './copy/hash-files.ts'
import { LayerPlan } from './copy/layer-plan.ts'
import { listAll } from './copy/list-all.ts'
import { type OnUnknownName, resolveOwner } from './copy/owner.ts'
import { type CopyStyle, planCopy } from './copy/plan-copy.ts'
import { planMkdir, planMkfile } from './copy/plan-make.ts'
import type { CopyAction, Selected } from './copy/select.ts'
import type { SourceEntry } from './copy/source-tree.ts'
import { openSources, type Source, type Sources, type SourcesOptions } from './copy/sources.ts'
import { baseLookup, type TargetTree, targetTree } from './copy/target-tree.ts'
import { isArchive, unpackArchive } from './copy/unpack-archive.ts'
import { snapshotLayer } from './layers.ts'
import { nanoseconds } from './nanoseconds.ts'

export interface FileDependencies extends SourcesOptions {
  readonly snapshotter: Pick<Snapshotter, 'prepare' | 'path'>
  /** Where a layer that no op reads is written at once as an archive; absent: every layer becomes a snapshot. */
  readonly archives?: PieceWriter
}

/** A user file longer than this is not read (CVE-2024-9676). */
const maxUserFileBytes = 10 << 20

/**
 * The driver of file ops; `sources` may be shared with others that read the same inputs. Sources are judged by content: `contentOf` digests exactly what is copied. If a local file
 * changes between being listed and the end of the copy, the op fails (ERR_CONTEXT_CHANGED):
 * what is recorded under a digest has that content.
 */
export function fileDriver(
  dependencies: FileDependencies,
  sources: Sources = openSources(dependencies),
): OpDriver<OpOf<'file'>> {
  return {
    contentOf: (op, index, input, cx) => contentOf(sources, op, index, input, cx),
    filesOf: async (op, index, input, cx) => listAll(await sources(input, cx), copiesFrom(op, index), cx),
    run: (op, inputs, note, cx) => run(dependencies, sources, { op, inputs, note, cx }),
  }
}

async function contentOf(
  sources: Sources,
  op: OpOf<'file'>,
  index: number,
  input: Result,
  cx: Context,
): Promise<Digest | undefined> {
  if (index === op.base) return undefined
  const { digest } = await sources(input, cx)
  const digests: Digest[] = []
  for (const action of copiesFrom(op, index)) digests.push(await digest(action, cx.signal))
  const [only] = digests
  return digests.length === 1 ? only : digestOfJson(digests)
}

function copiesFrom(op: OpOf<'file'>, index: number): CopyAction[] {
  return op.actions.flatMap((action) => (action.kind === 'copy' && action.from === index ? [action] : []))
}

interface Task {
  readonly op: OpOf<'file'>
  readonly inputs: readonly Result[]
  readonly note: RunNote
  readonly cx: Context
}

async function run(
  dependencies: FileDependencies,
  sources: Sources,
  { op, inputs, note, cx }: Task,
): Promise<readonly LayerRef[]> {
  const { native, snapshotter, layers, archives } = dependencies
  const below = op.base === null ? [] : inputAt(inputs, op.base).layers
  const parents = await layers.snapshots(below, cx)
  const base =
    parents.length === 0
      ? undefined
      : mergedTree(
          parents.map((id) => snapshotter.path(id)),
          { native },
        )
  const looked = new Map<SourceEntry, Promise<boolean>>()
  const begin = (): Planning => ({
    ...{ op, inputs, sources, native, base, looked, cx },
    copied: [],
    placed: new Map(),
  })
  if (note.isLast && archives !== undefined) {
    const planning = begin()
    // What is in an archive is not held in memory until all of it is known.
    const plan = (await unpacksAny(planning)) ? undefined : await foresee(planning)
    if (plan !== undefined) {
      const layer = await writeArchive(plan, archives, planning)
      await verifyCopied(planning)
      return [...below, layer]
    }
  }
  await using active = await snapshotter.prepare(parents)
  const text = recordedNote(await writeDirectory(active, begin()))
  if (text !== undefined)
    cx.emit({ type: 'log', step: digestOfJson(op), stream: 'stderr', text: `${text}\n` })
  return [...below, snapshotLayer(await active.commit(), cx)]
}

/** Copies what `action` selects of `input` into the empty directory `active`, as the driver does; throws the same. */
export async function copyInto(
  active: Pick<Active, 'lower' | 'upper' | 'work'>,
  { action, input, cx }: { readonly action: CopyAction; readonly input: Result; readonly cx: Context },
  { sources, native }: { readonly sources: Sources; readonly native: Native },
): Promise<void> {
  const op = { kind: 'file', inputs: [], base: null, actions: [{ ...action, from: 0 }] } as const
  await writeDirectory(active, {
    ...{ op, inputs: [input], sources, native, base: undefined, cx },
    looked: new Map(),
    copied: [],
    placed: new Map(),
  })
}

async function writeDirectory(
  { lower, upper, work }: Pick<Active, 'lower' | 'upper' | 'work'>,
  planning: Planning,
): Promise<FileCounts> {
  const { native, cx } = planning
  const target = { kind: 'overlay', lower, upper, work } as const
  const made = await applyFileOperations(target, planActions(planning), { native, signal: cx.signal }).catch(
    (thrown: unknown) => {
      throw asContextChange(thrown)
    },
  )
  await verifyCopied(planning)
  return made
}

async function verifyCopied({ copied, cx }: Planning): Promise<void> {
  for (const { source, selected } of copied) await source.verify(selected, cx.signal)
}

/** The layer that the actions make, or undefined when only making it can tell. */
async function foresee(planning: Planning): Promise<LayerPlan | undefined> {
  const plan = new LayerPlan(planning.base, nowOf(planning))
  for await (const operation of planActions(planning)) if (!plan.add(operation)) return undefined
  return plan
}

async function unpacksAny(planning: Planning): Promise<boolean> {
  const { op, inputs, sources, cx } = planning
  for (const action of op.actions) {
    if (action.kind !== 'copy' || !action.unpack) continue
    const [source, style] = [await sources(inputAt(inputs, action.from), cx), await styleOf(action, planning)]
    for (const { entry } of await source.select(action)) {
      if (await unpacks(entry, style, planning)) return true
    }
  }
  return false
}

/** Whether ADD puts what is in this source in its place; each file is looked into once. */
function unpacks(entry: SourceEntry, style: CopyStyle, { native, looked, cx }: Planning): Promise<boolean> {
  if (entry.type !== 'file') return Promise.resolve(false)
  const known = looked.get(entry) ?? isArchive(entry, { style, native, signal: cx.signal })
  looked.set(entry, known)
  return known
}

/** Each source file is read once, and checked while that is done. */
async function writeArchive(
  plan: LayerPlan,
  archives: PieceWriter,
  { copied, native, cx }: Planning,
): Promise<LayerRef> {
  const archive = writeTar(plan.inputs(), { native, reusesChunks: true })
  try {
    const descriptor = await archives.putPieces(ociLayerType('uncompressed'), archive, cx.signal)
    return { kind: 'archive', descriptor, diffId: descriptor.digest, created: cx.now() }
  } catch (thrown) {
    cx.signal.throwIfAborted()
    throw asSourceFailure(thrown, plan, copied)
  }
}

/** The archive's finding that a file is not what it was listed as, told of the file that it comes from. */
function asSourceFailure(thrown: unknown, plan: LayerPlan, copied: readonly Copied[]): unknown {
  if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_TAR_SOURCE') return thrown
  const host = plan.sourceOf(String(thrown.data?.path))
  const entries = copied.flatMap(({ selected }) => entriesOf(selected))
  const entry = entries.find(({ hostPath }) => hostPath === host)
  if (entry === undefined) return thrown
  return thrown.data?.errno === undefined ? changed(entry) : unreadable(entry, { code: thrown.data.errno })
}

interface Copied {
  readonly source: Source
  readonly selected: readonly Selected[]
}

interface Planning {
  readonly op: OpOf<'file'>
  readonly inputs: readonly Result[]
  readonly sources: Sources
  readonly native: Native
  readonly base: MergedTree | undefined
  /** Which files ADD has found to be archives. */
  readonly looked: Map<SourceEntry, Promise<boolean>>
  /** Receives what is copied, to be verified afterwards. */
  readonly copied: Copied[]
  /** What the sources that are files have become: source by path. */
  readonly placed: Map<string, string>
  readonly cx: Context
}

/** The operations of all actions in order; each action sees what the ones before it did. */
async function* planActions(planning: Planning): AsyncGenerator<FileOperation, void, undefined> {
  const { op, base, cx } = planning
  const target = targetTree(base === undefined ? undefined : baseLookup(base))
  for (const action of op.actions) {
    cx.signal.throwIfAborted()
    const style = await styleOf(action, planning)
    const planned: FileOperation[] = []
    const emit = (operation: FileOperation): void => {
      planned.push(operation)
    }
    if (action.kind === 'mkdir') await planMkdir(target, action, style, emit)
    else if (action.kind === 'mkfile') {
      const place = await planMkfile(target, action, style, emit)
      notePlace(planning, `<<${action.name ?? baseOf(bytesOf(action.path))}`, place)
    } else yield* planSources(planning, target, action, style)
    yield* planned
  }
}

async function* planSources(
  planning: Planning,
  target: TargetTree,
  action: CopyAction,
  style: CopyStyle,
): AsyncGenerator<FileOperation, void, undefined> {
  const { inputs, sources, native, copied, cx } = planning
  const source = await sources(inputAt(inputs, action.from), cx)
  await source.confirm(action, cx.signal)
  const selected = await source.select(action)
  copied.push({ source, selected })
  const { destination } = action
  for (const item of selected) {
    if (action.unpack && (await unpacks(item.entry, style, planning))) {
      yield* unpackArchive(target, item.entry, destination, { style, native, signal: cx.signal })
      continue
    }
    const planned: FileOperation[] = []
    const place = await planCopy(target, item, destination, style, (operation) => {
      planned.push(operation)
    })
    yield* planned
    if (item.entry.type !== 'directory') notePlace(planning, item.entry.path, place)
  }
}

async function styleOf(action: FileAction, { op, base, cx }: Planning): Promise<CopyStyle> {
  const read = async (path: string) => base?.readFile(path, maxUserFileBytes)
  // USER may name one whom a later step creates: then a WORKDIR before that is root's, as in BuildKit, but not in silence.
  const onUnknown = action.kind === 'mkdir' ? [reportUnknown(op, action.path, cx)] : []
  const owner = action.owner === undefined ? undefined : await resolveOwner(action.owner, read, ...onUnknown)
  const { mode, parentMode } = modesOf(action)
  return {
    instruction: action.kind === 'copy' ? action.instruction : action.kind === 'mkdir' ? 'WORKDIR' : 'COPY',
    ...(owner === undefined ? {} : { owner }),
    ...(mode === undefined ? {} : { mode }),
    parentMode: parentMode ?? 0o755,
    nowNs: nowOf({ op, cx }),
  }
}

/** The time of what has none of its own. */
function nowOf({ op, cx }: Pick<Planning, 'op' | 'cx'>): bigint {
  return nanoseconds(op.epoch ?? cx.now())
}

/** Says in the step's output that a directory is made for somebody the image does not know. */
function reportUnknown(op: OpOf<'file'>, path: string, cx: Context): OnUnknownName {
  return ({ message }) => warn(`${message}: ${path} belongs to 0`, op, cx)
}

/** Differs: BuildKit writes one file over the other in silence (`COPY *.txt /to`, where /to is no directory). */
function notePlace({ op, placed, cx }: Planning, source: string, place: string): void {
  const before = placed.get(place)
  placed.set(place, source)
  if (before === undefined || before === source) return
  const [first, second, path] = [before, source, `/${place}`].map((text) => JSON.stringify(textOf(text)))
  warn(`${first} and ${second} both become ${path}: only the last one stays`, op, cx)
}

function warn(text: string, op: OpOf<'file'>, cx: Context): void {
  cx.emit({ type: 'log', step: digestOfJson(op), stream: 'stderr', text: `warning: ${text}\n` })
}

function modesOf(action: FileAction): {
  readonly mode?: ModeChange
  readonly parentMode?: number | undefined
} {
  if (action.kind === 'mkdir') return { parentMode: action.mode }
  if (action.kind === 'mkfile') return { parentMode: action.parentMode }
  if (action.mode === undefined) return {}
  const mode = parseFileMode(action.mode)
  invariant(mode, `a file op has the mode ${action.mode}`)
  return { mode, parentMode: octalPermissions(action.mode) }
}

function inputAt(inputs: readonly Result[], index: number): Result {
  const input = inputs[index]
  invariant(input, 'a file op names an input it does not have')
  return input
}
