// ADD: as COPY from the build context, but archives are unpacked. Remote sources are validated, not fetched yet.
import type { Diagnostic } from '../../core/diagnostic.ts'
import type { Add } from '../../dockerfile/ast.ts'
import { expandIn } from '../expand.ts'
import type { Lower } from '../state.ts'
import { type AddSource, addSources } from './add-source.ts'
import { expandPaths, reportIgnored, transfer } from './transfer.ts'
import { unsupported } from './unsupported.ts'

export const lowerAdd: Lower<Add> = (state, instruction, cx) => {
  const paths = expandPaths(instruction, state, cx)
  const checksum = instruction.checksum === undefined ? '' : expandIn(instruction.checksum, state, cx)
  const sources = addSources(instruction, paths, checksum, cx.report)
  reportRemote(sources, cx.report)
  const local = sources.flatMap((source) => (source.kind === 'local' ? [source.path] : []))
  if (local.length < paths.length) return state
  reportIgnored('ADD', local, cx)
  const from = local.length === 0 ? undefined : cx.context()
  return transfer(state, instruction, { from, paths: local, unpack: instruction.unpack ?? true }, cx)
}

/** Reports what shows before variables have values. */
export function checkAdd(instruction: Add, report: (diagnostic: Diagnostic) => void): void {
  const words = instruction.sources.flatMap((source) => (source.kind === 'path' ? [source.word] : []))
  const { checksum } = instruction
  const isPlain = [...words, ...(checksum === undefined ? [] : [checksum])].every(
    ({ text }) => !/[$'"`\\]/.test(text),
  )
  if (!isPlain) return
  const paths = words.map((word) => ({ text: word.text, word }))
  reportRemote(addSources(instruction, paths, checksum?.text ?? '', report), report)
}

function reportRemote(sources: readonly AddSource[], report: (diagnostic: Diagnostic) => void): void {
  for (const source of sources) {
    if (source.kind === 'local') continue
    const what = source.kind === 'git' ? 'ADD of a git repository' : 'ADD of a URL'
    report(unsupported(what, source.word.span, 'fetch it beforehand, or in a RUN step, and COPY it'))
  }
}
