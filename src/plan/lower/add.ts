// ADD: as COPY from the build context, but archives are unpacked; files of the web, and git repositories.
import type { Diagnostic } from '../../core/diagnostic.ts'
import { redact } from '../../core/error.ts'
import type { Add } from '../../dockerfile/ast.ts'
import { quotedBlank } from '../../dockerfile/quoted-blank.ts'
import { expandIn } from '../expand.ts'
import { addGit } from '../git.ts'
import { addHttp } from '../http.ts'
import { globOfName } from '../paths.ts'
import type { Lower, LowerContext } from '../state.ts'
import { type AddSource, addSources } from './add-source.ts'
import { expandPaths, reportIgnored, sourcesFrom, type TransferSource, transfer } from './transfer.ts'

export const lowerAdd: Lower<Add> = (state, instruction, cx) => {
  const quoted = quotedBlank(instruction)
  if (quoted !== undefined) {
    cx.report(quoted)
    return state
  }
  const paths = expandPaths(instruction, state, cx)
  const checksum = instruction.checksum === undefined ? '' : expandIn(instruction.checksum, state, cx)
  const sources = addSources(instruction, paths, checksum, cx.report)
  if (sources.length < paths.length) return state
  const local = sources.flatMap((source) => (source.kind === 'local' ? [source.path] : []))
  reportIgnored('ADD', local, cx)
  const taken = sources.flatMap((source) => transferSource(source, instruction, cx))
  return taken.length < paths.length ? state : transfer(state, instruction, taken, cx)
}

function transferSource(source: AddSource, { unpack }: Add, cx: LowerContext): TransferSource[] {
  switch (source.kind) {
    case 'local':
      return sourcesFrom(cx.context(), [source.path], { unpack: unpack ?? true })
    case 'http': {
      const { url, checksum, word } = source
      const { op, filename } = addHttp(
        { url, ...(checksum === undefined ? {} : { checksum }), span: word.span },
        cx,
      )
      // Differs: BuildKit writes passwords in URLs into the image's history.
      return [{ from: op, pattern: globOfName(filename), written: redact(url), unpack: unpack ?? false }]
    }
    case 'git': {
      const op = addGit({ reference: source.reference, span: source.path.word.span }, cx)
      const written = redact(source.path.text)
      return op === undefined ? [] : [{ from: op, pattern: '.', written, unpack: false }]
    }
  }
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
  addSources(instruction, paths, checksum?.text ?? '', report)
}
