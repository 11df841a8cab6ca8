// What COPY and ADD share: sources and here-documents become the actions of one file op, on top of the
// root or (--link) beside it.
import type { Add, Copy, Word } from '../../dockerfile/ast.ts'
import type { FileAction, FileOp, OpRef } from '../../graph/op.ts'
import { expandContent, expandIn } from '../expand.ts'
import { destinationOf, sourceOf, sourceWithPivot } from '../paths.ts'
import { type LowerContext, noteOf, type StageState, titleOf, withHistory, withStep } from '../state.ts'
import { applyChmod, parseChmod } from './chmod.ts'

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

/** The state after `paths` of the file system `from` and the instruction's here-documents are copied. `from` is unused when there are no paths. */
export function transfer(
  state: StageState,
  instruction: Copy | Add,
  source: {
    readonly from: OpRef | undefined
    readonly paths: readonly SourcePath[]
    readonly unpack: boolean
  },
  cx: LowerContext,
): StageState {
  const owner = instruction.chown === undefined ? '' : expandIn(instruction.chown, state, cx)
  const chmod = instruction.chmod === undefined ? '' : expandIn(instruction.chmod, state, cx)
  const mode = chmod === '' ? undefined : parseChmod(chmod)
  if (chmod !== '' && mode === undefined) {
    cx.report({
      code: 'InvalidChmod',
      severity: 'error',
      message: `invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`,
      ...(instruction.chmod === undefined ? {} : { span: instruction.chmod.span }),
      hint: 'a symbolic mode such as u=rwX,go=rX works too',
    })
    return state
  }
  const written = expandIn(instruction.destination, state, cx)
  const isLinked = instruction.link && isLinkable(instruction, owner, cx)
  const base = isLinked ? null : state.root
  const inputs = [
    ...(base === null ? [] : [base]),
    ...(source.from === undefined || source.paths.length === 0 ? [] : [source.from]),
  ]
  const metadata = { ...(owner === '' ? {} : { owner }), ...(mode === undefined ? {} : { mode }) }
  const destination = destinationOf(state.config.WorkingDir ?? '/', written)
  const copies: FileAction[] =
    source.paths.length === 0
      ? []
      : [
          {
            kind: 'copy',
            from: inputs.length - 1,
            sources: source.paths.map(({ text }) =>
              instruction.kind === 'COPY' && instruction.parents ? sourceWithPivot(text) : sourceOf(text),
            ),
            destination,
            ...metadata,
            exclude: instruction.exclude.map((pattern) => pattern.text),
            parents: instruction.kind === 'COPY' && instruction.parents,
            unpack: source.unpack,
            instruction: instruction.kind,
          },
        ]
  const heredocs = instruction.sources.flatMap((item) => (item.kind === 'heredoc' ? [item.heredoc] : []))
  const files = heredocs.map((heredoc): FileAction => {
    const isInside = destination.endsWith('/') || instruction.sources.length > 1
    return {
      kind: 'mkfile',
      ...(isInside
        ? { path: `${destination.replace(/\/$/, '')}/${heredoc.name}` }
        : { path: destination, name: heredoc.name }),
      mode: mode === undefined ? 0o644 : applyChmod(mode, 0o644),
      ...(owner === '' ? {} : { owner }),
      content: expandContent(heredoc, state, cx),
    }
  })
  const op: FileOp = {
    kind: 'file',
    inputs,
    base: base === null ? null : 0,
    actions: [...copies, ...files],
  }
  const text = [
    instruction.kind,
    ...(instruction.kind === 'COPY' && instruction.parents ? ['--parents'] : []),
    ...(owner === '' ? [] : [`--chown=${owner}`]),
    ...(chmod === '' ? [] : [`--chmod=${chmod}`]),
    ...source.paths.map((path) => path.text),
    ...heredocs.map((heredoc) => `<<${heredoc.name}`),
    written,
    '# buildkit',
  ].join(' ')
  return withHistory(withFiles(state, instruction, op, isLinked, cx), text, cx, 'layer')
}

/** Names in --chown are looked up in the image, which a linked layer must not depend on. */
function isLinkable(instruction: Copy | Add, owner: string, cx: LowerContext): boolean {
  if (owner === '' || /^\d+(?::\d+)?$/.test(owner)) return true
  // Differs: BuildKit gives such files to root (0:0) without a word.
  cx.report({
    code: 'LinkNeedsNumericOwner',
    severity: 'warning',
    message: `${instruction.kind} --link is ignored because --chown=${owner} has a name, which only the image below can tell`,
    span: instruction.chown?.span ?? instruction.span,
    hint: 'write the numeric user and group ids to keep the layer independent',
  })
  return false
}

function withFiles(
  state: StageState,
  instruction: Copy | Add,
  op: FileOp,
  isLinked: boolean,
  cx: LowerContext,
): StageState {
  const note = noteOf(state, titleOf(instruction), instruction.span, cx)
  if (!isLinked || state.root === null) return withStep(state, op, note, cx)
  const files = cx.graph.add(op, note)
  const { force, ...linked } = { ...note, title: `LINK ${note.title}` }
  return withStep(state, { kind: 'merge', inputs: [state.root, files] }, linked, cx)
}
