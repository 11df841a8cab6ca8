// Says of a line that begins with no instruction what its writer may have meant: a misspelt name, a command without
// RUN, the rest of the instruction above.
import { type Diagnostic, nearest } from '../core/diagnostic.ts'
import type { EscapeCharacter } from './characters.ts'
import type { InstructionText } from './instruction-text.ts'
import { type LogicalLine, spanIn } from './logical-line.ts'

/** What has been read when a line turns out to be no instruction; each kind of leftover is told of once. */
export interface Above {
  /** The last line that did begin with an instruction. */
  line?: LogicalLine
  readonly told: Set<Leftover>
}

/** What a line can be a leftover of: of the instruction above, or of another program's syntax. */
export type Leftover = 'continuation' | 'conflict' | 'fence' | 'template'

export function nothingAbove(): Above {
  return { told: new Set() }
}

/** Reports an unknown instruction, or nothing when the line belongs to a leftover that was told of. */
export function reportUnknown(text: InstructionText, names: readonly string[], above: Above): void {
  const written = text.keyword.text
  const fail = (extra: Rest, suggestion?: string): void => {
    const meant = suggestion === undefined ? '' : ` (did you mean ${spelledAs(written, suggestion)}?)`
    const message = `unknown instruction: ${shown(written)}${meant}`
    text.report.error('UnknownInstruction', message, text.keyword.span, extra)
  }
  const leftover = leftoverOf(written)
  const suggestion = leftover === undefined ? suggestionFor(text, names) : undefined
  if (suggestion !== undefined) {
    const { name, hint } = suggestion
    fail(hint === undefined ? {} : { hint }, name)
    return
  }
  const isComment = /^(?:\/\/|\/?\*|--$|;|<!--)/.test(written)
  const rest = isComment || leftover !== undefined ? undefined : continuationOf(text, above.line)
  const kind = rest === undefined ? leftover?.kind : 'continuation'
  // What follows a line that should have been continued is the same mistake.
  if (kind === undefined || !above.told.has(kind)) {
    const hint = leftover?.hint ?? (isComment ? 'a comment begins with #' : belongsToRun(written))
    fail(rest ?? (hint === undefined ? {} : { hint }))
  }
  if (kind !== undefined) above.told.add(kind)
}

/** Whether the line is a misspelt instruction rather than something else altogether. */
export function isNearInstruction(text: InstructionText, names: readonly string[]): boolean {
  return suggestionFor(text, names) !== undefined
}

/** The suggestion as the line is written: all in lower case when that is. */
function spelledAs(written: string, name: string): string {
  return written === written.toLowerCase() && /[a-z]/.test(written) ? name.toLowerCase() : name
}

function shown(keyword: string): string {
  const visible = keyword.replace(/[^\x21-\x7e]/gu, (c) =>
    /[\p{L}\p{N}\p{P}\p{S}]/u.test(c) ? c : `<${codePoint(c)}>`,
  )
  return visible.length > 60 ? `${visible.slice(0, 60)}…` : visible
}

interface Suggestion {
  readonly name?: string
  readonly hint?: string
}

/** What an unknown instruction was perhaps meant to be. */
export function suggestionFor(text: InstructionText, names: readonly string[]): Suggestion | undefined {
  const { name } = text
  const written = text.keyword.text
  const odd = oddCharacter(written, names)
  if (odd !== undefined) return odd
  const next = /^\S+/.exec(text.args)?.[0] ?? ''
  const known = (word: string): boolean => names.includes(word.toUpperCase())
  const [, head = '', tail = ''] = /^([A-Za-z]+)([^A-Za-z_-].*|(?<=[A-Z])[a-z].*)$/s.exec(written) ?? []
  if (known(head)) {
    const instead = /^[=:]/.test(tail) ? ` instead of ${tail[0]}` : ''
    return { name: head, hint: `write a blank behind ${head}${instead}` }
  }
  if (known(written + next)) return { name: written + next, hint: 'write it as one word' }
  if (!/^[A-Za-z]/.test(written) && known(next)) return { hint: `remove ${shown(written)} before ${next}` }
  const meant = Object.hasOwn(otherNames, name) ? otherNames[name] : undefined
  if (meant !== undefined) return { name: meant }
  // Two edits turn any three letters into any others.
  const close = nearest(name, names, name.length < 4 ? 1 : 2)
  return close === undefined ? undefined : { name: close }
}

