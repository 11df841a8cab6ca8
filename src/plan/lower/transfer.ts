// What COPY and ADD share: sources and here-documents become the actions of one file op, on top of the
// root or (--link) beside it.
import { type ModeChange, octalPermissions, parseFileMode } from '../../core/file-mode.ts'
import type { Add, Copy, Heredoc, Word } from '../../dockerfile/ast.ts'
import type { FileAction, FileOp, OpRef, Owner } from '../../graph/op.ts'
import { expandContent, expandIn } from '../expand.ts'
import { destinationOf, sourceOf, sourceWithPivot } from '../paths.ts'
import {
  epochOf,
  type LowerContext,
  noteOf,
  type StageState,
  titleOf,
  withHistory,
  withStep,
} from '../state.ts'

/** An expanded source and the word it came from. */
export interface SourcePath {
  readonly text: string
  readonly word: Word
}

/** The paths among an instruction's sources, expanded. */
export function expandPaths(instruction: Copy | Add, state: StageState, cx: LowerContext): SourcePath[] {
  return instruction.sources.flatMap((source) =>
    source.kind === 'path' ? [{ text: expandIn(source.word, state, cx), word: source.word }] : [],
  )
}

/** Says which paths of the build context the ignore file keeps out of it. */
export function reportIgnored(kind: 'COPY' | 'ADD', paths: readonly SourcePath[], cx: LowerContext): void {
  for (const { text, word } of paths) {
    for (const found of cx.checkSource(kind, text, word.span)) cx.report(found)
  }
}

/** One thing that is copied, and the file system it is taken from. */
export interface TransferSource {
  readonly from: OpRef
  /** As a copy action names it. */
  readonly pattern: string
  /** As the history shows it. */
  readonly written: string
  readonly unpack: boolean
}

/** The paths as sources that are all taken from one file system. */
export function sourcesFrom(
  from: OpRef,
  paths: readonly SourcePath[],
  { parents = false, unpack = false }: { readonly parents?: boolean; readonly unpack?: boolean } = {},
): TransferSource[] {
  return paths.map(({ text }) => ({
    from,
    pattern: parents ? sourceWithPivot(text) : sourceOf(text),
    written: text,
    unpack,
  }))
}

/** An instruction's words, expanded. */
interface Wish {
  readonly sources: readonly TransferSource[]
  readonly heredocs: readonly Heredoc[]
  /** As the history shows it. */
  readonly written: string
  readonly destination: string
  readonly chown: string
  /** `chown` with `user:` as `user`. */
  readonly owner: string
  readonly chmod: string
  readonly mode: ModeChange | undefined
  readonly parents: boolean
}

/** The state after the sources and the instruction's here-documents are copied, in the order they are written. */
export function transfer(
  state: StageState,
  instruction: Copy | Add,
  sources: readonly TransferSource[],
  cx: LowerContext,
): StageState {
  const chown = instruction.chown === undefined ? '' : expandIn(instruction.chown, state, cx)
  const chmod = instruction.chmod === undefined ? '' : expandIn(instruction.chmod, state, cx)
  const mode = chmod === '' ? undefined : parseFileMode(chmod)
  if (chmod !== '' && mode === undefined) {
    cx.report({
      code: 'InvalidChmod',
      severity: 'error',
      message: `invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`,
      span: instruction.chmod?.span ?? instruction.span,
      hint: 'a symbolic mode such as u=rwX,go=rX works too',
    })
    return state
  }
  const written = expandIn(instruction.destination, state, cx)
  const wish: Wish = {
    sources,
    heredocs: instruction.sources.flatMap((item) => (item.kind === 'heredoc' ? [item.heredoc] : [])),
    written,
    destination: destinationOf(state.config.WorkingDir ?? '/', written),
    chown,
    owner: ownerOf(chown),
    chmod,
    mode,
    parents: instruction.kind === 'COPY' && instruction.parents,
  }
  if (instruction.link && !isNumeric(chown)) {
    cx.report({
      code: 'LinkNeedsNumericOwner',
      severity: 'error',
      message: `--chown=${chown}: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead`,
      span: instruction.chown?.span ?? instruction.span,
    })
    return state
  }
  const base = instruction.link ? null : state.root
  const inputs = [...new Set([...(base === null ? [] : [base]), ...sources.map(({ from }) => from)])]
  const op: FileOp = {
    actions: [
      ...runsOf(sources).map((run) => copyOf(wish, instruction, run, inputs)),
      ...wish.heredocs.map((heredoc) => fileOf(wish, heredoc, expandContent(heredoc, state, cx))),
    ],
    base: base === null ? null : 0,
    ...epochOf(cx),
    inputs,
    kind: 'file',
  }
  const after = withFiles(state, instruction, op, cx)
  return withHistory(after, historyOf(wish, instruction.kind), cx, 'layer')
}

