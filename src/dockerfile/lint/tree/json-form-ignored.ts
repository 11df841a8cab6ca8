// JSON arrays that are none.
import type { Instruction } from '../../ast.ts'
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit takes an array that is not quite JSON for shell form, and for a name where no array is known, without a word. */
export const jsonFormIgnored: TreeRule = {
  name: 'JsonFormIgnored',
  description: 'Arguments that look like a JSON array should be one, in an instruction that takes one',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const written of file.instructions) {
      const instruction = written.kind === 'ONBUILD' ? written.trigger : written
      const found = findingOf(instruction)
      if (found !== undefined) yield found
    }
  },
}

function findingOf(instruction: Instruction): Finding | undefined {
  const { kind } = instruction
  switch (kind) {
    case 'RUN':
    case 'CMD':
    case 'ENTRYPOINT':
    case 'HEALTHCHECK': {
      const { command } = instruction
      if (command?.form !== 'shell' || !looksLikeArray(command.text)) return undefined
      const message = `${kind} takes this for a shell command: it is no JSON array`
      return {
        span: command.span,
        message,
        hint: whyNoArray(kind === 'HEALTHCHECK' ? 'HEALTHCHECK CMD' : kind, command.text),
      }
    }
    case 'COPY':
    case 'ADD': {
      const [first] = instruction.sources
      if (first?.kind !== 'path' || !first.word.text.startsWith('[')) return undefined
      const text = instruction.original.replace(/^(?:--\S+\s+)+/, '')
      if (!looksLikeArray(text)) return undefined
      return {
        span: { ...first.word.span, end: instruction.destination.span.end },
        message: `${kind} takes each of these words for a path: they are no JSON array`,
        hint: whyNoArray(kind, text),
      }
    }
    case 'VOLUME': {
      const [first] = instruction.paths
      const last = instruction.paths.at(-1)
      if (first === undefined || last === undefined) return undefined
      if (!first.text.startsWith('[') || !looksLikeArray(instruction.original)) return undefined
      const message = 'VOLUME takes each of these words for a path: they are no JSON array'
      const hint = whyNoArray(kind, instruction.original)
      return { span: { ...first.span, end: last.span.end }, message, hint }
    }
    case 'WORKDIR':
    case 'USER': {
      const { text, span } = kind === 'WORKDIR' ? instruction.path : instruction.user
      if (!looksLikeArray(text)) return undefined
      const message = `${kind} takes no JSON array: the brackets are part of the ${kind === 'USER' ? 'name' : 'path'}`
      return { span, message, hint: 'write it without brackets and quotes' }
    }
    default:
      return undefined
  }
}

/**
 * A bracket and a quote right behind it, a quoted word with a comma behind it, or words with commas between. The shell's
 * test `[ 'x' ]` has blanks, and no commas.
 */
function looksLikeArray(text: string): boolean {
  if (text.length > longest) return text.startsWith('["')
  if (!text.startsWith('[')) return false
  if (text.startsWith('["') || /^\[\s*[\w./$-]+(?:\s*,\s*[\w./$-]+)+\s*\]$/.test(text)) return true
  const match =
    /^\[(\s*)(?:'[^']*'|"(?:[^"\\]|\\.)*"|[\u201c\u201d\u2018\u2019][^\u201c\u201d\u2018\u2019]*[\u201c\u201d\u2018\u2019])\s*([,\]"'])/.exec(
      text,
    )
  return match !== null && (match[2] === ',' || match[1] === '')
}

/** Nobody writes a longer array by hand, and patterns with choices take room for each character. */
const longest = 10_000

/** What keeps a text from being a JSON array of strings. */
function whyNoArray(kind: string, text: string): string {
  if (text.length > longest) return 'JSON strings stand in double quotes with commas between'
  const inside = /^\[((?:[^"\]]|"(?:[^"\\]|\\.)*")*)(.*)$/s.exec(text)
  const [, content = '', rest = ''] = inside ?? []
  const wrongQuotes = /['\u201c\u201d\u2018\u2019]/.test(content) && !content.includes('"')
  if (wrongQuotes || !/["'\u201c\u201d\u2018\u2019]/.test(content)) {
    const words = content
      .split(',')
      .map((word) => word.trim().replace(/^['\u201c\u201d\u2018\u2019]|['\u201c\u201d\u2018\u2019]$/g, ''))
    const form = JSON.stringify(words).replaceAll('","', '", "')
    const quotes = 'JSON strings stand in double quotes'
    return content === '' || form.length > 60 ? quotes : `${quotes}: ${kind} ${form}`
  }
  if (rest.startsWith('"')) return 'the last string is not closed'
  if (rest === '') return 'the ] is missing'
  if (/^\]\s*#/.test(rest)) return 'nothing may follow the ]: a comment needs a line of its own'
  if (/^\]\s*\S/.test(rest)) return 'nothing may follow the ]'
  if (/,\s*$/.test(content)) return 'there is a comma too many before the ]'
  if (/"\s*"(?!\s*[,\]])/.test(content.replace(/"(?:[^"\\]|\\.)*"/g, '""').replaceAll('""', '"'))) {
    return 'a comma is missing between two strings'
  }
  if (/\\[^"\\/bfnrtu]/.test(content)) return 'a backslash in a JSON string is written \\\\'
  return 'JSON strings stand in double quotes with commas between, and nothing follows the ]'
}
