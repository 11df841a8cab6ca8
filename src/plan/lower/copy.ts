// COPY: files of the build context, of another stage, of an image or a named context.
import { isGitUrl, isHttpUrl } from '../../core/git-reference.ts'
import type { Copy } from '../../dockerfile/ast.ts'
import { quotedBlank } from '../../dockerfile/quoted-blank.ts'
import type { Lower } from '../state.ts'
import { expandPaths, reportIgnored, sourcesFrom, transfer } from './transfer.ts'

export const lowerCopy: Lower<Copy> = (state, instruction, cx) => {
  const quoted = quotedBlank(instruction)
  if (quoted !== undefined) {
    cx.report(quoted)
    return state
  }
  const paths = expandPaths(instruction, state, cx)
  const remote = paths.filter(({ text }) => isHttpUrl(text) || isGitUrl(text))
  for (const { text, word } of remote) {
    cx.report({
      code: 'RemoteCopySource',
      severity: 'error',
      message: `source can't be a ${isGitUrl(text) ? 'git ref' : 'URL'} for COPY`,
      span: word.span,
      hint: 'only ADD takes remote sources',
    })
  }
  if (remote.length > 0) return state
  if (instruction.from !== undefined) {
    const from = cx.sourceOf(instruction.from)
    return from === undefined
      ? state
      : transfer(state, instruction, sourcesFrom(from, paths, instruction), cx)
  }
  reportIgnored('COPY', paths, cx)
  const sources = paths.length === 0 ? [] : sourcesFrom(cx.context(), paths, instruction)
  return transfer(state, instruction, sources, cx)
}
