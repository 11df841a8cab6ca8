// What `# syntax=` may say. `# escape=` is the business of lines.ts, `# check=` that of lint/obey.ts.
import type { Directive } from './ast.ts'
import type { Report } from './report.ts'

/** Reports directives that ask for something slipway has not. */
export function checkDirectives(directives: readonly Directive[], report: Report): void {
  for (const directive of directives) {
    if (directive.name === 'syntax' && !isBuiltinSyntax(directive.value)) {
      const image = directive.value.split(' ', 1)[0] ?? ''
      report.error('UnknownSyntax', `unsupported syntax image ${JSON.stringify(image)}`, directive.span, {
        hint: 'slipway never runs other frontends: only its built-in docker/dockerfile syntax exists',
      })
    }
  }
}

/** Whether a syntax image is a release of the Dockerfile frontend, which this parser stands for. */
export function isBuiltinSyntax(value: string): boolean {
  return /^(?:(?:(?:index|registry-1)\.)?docker\.io\/)?docker\/dockerfile[^\s/]*(?: .*)?$/.test(value)
}
