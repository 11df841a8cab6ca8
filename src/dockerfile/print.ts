// The tree back to text: one canonical spelling. Parsing it again gives the same tree but for spans and `original`.
import type { Command, Dockerfile, Flag, Healthcheck, Heredoc, Instruction, KeyValue, Word } from './ast.ts'
import { type EscapeCharacter, isSpace } from './characters.ts'
import { heredocsOf as heredocWordsOf, readHeredocWord } from './heredoc.ts'

/** The Dockerfile as text, ending in a newline unless it is empty. */
export function printDockerfile(file: Dockerfile): string {
  const lines: string[] = file.directives.map(({ name, value }) => `# ${name}=${value}`)
  for (const [index, instruction] of file.instructions.entries()) {
    const comments = instruction.comments ?? []
    // A blank line ends the directives, so that no comment is taken for one; an empty comment ends a comment block.
    if (index === 0 && (lines.length > 0 || comments.length > 0)) lines.push('')
    lines.push(...comments.map((comment) => `# ${comment}`), printInstruction(instruction, file.escape))
  }
  return lines.map((line) => `${line}\n`).join('')
}

/** One instruction with its here-document bodies, without a trailing newline. */
export function printInstruction(instruction: Instruction, escapeBy: string): string {
  const bodies = heredocsOf(instruction).map((heredoc) => `\n${printBody(heredoc)}`)
  return protectEnd(printLine(instruction, escapeBy), escapeBy) + bodies.join('')
}

/** The lines of a here-document with the one that ends it, as they were written but for the end's tabs. */
export function printBody({ content, raw = content, name }: Heredoc): string {
  return `${raw}${name}`
}

/** Ways to spell a flag's value that does not stand for itself, the usual one first. */
const spellings: readonly Spell[] = [inDoubleQuotes, inSingleQuotes, withEscapes]
type Spell = (text: string, escapeBy: string) => string

function printLine(instruction: Instruction, escapeBy: string): string {
  const usual = printLineWith([inDoubleQuotes], instruction, escapeBy)
  if (!usual.includes('<<')) return usual
  // Here-documents are looked for in the whole line, flags included, and with a backslash as the escape character
  // whatever the directive says: a spelling may make one up or hide one.
  const count = heredocsOf(instruction).length
  const character: EscapeCharacter = escapeBy === '`' ? '`' : '\\'
  const isRead = (line: string): boolean => heredocWordsOf(line, character).length === count
  if (isRead(usual)) return usual
  for (const choice of choicesOf(innermost(instruction).flags.length)) {
    const line = printLineWith(choice, instruction, escapeBy)
    if (isRead(line)) return line
  }
  return usual
}

/** How each of so many flags may be spelled: all alike first, then every mixture for the first few. */
function* choicesOf(flags: number): Generator<readonly Spell[]> {
  for (const spell of spellings) yield [spell]
  const mixed = Math.min(flags, 8)
  for (let number = 0; number < spellings.length ** mixed; number++) {
    yield Array.from({ length: mixed }, (_, at) => {
      const index = Math.floor(number / spellings.length ** at) % spellings.length
      return spellings[index] ?? inDoubleQuotes
    })
  }
}

function innermost(instruction: Instruction): Instruction {
  return instruction.kind === 'ONBUILD' ? innermost(instruction.trigger) : instruction
}

/** `choice` has the spelling of each flag; the last one is that of all others, too. */
function printLineWith(choice: readonly Spell[], instruction: Instruction, escapeBy: string): string {
  const flags = instruction.flags.map((flag, index) =>
    printFlag(flag, escapeBy, choice[index] ?? choice.at(-1) ?? inDoubleQuotes),
  )
  const args =
    instruction.kind === 'ONBUILD'
      ? printLineWith(choice, instruction.trigger, escapeBy)
      : printArguments(instruction)
  // Only `--` keeps arguments that begin like a flag from being one.
  const end = args.startsWith('--') && instruction.kind !== 'ONBUILD' ? ['--'] : []
  return [instruction.keyword.text, ...flags, ...end, args].filter((part) => part !== '').join(' ')
}

/** A text that ends in a lone escape character would continue on the next line; a form feed is trimmed and prevents it. */
function protectEnd(line: string, escapeBy: string): string {
  return line.endsWith(escapeBy) && line.at(-2) !== escapeBy ? `${line}\f` : line
}

function printFlag({ name, value }: Flag, escapeBy: string, spell: Spell): string {
  const shown = `--${name === '' && value === undefined ? '""' : spell(name, escapeBy)}`
  return value === undefined ? shown : `${shown}=${spell(value.text, escapeBy)}`
}

function needsQuotes(text: string, escapeBy: string): boolean {
  return [...text].some((c) => isSpace(c) || c === '"' || c === "'" || c === escapeBy)
}

function inDoubleQuotes(text: string, escapeBy: string): string {
  if (!needsQuotes(text, escapeBy)) return text
  const escaped = [...text].map((c) => (c === '"' || c === escapeBy ? escapeBy + c : c))
  return `"${escaped.join('')}"`
}

