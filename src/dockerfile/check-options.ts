// The options of the build checks: the value of `# check=`, of a `check=` comment and of BUILDKIT_DOCKERFILE_CHECK.

import { nearest } from '../core/diagnostic.ts'
import type { Span } from '../core/span.ts'

/** Which rules are off, which experimental ones are on, and whether a warning fails the build. */
export interface CheckOptions {
  readonly skip: 'all' | readonly string[]
  readonly experimental: 'all' | readonly string[]
  readonly error: boolean
  /** What is wrong with the text; the options are then those of an empty one. */
  readonly fault?: string
  /** The option that was perhaps meant. */
  readonly meant?: string
  /** What of the text is at fault. */
  readonly faulty?: string
}

const none: CheckOptions = { skip: [], experimental: [], error: false }

/** Reads `skip=A,B;error=true;experimental=all` (at most three parts, each key known). */
export function parseCheckOptions(text: string): CheckOptions {
  let options = none
  if (text.trim() === '') return options
  // Go's SplitN: a third `;` and what follows belong to the third part.
  const [first = '', second, ...rest] = text.split(';')
  const parts = [first, second, rest.length === 0 ? undefined : rest.join(';')]
  for (const part of parts) {
    if (part === undefined) continue
    const equals = part.indexOf('=')
    if (equals === -1) return faulty(part)
    const key = part.slice(0, equals).trim()
    const value = part.slice(equals + 1).trim()
    if (key === 'skip' || key === 'experimental') {
      options = { ...options, [key]: value === 'all' ? 'all' : value.split(',').map((name) => name.trim()) }
    } else if (key !== 'error') {
      return faulty(key)
    } else if (/^(?:1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(value)) {
      options = { ...options, error: /^[1tT]/.test(value) }
    } else {
      return {
        ...none,
        fault: `failed to parse check option ${JSON.stringify(part)}: not a boolean`,
        faulty: part,
      }
    }
  }
  return options
}

function faulty(written: string): CheckOptions {
  const meant = nearest(written, ['skip', 'error', 'experimental'])
  const fault = `invalid check option ${JSON.stringify(written)}`
  return { ...none, fault, faulty: written, ...(meant === undefined || meant === written ? {} : { meant }) }
}

/** The options in the value of a directive or comment: what stands before the first blank. */
export function checkText(value: string): string {
  return value.trim().split(' ', 1)[0] ?? ''
}

/** Where `part`, an option or a name, stands in options that are written at `span`; the whole of them where it is not found. */
export function placeOfPart(value: string, part: string, span: Span): Span {
  if (span.end - span.start !== value.length || part === '') return span
  const isEdge = (character: string | undefined): boolean =>
    character === undefined || /[\s,;=]/.test(character)
  for (let at = value.indexOf(part); at !== -1; at = value.indexOf(part, at + 1)) {
    if (!isEdge(value[at - 1]) || !isEdge(value[at + part.length])) continue
    return { ...span, start: span.start + at, end: span.start + at + part.length }
  }
  return span
}
