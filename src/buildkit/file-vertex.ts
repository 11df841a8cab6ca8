// COPY, ADD and WORKDIR as BuildKit's file ops. One slipway action may be several of BuildKit's, and a here-document is
// a file of its own that is copied.
import { digestOf } from '../core/digest.ts'
import { cleanPath } from '../core/path.ts'
import type { FileAction, Op, OpOf, OpRef } from '../graph/op.ts'
import { type Dialect, inDialects } from './dialect.ts'
import { filled, goJson } from './go-json.ts'
import { fileAlone, fileOpDigest } from './mkfile-vertex.ts'
import { ownerJson } from './owner.ts'
import type { Selector, Vertex, VertexInput } from './vertex.ts'

type CopyAction = Extract<FileAction, { kind: 'copy' }>
type MkfileAction = Extract<FileAction, { kind: 'mkfile' }>

/** A file op before its inputs have numbers. */
interface Action {
  readonly from?: VertexInput['from']
  readonly selector?: Selector
  json(base: number, dialect: Dialect): string
}

/** The vertex of a file op; undefined when BuildKit would not make the same one. `kindOf` tells what an input is. */
export function fileVertex(op: OpOf<'file'>, kindOf: (ref: OpRef) => Op['kind']): Vertex | undefined {
  // Its key says nothing of the time that slipway gives to what a copy makes new.
  if (op.epoch !== undefined && op.actions.some(({ kind }) => kind !== 'mkdir')) return undefined
  const actions: Action[] = []
  for (const action of op.actions) {
    const made = actionsOf(action, op, kindOf)
    if (made === undefined) return undefined
    actions.push(...made)
  }
  const sources: VertexInput['from'][] = []
  const indexOf = (from: VertexInput['from']): number => {
    const known = sources.findIndex((source) => isSame(source, from))
    return known === -1 ? sources.push(from) - 1 : known
  }
  const baseRef = op.base === null ? undefined : op.inputs[op.base]
  const base = baseRef === undefined ? -1 : indexOf({ kind: 'op', ref: baseRef, index: op.base ?? 0 })
  const from = actions.map((action) => (action.from === undefined ? -1 : indexOf(action.from)))
  const indexes = actions.map((_, i) => [
    i === 0 ? base : sources.length + i - 1,
    from[i] ?? -1,
    i === actions.length - 1 ? 0 : -1,
  ])
  const digests = inDialects((dialect) =>
    fileOpDigest(
      actions.map((action) => action.json(base, dialect)),
      indexes,
    ),
  )
  const inputs = sources.map((source, input): VertexInput => {
    const selectors = actions.flatMap(({ selector }, i) =>
      from[i] === input && selector !== undefined ? [selector] : [],
    )
    // What is built upon counts as it was made, whatever else is read of it.
    return input === base || selectors.length === 0
      ? { from: source, selectors: [''] }
      : { from: source, selectors: [selectorOf(selectors)], content: distinct(selectors) }
  })
  return { digests, inputs }
}

function isSame(a: VertexInput['from'], b: VertexInput['from']): boolean {
  if (a.kind === 'op') return b.kind === 'op' && a.ref === b.ref
  return b.kind === 'vertex' && a.vertex.digests[0] === b.vertex.digests[0]
}

/** In descending byte order, as BuildKit has it. */
function selectorOf(selectors: readonly Selector[]) {
  const paths = selectors.map(({ path }) => Buffer.from(path)).sort(Buffer.compare)
  return digestOf(paths.reverse().join('\0'))
}

/** Without plain paths below other plain ones, by path. */
function distinct(selectors: readonly Selector[]): readonly Selector[] {
  const isPlain = (selector: Selector): boolean =>
    !selector.wildcard && selector.include.length === 0 && selector.exclude.length === 0
  const plain = selectors.filter(isPlain)
  const isCovered = ({ path }: Selector): boolean =>
    plain.some((other) => other.path !== path && path.startsWith(withSlash(other.path)))
  const kept = new Map(plain.filter((selector) => !isCovered(selector)).map((s) => [s.path, s]))
  return [...kept.values(), ...selectors.filter((selector) => !isPlain(selector))].sort(byPath)
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

function byPath(a: Selector, b: Selector): number {
  return Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))
}

