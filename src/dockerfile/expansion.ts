// The evaluation of a word's tree. Its depth is bounded by the grammar (`deepestWord`), its size by `limit`.
import type { Substitution, WordPart } from '../../grammar/shell-word.ts'
import { type EscapeCharacter, isSpace } from './characters.ts'
import { maxGlobWork, parseGlob, replaceGlob, trimPrefix, trimSuffix } from './glob.ts'

/** How much longer than its word an expansion may become, in characters. */
export const maxExpansion = 1024 * 1024

interface Place {
  readonly start: number
  readonly end: number
}

/** Where values come from; told the operator that is applied to each. */
export interface Variables {
  get(name: string, place: Place, operator?: string): string | undefined
}

/** What stops an expansion; never leaves this folder. */
export class ExpansionFault extends Error {
  readonly code: string
  readonly place: Place

  constructor(code: string, message: string, place: Place) {
    super(message)
    this.code = code
    this.place = place
  }
}

/**
 * How text becomes part of a result: as its meaning, as a pattern for glob.ts, or as a replacement. The latter two
 * keep the file's escape characters. In a pattern only `\` protects a character, whatever the file's escape is.
 */
type Mode = 'text' | 'pattern' | 'replacement'

export class Expansion {
  readonly #variables: Variables
  readonly #escape: EscapeCharacter
  readonly #limit: number
  #size = 0

  constructor(variables: Variables, escapeBy: EscapeCharacter, limit: number) {
    this.#variables = variables
    this.#escape = escapeBy
    this.#limit = limit
  }

  /** The text that parts without a fault mean. */
  text(parts: readonly WordPart[]): string {
    return this.#bounded(this.#join(parts, 'text'))
  }

  /**
   * The same text as words: literal and substituted blanks separate, quoted and escaped ones do not.
   * Differs: BuildKit loses what stands before `${name:-…}` in the same word (`8${U:-0}` becomes `0`).
   */
  words(parts: readonly WordPart[]): readonly string[] {
    const words: string[] = []
    let word = ''
    const finish = (): void => {
      if (word !== '') words.push(word)
      word = ''
    }
    for (const part of parts) {
      const text = this.#part(part, 'text')
      const splits =
        part.kind === 'variable' || part.kind === 'substitution' || (part.kind === 'literal' && !part.glued)
      if (!splits) {
        word += text
        continue
      }
      let from = 0
      for (let at = 0; at < text.length; at++) {
        if (!isSpace(text[at])) continue
        word += text.slice(from, at)
        finish()
        from = at + 1
      }
      word += text.slice(from)
    }
    finish()
    this.#bounded(words.join(''))
    return words
  }

  #join(parts: readonly WordPart[], mode: Mode): string {
    return parts.map((part) => this.#part(part, mode)).join('')
  }

  #part(part: WordPart, mode: Mode): string {
    switch (part.kind) {
      case 'literal':
        return this.#grown(part.text, part)
      case 'escape':
        return this.#grown(mode === 'text' || part.text === '' ? part.text : this.#escape + part.text, part)
      case 'single':
        return this.#grown(mode === 'pattern' ? this.#doubled(part.text) : part.text, part)
      case 'double':
        return mode === 'text' ? this.#join(part.parts, mode) : this.#quoted(part.parts, mode)
      case 'variable':
        return this.#grown(this.#variables.get(part.name, part) ?? '', part)
      case 'substitution':
        return this.#grown(this.#substitution(part), part)
    }
  }

  /** Escape characters that quotes made plain, written so that a pattern's reader takes them as plain. */
  #doubled(text: string): string {
    return text.replaceAll(this.#escape, this.#escape + this.#escape)
  }

  /** What stands in double quotes, as a pattern or replacement. */
  #quoted(parts: readonly WordPart[], mode: Mode): string {
    return parts
      .map((part) =>
        part.kind === 'literal' ? this.#grown(this.#doubled(part.text), part) : this.#part(part, mode),
      )
      .join('')
  }

  #substitution(part: Substitution): string {
    const { name, operator } = part
    const value = this.#variables.get(name, part, operator)
    if (operator === undefined) return value ?? ''
    if (operator.startsWith('/')) return this.#replace(part, operator, value ?? '')
    if (operator.startsWith('#') || operator.startsWith('%')) return this.#trim(part, operator, value ?? '')
    const word = this.#join(part.operand, 'text')
    const isSet = value !== undefined && !(operator.startsWith(':') && value === '')
    if (operator.endsWith('-')) return isSet ? value : word
    if (operator.endsWith('+')) return isSet ? word : ''
    if (isSet) return value
    const emptiness = value === undefined ? 'unset' : 'empty'
    const reason = word === '' ? `is not allowed to be ${emptiness}` : word
    throw new ExpansionFault('VariableRequired', `${name}: ${reason}`, part)
  }

  #glob(part: Substitution, value: string) {
    const pattern = this.#join(part.operand, 'pattern')
    if (pattern.length * value.length > maxGlobWork) {
      throw new ExpansionFault('ExpansionTooLarge', 'pattern and value are too long to be matched', part)
    }
    const glob = parseGlob(pattern)
    if (typeof glob !== 'string') return glob
    throw new ExpansionFault('InvalidPattern', `invalid pattern (${pattern}) in substitution: ${glob}`, part)
  }

  #trim(part: Substitution, operator: string, value: string): string {
    const glob = this.#glob(part, value)
    const trim = operator.startsWith('#') ? trimPrefix : trimSuffix
    return trim(value, glob, operator.length === 2)
  }

  #replace(part: Substitution, operator: string, value: string): string {
    const glob = this.#glob(part, value)
    // Differs: with `//`, BuildKit takes `$1` or `${name}` in a replacement for a group of its regular expression.
    const replacement = this.#join(part.replacement ?? [], 'replacement')
    if ((value.length + 1) * (replacement.length + 1) > this.#limit * 64) {
      throw new ExpansionFault('ExpansionTooLarge', 'the replacement is too long', part)
    }
    return replaceGlob(value, glob, replacement, operator === '//')
  }

  /** Counts what has been made so far, so that values within values cannot explode before the result is seen. */
  #grown(text: string, place: Place): string {
    this.#size += text.length
    if (this.#size > 4 * this.#limit) throw tooLarge(place)
    return text
  }

  #bounded(text: string): string {
    if (text.length > this.#limit) throw tooLarge({ start: 0, end: 0 })
    return text
  }
}

function tooLarge(place: Place): ExpansionFault {
  const message = `the expansion is longer than ${maxExpansion} characters`
  return new ExpansionFault('ExpansionTooLarge', message, place)
}
