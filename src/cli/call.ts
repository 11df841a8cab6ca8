// `--call` and `--check` on the command line: the flag's value, and answers as text or JSON.
import type { Answer, Called } from '../app/call/call.ts'
import { type Method, methods } from '../app/call/types.ts'
import { countErrors, diagnosticPrinter, nearest } from '../core/diagnostic.ts'
import { SlipwayError } from '../core/error.ts'
import { printable } from '../progress/model.ts'

/** What `--call` asks for. */
export interface CallRequest {
  readonly method: Method
  readonly format: 'text' | 'json'
  /** Exit with 0 although the check found something. */
  readonly ignoreStatus: boolean
}

/** Reads `METHOD[,format=text|json][,ignorestatus=BOOL]`; undefined asks for a build. Throws ERR_FLAG_INVALID. */
export function parseCall(text: string): CallRequest | undefined {
  let name: string | undefined
  let format: CallRequest['format'] = 'text'
  let ignoreStatus = false
  for (const field of text.split(',')) {
    const at = field.indexOf('=')
    const key = at === -1 ? field : field.slice(0, at)
    const value = field.slice(at + 1)
    if (at === -1) {
      if (name !== undefined) throw invalid(text, `${name} and ${field} are two methods`)
      name = field
    } else if (key === 'format') {
      if (value !== 'text' && value !== 'json') throw invalid(text, `format is text or json, not ${value}`)
      format = value
    } else if (key === 'ignorestatus') {
      const read = truth(value)
      if (read === undefined) throw invalid(text, `ignorestatus is true or false, not ${value}`)
      ignoreStatus = read
    } else {
      throw invalid(text, `${key} is neither format nor ignorestatus`)
    }
  }
  if (name === undefined || name === '' || name === 'build') return undefined
  const wanted = name === 'check' ? 'lint' : name
  const method = methods.find((known) => known === wanted)
  if (method !== undefined) return { method, format, ignoreStatus }
  const near = nearest(name, [...methods, 'check', 'build'])
  throw invalid(text, `${name} is no method`, near === undefined ? undefined : `did you mean ${near}?`)
}

function truth(text: string): boolean | undefined {
  if (/^(?:1|t|true)$/i.test(text)) return true
  return /^(?:0|f|false)$/i.test(text) ? false : undefined
}

function invalid(text: string, reason: string, hint?: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_FLAG_INVALID',
    message: `invalid value ${JSON.stringify(text)} for --call: ${reason}`,
    hint: hint ?? 'it takes build, check, outline, targets or subrequests.describe',
  })
}

/** What goes to standard output, standard error, and the exit status. */
export interface Printed {
  readonly stdout: string
  readonly stderr: string
  readonly status: number
  /** For --metadata-file, with buildx's keys. */
  readonly metadata: Readonly<Record<string, string>>
}

/** The answer as the user asked for it. */
export function printCalled(called: Called, { format, ignoreStatus }: CallRequest): Printed {
  const { answer, errors, files, dockerfile } = called
  const count = countErrors(errors, dockerfile)
  const printer = diagnosticPrinter(files)
  const stderr =
    errors.length === 0
      ? ''
      : `${errors.map((error) => `\n${printer.format(error)}\n`).join('')}\nERROR: failed to build: ${count}\n`
  if (answer === undefined) return { stdout: '', stderr, status: 1, metadata: {} }
  const json = JSON.stringify(answer.json, undefined, 2)
  const text = textOf(answer, called)
  const found = answer.method === 'lint' && answer.json.warnings.length > 0
  return {
    stdout: format === 'json' ? `${json}\n` : text,
    stderr,
    status: errors.length > 0 || (found && !ignoreStatus) ? 1 : 0,
    metadata: {
      'result.json': json,
      'result.txt': text,
      ...(answer.method === 'lint' ? { 'result.statuscode': found || errors.length > 0 ? '1' : '0' } : {}),
      version: '1.0.0',
    },
  }
}

function textOf(answer: Answer, called: Called): string {
  switch (answer.method) {
    case 'lint':
      return lintText(answer, called)
    case 'outline':
      return outlineText(answer.json)
    case 'targets':
      return columns(
        [
          ['TARGET', 'DESCRIPTION'],
          ...answer.json.targets.map(({ name = '', default: isDefault, description = '' }) => [
            isDefault ? `${name} (default)`.trimStart() : name,
            description,
          ]),
        ],
        1,
      )
    case 'subrequests.describe':
      return columns(
        [
          ['NAME', 'VERSION', 'DESCRIPTION'],
          ...answer.json.map(({ name, version, description }) => [
            name.replace(/^frontend\./, ''),
            version,
            description,
          ]),
        ],
        1,
      )
  }
}

function lintText(
  { json, findings }: Extract<Answer, { method: 'lint' }>,
  { files, errors }: Called,
): string {
  const { warnings } = json
  if (warnings.length === 0) return errors.length > 0 ? '' : 'Check complete, no warnings found.\n'
  const heading =
    warnings.length === 1 ? '1 warning has been found!' : `${warnings.length} warnings have been found!`
  const printer = diagnosticPrinter(files)
  const parts = findings.map((diagnostic, i) => {
    const url = warnings[i]?.url
    const [, ...place] = printer.format(diagnostic).split('\n')
    const lines = [
      `WARNING: ${diagnostic.code}${url === undefined ? '' : ` - ${url}`}`,
      printable(diagnostic.message),
      ...place,
    ]
    return `\n${lines.join('\n')}\n`
  })
  return `Check complete, ${heading}\n${parts.join('')}`
}

function outlineText(outline: Extract<Answer, { method: 'outline' }>['json']): string {
  const { name, description, args = [], secrets = [], ssh = [], cache = [] } = outline
  const tables: string[] = []
  if (name !== undefined || description !== undefined) {
    const rows = [['TARGET:', name ?? '(default)']]
    if (description !== undefined) rows.push(['DESCRIPTION:', description])
    tables.push(columns(rows, 1))
  }
  const table = (heading: readonly string[], rows: readonly (readonly string[])[]): void => {
    if (rows.length > 0) tables.push(columns([heading, ...rows], 3))
  }
  table(
    ['BUILD ARG', 'VALUE', 'DESCRIPTION'],
    args.map((arg) => [arg.name, arg.value ?? '', arg.description ?? '']),
  )
  const needRow = (need: { name: string; required?: true }): string[] => [
    need.name,
    need.required ? 'true' : '',
  ]
  table(['SECRET', 'REQUIRED'], secrets.map(needRow))
  table(['SSH', 'REQUIRED'], ssh.map(needRow))
  table(
    ['CACHE MOUNT'],
    cache.map(({ ID }) => [ID]),
  )
  return tables.map((text) => `${text}\n`).join('')
}

/** Rows with their columns `gap` blanks apart, no trailing blanks. */
function columns(rows: readonly (readonly string[])[], gap: number): string {
  // A Dockerfile says what stands in some cells, and a terminal must not act on it.
  const shown = rows.map((row) => row.map(printable))
  const widths = (shown[0] ?? []).map((_, column) =>
    Math.max(...shown.map((row) => row[column]?.length ?? 0)),
  )
  return shown
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd((widths[i] ?? 0) + gap))
          .join('')
          .trimEnd()}\n`,
    )
    .join('')
}
