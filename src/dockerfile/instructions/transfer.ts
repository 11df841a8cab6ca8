// COPY and ADD: sources, destination, and the flags they share.
import { argumentsGrammar } from '../../../grammar/arguments.ts'
import type { Add, Copy, Heredoc, Source, Word } from '../ast.ts'
import { readStrings } from '../command.ts'
import { expandWord } from '../expand.ts'
import { type FlagKind, type Flags, readFlags } from '../flags.ts'
import { readHeredocWord } from '../heredoc.ts'
import { checkFileName } from '../heredoc-file-name.ts'
import { commonOf, type InstructionText, wordOf } from '../instruction-text.ts'

const shared = { chown: 'word', chmod: 'word', link: 'boolean', exclude: 'words' } as const

export function readCopy(text: InstructionText): Copy | undefined {
  const known: Record<string, FlagKind> = { from: 'word', ...shared, parents: 'boolean' }
  const flags = readFlags(text, known)
  const named = flags.word('from')
  // Nothing named is the build context.
  const from = named?.text === '' ? undefined : named
  if (from !== undefined) checkFrom(text, from)
  const places = readPlaces(text)
  if (places === undefined) return undefined
  const copy: Copy = { kind: 'COPY', ...transfer(text, flags, places) }
  return from === undefined ? copy : { ...copy, from }
}

export function readAdd(text: InstructionText): Add | undefined {
  const flags = readFlags(text, {
    ...shared,
    checksum: 'word',
    'keep-git-dir': 'boolean',
    unpack: 'boolean',
  })
  const places = readPlaces(text)
  if (places === undefined) return undefined
  const checksum = flags.word('checksum')
  const keepGitDir = flags.boolean('keep-git-dir')
  const unpack = flags.boolean('unpack')
  return {
    kind: 'ADD',
    ...transfer(text, flags, places),
    ...(checksum === undefined ? {} : { checksum }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(unpack === undefined ? {} : { unpack }),
  }
}

interface Places {
  readonly sources: readonly Source[]
  readonly destination: Word
}

function transfer(text: InstructionText, flags: Flags, places: Places) {
  const chown = flags.word('chown')
  const chmod = flags.word('chmod')
  return {
    ...commonOf(text, flags.all),
    sources: places.sources,
    destination: places.destination,
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    link: flags.boolean('link') ?? false,
    parents: flags.boolean('parents') ?? false,
    exclude: flags.words('exclude'),
  }
}

/** A source decides which stages are built, so it must be known before any variable has a value. */
function checkFrom(text: InstructionText, from: Word): void {
  const { value, diagnostics } = expandWord(from, () => undefined, { escape: text.escape })
  if (value === from.text && diagnostics.length === 0) return
  const message =
    'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround'
  text.report.error('VariableInFrom', message, from.span, {
    hint: from.text.includes('$')
      ? `add FROM ${from.text} AS <name> and copy from that stage`
      : 'write the name without quotes and escapes',
  })
}

/** Words by JSON or by blanks; in the second form a word may announce a here-document. */
function readPlaces(text: InstructionText): Places | undefined {
  const strings = readStrings(text, text.split.args)
  if (strings === 'mixed') return undefined
  const words =
    strings === 'none'
      ? argumentsGrammar(text.escape)
          .list(text.args)
          .map((piece) => wordOf(text, piece))
      : strings
  const destination = words.at(-1)
  if (words.length < 2 || destination === undefined) {
    const message = `${text.name} requires at least two arguments, but only one was provided. Destination could not be determined`
    const source = destination === undefined || destination.text.length > 60 ? '<source>' : destination.text
    const hint = `say from where and to where: ${text.name} ${source} <destination>`
    const span = words.length === 0 ? text.keyword.span : text.argsSpan
    text.report.error('MissingDestination', message, span, { hint })
    return undefined
  }
  if (strings !== 'none') {
    return { sources: words.slice(0, -1).map((word) => ({ kind: 'path', word })), destination }
  }
  if (readHeredocWord(destination.text) !== undefined) {
    const message = `${text.name} cannot accept a heredoc as a destination`
    const hint = `the destination comes last: ${text.name} ${destination.text} <destination>`
    text.report.error('HeredocDestination', message, destination.span, { hint })
    return undefined
  }
  // By name, the last one of each: there may be very many.
  const heredocs = new Map(text.line.heredocs.map((heredoc) => [heredoc.name, heredoc]))
  const sources = words.slice(0, -1).map((word) => readSource(text, word, heredocs))
  reportUnused(text, sources)
  return { sources, destination }
}

function readSource(text: InstructionText, word: Word, heredocs: ReadonlyMap<string, Heredoc>): Source {
  const name = readHeredocWord(word.text)?.name
  if (name === undefined) return { kind: 'path', word }
  const heredoc = heredocs.get(name)
  if (heredoc !== undefined) {
    checkFileName(text, name, word.span)
    return { kind: 'heredoc', heredoc }
  }
  text.report.error('UnterminatedHeredoc', 'unterminated heredoc', word.span)
  return { kind: 'path', word }
}

/** Differs: BuildKit drops a body that no source names (`COPY << EOF /x`) and then misses a file called `<<`. */
function reportUnused(text: InstructionText, sources: readonly Source[]): void {
  const used = new Set<Heredoc>(sources.flatMap((s) => (s.kind === 'heredoc' ? [s.heredoc] : [])))
  const names = new Set([...used].map((heredoc) => heredoc.name))
  for (const heredoc of text.line.heredocs) {
    if (names.has(heredoc.name)) continue
    const hint = `write it without blanks: <<${heredoc.name.replaceAll(/\s/g, '')}`
    const message = `${text.name} does not use the heredoc ${heredoc.name}`
    text.report.error('UnusedHeredoc', message, heredoc.span, { hint })
  }
}