/** Names that other tools, or common sense, have for instructions. */
const otherNames: Readonly<Record<string, string>> = {
  AUTHOR: 'LABEL',
  BASE: 'FROM',
  CD: 'WORKDIR',
  CHDIR: 'WORKDIR',
  COMMAND: 'CMD',
  ENTRY: 'ENTRYPOINT',
  ENVIRONMENT: 'ENV',
  EXEC: 'RUN',
  EXPORT: 'ENV',
  IMAGE: 'FROM',
  PORT: 'EXPOSE',
  PORTS: 'EXPOSE',
  SET: 'ENV',
  SIGNAL: 'STOPSIGNAL',
  VAR: 'ARG',
}

const commands: ReadonlySet<string> = new Set(
  (
    'adduser apk apt apt-get bash bundle cargo cat chmod chown composer cp curl dnf dotnet echo for gem git go ' +
    'groupadd if ln make microdnf mkdir mv mvn node npm pip pip3 pnpm python python3 rm sed sh source sudo tar ' +
    'touch unzip useradd wget while yarn yum zypper'
  ).split(' '),
)

function belongsToRun(written: string): string | undefined {
  if (!commands.has(written.toLowerCase())) return undefined
  return `a shell command needs RUN before it: RUN ${written.toLowerCase()} …`
}

function leftoverOf(written: string): { readonly kind: Leftover; readonly hint: string } | undefined {
  if (/^(?:<{7}|\|{7}|={7}|>{7})$/.test(written)) {
    const hint = 'a merge conflict: keep one side and remove the lines with <<<<<<<, ======= and >>>>>>>'
    return { kind: 'conflict', hint }
  }
  if (written.startsWith('```')) return { kind: 'fence', hint: 'remove the Markdown fence' }
  if (/^\{[{%#]/.test(written))
    return { kind: 'template', hint: 'a template has to be rendered before it is built' }
  return undefined
}

/** A name with characters that look like others, or like nothing. */
function oddCharacter(written: string, names: readonly string[]): Suggestion | undefined {
  const [odd] = /[^\x21-\x7e]/u.exec(written) ?? []
  if (odd === undefined) return undefined
  const [before = ''] = written.split(odd)
  const words = [before, written.replace(/[^\x21-\x7e]/gu, ''), written]
  const name = words
    .map((word) => nearest(word, names, word.length < 4 ? 1 : 2))
    .find((close) => close !== undefined)
  if (name === undefined) return undefined
  const kind = /\p{White_Space}/u.test(odd)
    ? 'is no blank here: type a plain one'
    : /[\p{C}\p{M}]/u.test(odd)
      ? 'does not show: remove it'
      : 'only looks like a plain letter'
  return { name, hint: `the character ${codePoint(odd)} ${kind}` }
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

type Rest = Pick<Diagnostic, 'hint' | 'notes'>

/** Why the line may be the rest of the one above, and where that one should have been continued. */
function continuationOf(text: InstructionText, above: LogicalLine | undefined): Rest | undefined {
  if (above === undefined || above.heredocs.length > 0) return undefined
  const { keyword, escape: escapeBy } = text
  const whole = above.text.trimEnd()
  const [name = ''] = /^\S+/.exec(whole) ?? []
  const [wrong = ''] = /\\\s+#.*$|\s[`\\/]$/.exec(whole) ?? []
  const isWord = /[A-Za-z]/.test(keyword.text) && keyword.text === keyword.text.toUpperCase()
  if (wrong === '' && (isWord || !continued.has(name.toUpperCase()))) return undefined
  const last = wrong.trimStart()
  const start = whole.length - Math.max(1, last.length)
  const hint = endHint(last, escapeBy) ?? restHint(keyword.text, name, above)
  return { hint, notes: [{ span: spanIn(above, start, whole.length), text: 'this line is not continued' }] }

  function restHint(written: string, above: string, { physical }: LogicalLine): string {
    const more = `to continue the ${above} above, end each of its lines but the last with ${escapeBy}`
    const run = physical.length > 1 ? undefined : belongsToRun(written)
    return run === undefined ? more : `${run}; ${more}`
  }
}

/** What is wrong with the end of a line that was meant to be continued. */
function endHint(end: string, escapeBy: EscapeCharacter): string | undefined {
  if (end === '') return undefined
  if (end.includes('#')) {
    return `nothing may follow the ${escapeBy} that continues a line: give the comment a line of its own`
  }
  if (end === '/') return `a line is continued with ${escapeBy}, not with /`
  return `the escape character is ${escapeBy} here; # escape=${end} in the first line changes that`
}

/** Instructions that people write over several lines. */
const continued: ReadonlySet<string> = new Set(
  'ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL RUN VOLUME'.split(' '),
)
