// What of a tree has to survive being printed and read again.

/** The tree without places and without the texts that only repeat how it was spelled. */
export function meaningOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(meaningOf)
  if (typeof value !== 'object' || value === null) return value
  const spelling = new Set([
    'span',
    'contentSpan',
    'valueSpan',
    'original',
    'emptyContinuations',
    'swallowed',
    'lateDirectives',
    'misspeltDirectives',
  ])
  const isTrigger = 'kind' in value && value.kind === 'ONBUILD'
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !spelling.has(name) && !(isTrigger && name === 'text'))
      .map(([name, member]) => [name, meaningOf(member)]),
  )
}
