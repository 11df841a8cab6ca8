// The WWW-Authenticate header (RFC 9110 §11.6.1), from servers that may mean harm: bounded and without backtracking.

export interface Challenge {
  /** Lower case. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>
}

const maxLength = 8 << 10
const maxChallenges = 4
const maxParameters = 16
const tokenCharacter = /[A-Za-z0-9!#$%&'*+.^_`|~-]/

/** The challenges of a header's values in order; whatever is malformed or too long is left out. */
export function parseChallenges(values: readonly string[]): readonly Challenge[] {
  return values
    .filter((value) => value.length <= maxLength)
    .flatMap(parseValue)
    .slice(0, maxChallenges)
}

function parseValue(text: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  let at = 0
  const skip = (characters: string): void => {
    while (at < text.length && characters.includes(text.charAt(at))) at++
  }
  const token = (): string => {
    const start = at
    while (at < text.length && tokenCharacter.test(text.charAt(at))) at++
    return text.slice(start, at)
  }
  while (at < text.length) {
    skip(', \t')
    const name = token()
    if (name === '') break
    skip(' \t')
    if (text.charAt(at) !== '=') {
      challenges.push({ scheme: name.toLowerCase(), parameters: Object.create(null) })
      continue
    }
    at++
    skip(' \t')
    const value = text.charAt(at) === '"' ? quoted() : token()
    const current = challenges.at(-1)
    if (value === undefined || current === undefined) break
    const known = Object.keys(current.parameters)
    const key = name.toLowerCase()
    // The first value counts: a later one must not redirect what an earlier check has seen.
    if (known.length < maxParameters && !known.includes(key)) current.parameters[key] = value
  }
  return challenges

  function quoted(): string | undefined {
    let value = ''
    for (at++; at < text.length; at++) {
      const c = text.charAt(at)
      if (c === '"') {
        at++
        return value
      }
      value += c === '\\' ? text.charAt(++at) : c
    }
    return undefined
  }
}
