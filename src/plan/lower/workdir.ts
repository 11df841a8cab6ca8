// WORKDIR: the directory of everything after, made as a layer of its own and owned by the current USER.
import type { Workdir } from '../../dockerfile/ast.ts'
import { relativeWorkdir } from '../../dockerfile/lint/planned/workdir-relative-path.ts'
import type { FileOp } from '../../graph/op.ts'
import { expandKnown } from '../expand.ts'
import { goQuote } from '../go-format.ts'
import { cleanAbsolute, joinWorkdir } from '../paths.ts'
import { epochOf, type Lower, noteOf, titleOf, withConfig, withHistory, withStep } from '../state.ts'
import { ownerOf } from './transfer.ts'

/** What Linux takes for a path. */
const longestPath = 4095

export const lowerWorkdir: Lower<Workdir> = (state, instruction, cx) => {
  const path = expandKnown(instruction.path, state, cx)
  if (path === undefined) return { ...state, hasWorkdir: true }
  if (!state.hasWorkdir && !path.startsWith('/')) {
    cx.report(relativeWorkdir(instruction, goQuote(path)))
  }
  const workdir = joinWorkdir(state.config.WorkingDir ?? '', path)
  // Differs: BuildKit finds out when it makes the directory.
  if (Buffer.byteLength(workdir) > longestPath) {
    const message = `the working directory is longer than ${longestPath} bytes`
    cx.report({ code: 'PathTooLong', severity: 'error', message, span: instruction.path.span })
    return { ...state, hasWorkdir: true }
  }
  const after = withConfig({ ...state, hasWorkdir: true }, { WorkingDir: workdir })
  const text = `WORKDIR ${workdir}`
  if (workdir === '/') return withHistory(after, text, cx)
  const owner = ownerOf(state.config.User ?? '')
  const op: FileOp = {
    actions: [
      { kind: 'mkdir', mode: 0o755, ...(owner === '' ? {} : { owner }), path: cleanAbsolute(workdir) },
    ],
    base: state.root === null ? null : 0,
    ...epochOf(cx),
    inputs: state.root === null ? [] : [state.root],
    kind: 'file',
  }
  const note = noteOf(state, titleOf(instruction), instruction.span, cx)
  return withHistory(withStep(after, op, note, cx), text, cx, 'layer')
}