type Run = readonly [TransferSource, ...TransferSource[]]

/** Neighbours that one action can copy. */
function runsOf(sources: readonly TransferSource[]): Run[] {
  const runs: [TransferSource, ...TransferSource[]][] = []
  for (const source of sources) {
    const last = runs.at(-1)
    if (last?.[0].from === source.from && last[0].unpack === source.unpack) last.push(source)
    else runs.push([source])
  }
  return runs
}

function copyOf(wish: Wish, instruction: Copy | Add, run: Run, inputs: readonly OpRef[]): FileAction {
  const { owner, chmod, parents, destination } = wish
  return {
    destination,
    exclude: instruction.exclude.map((pattern) => pattern.text),
    from: inputs.indexOf(run[0].from),
    instruction: instruction.kind,
    kind: 'copy',
    ...(chmod === '' ? {} : { mode: withoutZeros(chmod) }),
    ...(owner === '' ? {} : { owner }),
    parents,
    sources: run.map(({ pattern }) => pattern),
    unpack: run[0].unpack,
  }
}

/** One spelling for an octal mode, so that `0755` and `755` are one op. */
function withoutZeros(mode: string): string {
  return mode.replace(/^0+(?=[0-7])/, '')
}

function fileOf(wish: Wish, { name }: Heredoc, content: string): FileAction {
  const { owner, chmod, mode, destination } = wish
  const parentMode = octalPermissions(chmod)
  return {
    kind: 'mkfile',
    ...(destination.endsWith('/')
      ? { path: `${destination.replace(/\/$/, '')}/${name}` }
      : { path: destination, name }),
    mode: mode === undefined ? 0o644 : mode(0o644, false),
    ...(parentMode === undefined ? {} : { parentMode }),
    ...(owner === '' ? {} : { owner }),
    content,
  }
}

/** `user[:group]` as a file op names it: a colon with nothing behind it says nothing. */
export function ownerOf(written: string): Owner {
  return written.replace(/:$/, '')
}

function historyOf({ sources, heredocs, written, chown, chmod, parents }: Wish, name: string): string {
  return [
    name,
    ...(parents ? ['--parents'] : []),
    ...(chown === '' ? [] : [`--chown=${chown}`]),
    ...(chmod === '' ? [] : [`--chmod=${chmod}`]),
    ...sources.map((source) => source.written),
    ...heredocs.map((heredoc) => `<<${heredoc.name}`),
    written,
    '# buildkit',
  ].join(' ')
}

/** Whether the owner is known without looking into an image: numbers, and `root`, which is 0 everywhere. */
function isNumeric(owner: string): boolean {
  return /^(?:\+?\d+|root|)(?::(?:\+?\d+|root|))?$/.test(owner)
}

/** Differs: with `--chmod`, too, BuildKit copies `--link`ed files onto the root as if they were not linked. */
function withFiles(state: StageState, instruction: Copy | Add, op: FileOp, cx: LowerContext): StageState {
  const note = noteOf(state, titleOf(instruction), instruction.span, cx)
  if (!instruction.link || state.root === null) return withStep(state, op, note, cx)
  const files = cx.graph.add(op, note)
  const { force, ...linked } = { ...note, title: `LINK ${note.title}` }
  return withStep(state, { kind: 'merge', inputs: [state.root, files] }, linked, cx)
}
