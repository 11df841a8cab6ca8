// Paths in quotes with blanks in them, which COPY and ADD cut apart all the same.
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Add, Copy, Word } from './ast.ts'

/** What is wrong with the first path in quotes that is more than one word; to be told once instead of for each of its halves. */
export function quotedBlank({ kind, original, sources, destination }: Copy | Add): Diagnostic | undefined {
  // JSON strings are not cut.
  if (!original.includes('"') || /^(?:--\S+\s+)*\[/.test(original)) return undefined
  const paths = sources.flatMap((source) => (source.kind === 'path' ? [source.word] : []))
  const words = [...paths, destination]
  const from = words.findIndex((word) => word.text.startsWith('"') && isHalf(word))
  const to = words.findIndex((word, index) => index > from && word.text.endsWith('"') && isHalf(word))
  const [first, last] = [words[from], words[to]]
  if (first === undefined || last === undefined) return undefined
  const joined = words.slice(from, to + 1).map((word) => word.text.replaceAll('"', ''))
  const meant = [
    ...words.slice(0, from).map((word) => word.text),
    joined.join(' '),
    ...words.slice(to + 1).map((word) => word.text),
  ]
  const form = JSON.stringify(meant).replaceAll('","', '", "')
  const isShort = form.length <= 100 && paths.length === sources.length
  return {
    code: 'QuotedBlank',
    severity: 'error',
    message: `quotes do not hold blanks together in ${kind}: a path with blanks needs JSON form`,
    span: { ...first.span, end: last.span.end },
    hint: isShort ? `write it as ${kind} ${form}` : 'write it as ["source", "destination"]',
  }
}

function isHalf({ text }: Word): boolean {
  return text.split('"').length % 2 === 0 && !/['\\]/.test(text)
}
