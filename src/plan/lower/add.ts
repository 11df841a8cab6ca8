// ADD: as COPY from the build context, but archives are unpacked. Remote sources are not done yet.
import type { Add } from '../../dockerfile/ast.ts'
import type { Lower } from '../state.ts'
import { isGitUrl, isHttpUrl } from './remote-source.ts'
import { expandPaths, transfer } from './transfer.ts'
import { reportUnsupported } from './unsupported.ts'

export const lowerAdd: Lower<Add> = (state, instruction, cx) => {
  const paths = expandPaths(instruction, state, cx)
  const remote = paths.filter(({ text }) => isHttpUrl(text) || isGitUrl(text))
  for (const { text, word } of remote) {
    const what = isGitUrl(text) ? 'ADD of a git repository' : 'ADD of a URL'
    reportUnsupported(what, word.span, 'fetch it beforehand, or in a RUN step, and COPY it', cx)
  }
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
    reportUnsupported(
      'ADD --keep-git-dir',
      instruction.flags.find((flag) => flag.name === 'keep-git-dir')?.span ?? instruction.span,
      'it only matters for git sources: leave the flag out',
      cx,
    )
    return state
  }
  if (remote.length > 0) return state
  const from = paths.length === 0 ? undefined : cx.context()
  return transfer(state, instruction, { from, paths, unpack: instruction.unpack ?? true }, cx)
}
