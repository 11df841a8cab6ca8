// Which syntax a file is written in. `# escape=` is the business of lines.ts, `# check=` that of lint/obey.ts.
import { type Diagnostic, nearest } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'
import type { Directive } from './ast.ts'
import { trimSpace } from './characters.ts'

/** A syntax image that somebody asks for; without `span` it was the command line. */
interface Syntax {
  readonly value: string
  readonly span?: Span
}

/** A syntax that slipway has not. */
export interface ForeignSyntax {
  readonly diagnostic: Diagnostic
  /** Whether slipway's own was most likely meant; else what stands in the file is another language. */
  readonly isMisspelt: boolean
}

/**
 * What is wrong with the syntax that is asked for, if slipway has it not. `override` is BUILDKIT_SYNTAX. `text` may also
 * say `//syntax=` or be JSON with a member `syntax`, as other frontends' files do.
 */
export function checkSyntax(
  { text, file, directives }: { text: string; file: string; directives: readonly Directive[] },
  override: string | undefined,
): ForeignSyntax | undefined {
  const asked: Syntax | undefined =
    override === undefined || override === ''
      ? (syntaxIn(directives) ?? syntaxOfOthers(text, file))
      : { value: override }
  if (asked === undefined || isBuiltinSyntax(asked.value)) return undefined
  const { value, span } = asked
  const written = value.split(' ', 1)[0] ?? ''
  const image = JSON.stringify(written)
  const [name = '', tag] = written.split(':', 2)
  const close = nearest(name, ['docker/dockerfile', 'docker.io/docker/dockerfile'])
  const diagnostic: Diagnostic = {
    code: 'UnknownSyntax',
    severity: 'error',
    message: `unsupported syntax image ${image}${span === undefined ? ' in BUILDKIT_SYNTAX' : ''}`,
    ...(span === undefined ? {} : { span }),
    hint:
      close === undefined
        ? 'slipway never runs other frontends: only its built-in docker/dockerfile syntax exists'
        : `did you mean ${close}${tag === undefined ? '' : `:${tag}`}?`,
  }
  return { diagnostic, isMisspelt: close !== undefined }
}

/** The image that `# syntax=` names; what follows a blank is no part of it. */
function syntaxIn(directives: readonly Directive[]): Syntax | undefined {
  const directive = directives.find(({ name }) => name === 'syntax')
  if (directive === undefined) return undefined
  const { value, valueSpan } = directive
  const [image = ''] = value.split(' ', 1)
  return { value, span: { ...valueSpan, end: Math.min(valueSpan.end, valueSpan.start + image.length) } }
}

/** Whether a syntax image is a release of the Dockerfile frontend, which this parser stands for. */
export function isBuiltinSyntax(value: string): boolean {
  return /^(?:dockerfile\.v0|(?:(?:(?:index|registry-1)\.)?docker\.io\/)?docker\/dockerfile[^\s/]*)(?: .*)?$/.test(
    value,
  )
}

/** What a file that is no Dockerfile says of its syntax: in `//` comments at its top, or as JSON. */
function syntaxOfOthers(text: string, file: string): Syntax | undefined {
  const start = /^\ufeff?(?:#![^\n]*\n)?/.exec(text)?.[0].length ?? 0
  if (text.startsWith('//', start)) {
    let at = start
    for (const line of text.slice(start).split('\n', 16)) {
      const [, name, value] = /^[\t\v\f\r ]*\/\/\s*([a-zA-Z][a-zA-Z0-9]*)\s*=(.*)$/.exec(line) ?? []
      if (name === undefined || value === undefined) return undefined
      if (name.toLowerCase() === 'syntax') {
        return { value: trimSpace(value), span: { file, start: at, end: at + line.trimEnd().length } }
      }
      at += line.length + 1
    }
  }
  if (!/^\s*\{/.test(text.slice(start, start + 100))) return undefined
  let whole: unknown
  try {
    whole = JSON.parse(text.slice(start))
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
  const value = typeof whole === 'object' && whole !== null && 'syntax' in whole ? whole.syntax : undefined
  if (typeof value !== 'string') return undefined
  const at = text.indexOf('"syntax"', start)
  return { value, span: { file, start: at, end: at + '"syntax"'.length } }
}
