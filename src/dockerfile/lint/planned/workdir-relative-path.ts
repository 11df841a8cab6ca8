// BuildKit's WorkdirRelativePath.
import type { Diagnostic } from '../../../core/diagnostic.ts'
import type { Workdir } from '../../ast.ts'
import { type Rule, warningOf } from '../rule.ts'

/** An absolute WORKDIR first: a base image's own may change. */
export const workdirRelativePath: Rule = {
  name: 'WorkdirRelativePath',
  description:
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/workdir-relative-path/',
}

/** The first WORKDIR of a chain of stages when it is relative; `written` is its path, expanded and quoted. */
export function relativeWorkdir({ path }: Workdir, written: string): Diagnostic {
  const message = `Relative workdir ${written} can have unexpected results if the base image changes`
  return warningOf(workdirRelativePath, { span: path.span, message })
}