function actionsOf(
  action: FileAction,
  op: OpOf<'file'>,
  kindOf: (ref: OpRef) => Op['kind'],
): readonly Action[] | undefined {
  switch (action.kind) {
    case 'mkdir':
      return [{ json: (base, dialect) => mkdirJson(action, op.epoch, base, dialect) }]
    case 'mkfile':
      return heredocOf(action)
    case 'copy': {
      const ref = op.inputs[action.from]
      if (ref === undefined) return undefined
      const kind = kindOf(ref)
      const isFetched = action.instruction === 'ADD' && (kind === 'http' || kind === 'git')
      return action.sources.map((source) => copyOf(action, source, ref, isFetched))
    }
  }
}

function mkdirJson(
  action: Extract<FileAction, { kind: 'mkdir' }>,
  epoch: string | undefined,
  base: number,
  dialect: Dialect,
): string {
  const members = filled({ path: action.path, mode: action.mode & 0o777, makeParents: true })
  const owner = action.owner === undefined ? {} : { owner: ownerJson(action.owner, base, dialect) }
  // A time of nanoseconds is more than a number holds.
  const time = epoch === undefined ? '-1' : `${Date.parse(epoch)}000000`
  return goJson({ ...members, ...owner }).replace(/\}$/, time === '0000000' ? '}' : `,"timestamp":${time}}`)
}

interface Mode {
  readonly mode?: number
  readonly modeStr?: string
}

function modeOf(text: string | undefined): Mode {
  if (text === undefined) return { mode: -1 }
  return /^[0-7]+$/.test(text) ? { mode: Number.parseInt(text, 8) } : { modeStr: text }
}

function copyOf(action: CopyAction, source: string, ref: OpRef, isFetched: boolean): Action {
  const [pivot, pattern] = action.parents ? pivotOf(source) : [source, undefined]
  const path = `/${cleanPath(pivot)}`
  const include = pattern === undefined ? [] : [pattern]
  const isExact = pattern !== undefined && !hasWildcards(pivot) && !hasWildcards(pattern)
  const required = isExact ? [`/${cleanPath(`${pivot}/${pattern}`)}`] : []
  const { exclude, destination, owner, unpack } = action
  const { mode, modeStr } = modeOf(action.mode)
  const head = { src: path === '/' ? '/' : path.slice(path.lastIndexOf('/') + 1), dest: destination }
  const tail = {
    mode,
    followSymlink: !isFetched,
    dirCopyContents: !isFetched,
    attemptUnpackDockerCompatibility: unpack,
    createDestPath: true,
    allowWildcard: !isFetched,
    allowEmptyWildcard: !isFetched,
    timestamp: -1,
    include_patterns: include,
    exclude_patterns: exclude,
    modeStr,
    required_paths: required,
  }
  return {
    from: { kind: 'op', ref, index: action.from },
    selector: {
      path,
      wildcard: !isFetched && hasWildcards(path),
      followLinks: !isFetched,
      include,
      exclude,
    },
    json: (base, dialect) =>
      goJson({
        ...filled(head),
        ...(owner === undefined ? {} : { owner: ownerJson(owner, base, dialect) }),
        ...filled(tail),
      }),
  }
}

/** The part of a `--parents` source above the pivot, and the pattern below it. */
function pivotOf(source: string): readonly [string, string] {
  const at = source.indexOf('/./')
  if (at === -1) return ['/', source]
  return [source.slice(0, at), source.slice(at + 3)]
}

function hasWildcards(path: string): boolean {
  return /[*?[]/.test(path.replace(/\\./g, ''))
}

/** The copy of a here-document's file; undefined when its mode was said in words, which the action does not keep. */
function heredocOf(action: MkfileAction): readonly Action[] | undefined {
  const { content, owner, parentMode } = action
  if (parentMode === undefined && action.mode !== 0o644) return undefined
  const at = action.path.lastIndexOf('/') + 1
  const name = action.name ?? action.path.slice(at)
  const destination = action.name === undefined ? action.path.slice(0, at) : action.path
  const vertex = fileAlone(`/${name}`, 0o644, content)
  const head = { src: name, dest: destination }
  const tail = { mode: parentMode === undefined ? -1 : action.mode, createDestPath: true, timestamp: -1 }
  const path = `/${name}`
  return [
    {
      from: { kind: 'vertex', vertex },
      selector: { path, wildcard: false, followLinks: false, include: [], exclude: [] },
      json: (base, dialect) =>
        goJson({
          ...filled(head),
          ...(owner === undefined ? {} : { owner: ownerJson(owner, base, dialect) }),
          ...filled(tail),
        }),
    },
  ]
}