/** In single quotes wherever that changes anything, which balances quotes for every reader. */
function inSingleQuotes(text: string, escapeBy: string): string {
  if (!needsQuotes(text, escapeBy) && !text.includes('$') && !text.includes('\\')) return text
  const runs = text
    .split("'")
    .map((run) => (run === '' ? '' : `'${run.replaceAll(escapeBy, escapeBy + escapeBy)}'`))
  return runs.join(`"'"`)
}

function withEscapes(text: string, escapeBy: string): string {
  if (!needsQuotes(text, escapeBy)) return text
  return [...text].map((c) => (needsQuotes(c, escapeBy) ? escapeBy + c : c)).join('')
}

function printArguments(instruction: Exclude<Instruction, { kind: 'ONBUILD' }>): string {
  switch (instruction.kind) {
    case 'FROM': {
      const { image, asKeyword, as } = instruction
      return [image, ...(as === undefined ? [] : [asKeyword ?? { text: 'AS' }, as])].map(textOf).join(' ')
    }
    case 'ARG':
      return instruction.pairs
        .map(({ key, value }) => (value === undefined ? key.text : `${key.text}=${value.text}`))
        .join(' ')
    case 'ENV':
    case 'LABEL':
      return printPairs(instruction.pairs, instruction.legacy)
    case 'RUN':
    case 'CMD':
    case 'ENTRYPOINT':
      return printCommand(instruction.command)
    case 'SHELL':
      return JSON.stringify(instruction.args)
    case 'HEALTHCHECK':
      return printHealthcheck(instruction)
    case 'COPY':
    case 'ADD': {
      const sources = instruction.sources.map((source) =>
        source.kind === 'path' ? source.word : { heredoc: source.heredoc },
      )
      return printPlaces([...sources, instruction.destination])
    }
    case 'VOLUME':
      return printPlaces(instruction.paths)
    case 'EXPOSE':
      return instruction.ports.map(textOf).join(' ')
    case 'WORKDIR':
      return instruction.path.text
    case 'USER':
      return instruction.user.text
    case 'STOPSIGNAL':
      return instruction.signal.text
    case 'MAINTAINER':
      return instruction.name.text
  }
}

function textOf(word: { readonly text: string }): string {
  return word.text
}

function printPairs(pairs: readonly KeyValue[], legacy: boolean): string {
  return pairs.map(({ key, value }) => `${key.text}${legacy ? ' ' : '='}${value.text}`).join(' ')
}

function printCommand(command: Command): string {
  return command.form === 'exec' ? JSON.stringify(command.args) : command.text
}

function printHealthcheck({ command }: Healthcheck): string {
  return command === undefined ? 'NONE' : `CMD ${printCommand(command)}`
}

type Place = Word | { readonly heredoc: Heredoc }

/** As plain words where they can be, else as JSON (here-documents exist only among plain words). */
function printPlaces(places: readonly Place[]): string {
  const words = places.flatMap((place) => ('text' in place ? [place.text] : []))
  const isPlain = words.length < places.length || (words.every(isPlainWord) && !words[0]?.startsWith('['))
  if (!isPlain) return JSON.stringify(words)
  const shown = places.map((place) => ('text' in place ? place.text : printHeredocWord(place.heredoc)))
  // `<<` and a space would announce a here-document; a vertical tab separates words just as well. Before a word that
  // looks like one and is none it takes that space to make it none.
  const isPath = (at: number, word: string): boolean => /^\d*<</.test(word) && 'text' in (places[at] ?? {})
  return shown.reduce(
    (text, word, at) => `${text}${text.endsWith('<<') && !isPath(at, word) ? '\v' : ' '}${word}`,
  )
}

function isPlainWord(word: string): boolean {
  return word !== '' && !word.includes('<<') && !/[\s\u0085]/.test(word) && !word.startsWith('--')
}

/** `<<NAME` such that reading it gives the same name and the same answer to whether variables are expanded. */
function printHeredocWord({ name, expand, chomp, fileDescriptor }: Heredoc): string {
  const start = `${fileDescriptor ?? ''}<<${chomp ? '-' : ''}`
  const plain = `${start}${name}`
  const read = readHeredocWord(plain)
  if (read?.name === name && read.expand === expand) return plain
  const special = /[\s\u0085$'"\\]/g
  return expand ? start + name.replace(special, '\\$&') : `${start}"${name.replace(/["$\\]/g, '\\$&')}"`
}

function heredocsOf(instruction: Instruction): readonly Heredoc[] {
  switch (instruction.kind) {
    case 'RUN':
      return instruction.heredocs
    case 'COPY':
    case 'ADD':
      return instruction.sources.flatMap((s) => (s.kind === 'heredoc' ? [s.heredoc] : []))
    case 'ONBUILD':
      return heredocsOf(instruction.trigger)
    default:
      return []
  }
}
