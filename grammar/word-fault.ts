// What is wrong with a word whose tree is known. The grammar takes any text (shell-word.ts).
import type { At, Substitution, WordPart } from './shell-word.ts'

/** What is wrong with a word, in BuildKit's words. */
export interface WordFault extends At {
  readonly text: string
}

/**
 * The first thing that makes a word meaningless; a word with a fault must not be expanded.
 * Differs: of two faults one within the other BuildKit may name the other one, and where the word ends behind a name
 * (`${name`) it speaks of an unsupported modifier, not of the missing brace.
 */
export function faultOf(parts: readonly WordPart[]): WordFault | undefined {
  for (const part of parts) {
    const fault = faultOfPart(part)
    if (fault !== undefined) return fault
  }
  return undefined
}

function faultOfPart(part: WordPart): WordFault | undefined {
  const at = { start: part.start, end: part.end }
  switch (part.kind) {
    case 'single':
      if (part.closed) return undefined
      return { text: 'unexpected end of statement while looking for matching single-quote', ...at }
    case 'double': {
      const inside = faultOf(part.parts)
      if (inside !== undefined || part.closed) return inside
      return { text: 'unexpected end of statement while looking for matching double-quote', ...at }
    }
    case 'substitution':
      return faultOfSubstitution(part, at)
    default:
      return undefined
  }
}

function faultOfSubstitution(part: Substitution, at: At): WordFault | undefined {
  const { operator, name } = part
  if (name === '' && (operator === undefined ? part.closed : /^[{:]/.test(operator))) {
    return { text: 'syntax error: bad substitution', ...at }
  }
  if (operator !== undefined && !/^(?:[+\-?#%/]|:(?![#%]))/.test(operator)) {
    return { text: `unsupported modifier (${operator}) in substitution`, ...at }
  }
  if (operator?.startsWith('/') && part.replacement === undefined) {
    return { text: `syntax error: missing '/' in \${}`, ...at }
  }
  if (!part.closed) return { text: "syntax error: missing '}'", ...at }
  if (operator !== undefined && !isKnownOperator(operator)) {
    return { text: `unsupported modifier (${operator}) in substitution`, ...at }
  }
  return faultOf(part.operand) ?? faultOf(part.replacement ?? [])
}

/** Whether `${name<operator>…}` means something. */
function isKnownOperator(operator: string): boolean {
  return /^(?::?[-+?]|##?|%%?|\/\/?)$/.test(operator)
}
