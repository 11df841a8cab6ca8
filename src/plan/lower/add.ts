// ADD: as COPY from the build context, but archives are unpacked. Remote sources are not done yet.
import type { Diagnostic } from '../../core/diagnostic.ts'
import type { Add, Word } from '../../dockerfile/ast.ts'
import type { Lower } from '../state.ts'
import { isGitUrl, isHttpUrl } from './remote-source.ts'
import { expandPaths, reportIgnored, transfer } from './transfer.ts'
import { unsupported } from './unsupported.ts'

export const lowerAdd: Lower<Add> = (state, instruction, cx) => {
  const paths = expandPaths(instruction, state, cx)
  const remote = paths.filter(({ text }) => isHttpUrl(text) || isGitUrl(text))
  for (const { text, word } of remote) cx.report(unsupportedSource(text, word))
  if (instruction.checksum !== undefined && remote.length === 0) {
    cx.report({
      code: 'ChecksumNotRemote',
      severity: 'error',
      message:
        paths.length === 1
          ? 'checksum requires HTTP(S) or Git sources'
          : "checksum can't be specified for multiple sources",
      span: instruction.checksum.span,
    })
    return state
  }
  if (instruction.keepGitDir === true && remote.length === 0) {
    const flag = instruction.flags.find(({ name }) => name === 'keep-git-dir')
    const hint = 'it only matters for git sources: leave the flag out'
    cx.report(unsupported('ADD --keep-git-dir', flag?.span ?? instruction.span, hint))
    return state
  }
  if (remote.length > 0) return state
  reportIgnored('ADD', paths, cx)
  const from = paths.length === 0 ? undefined : cx.context()
  return transfer(state, instruction, { from, paths, unpack: instruction.unpack ?? true }, cx)
}

/** Reports the sources that are remote as they are written. */
export function checkAdd({ sources }: Add, report: (diagnostic: Diagnostic) => void): void {
  for (const source of sources) {
    if (source.kind !== 'path') continue
    const { text } = source.word
    if (isHttpUrl(text) || isGitUrl(text)) report(unsupportedSource(text, source.word))
  }
}

function unsupportedSource(text: string, word: Word): Diagnostic {
  const what = isGitUrl(text) ? 'ADD of a git repository' : 'ADD of a URL'
  return unsupported(what, word.span, 'fetch it beforehand, or in a RUN step, and COPY it')
}
