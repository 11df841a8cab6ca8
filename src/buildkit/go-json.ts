// JSON as Go's encoder writes it: what BuildKit hashes, so every byte counts.

/** The text of a value whose members stand in the order of the Go struct. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The members that `omitempty` leaves: neither zero nor empty. An empty object is a pointer that is set, and stays. */
export function filled<T extends Readonly<Record<string, unknown>>>(members: T): Partial<T> {
  const entries = Object.entries(members).filter(
    ([, value]) =>
      value !== undefined &&
      value !== 0 &&
      value !== '' &&
      value !== false &&
      !(Array.isArray(value) && value.length === 0),
  )
  return Object.fromEntries(entries) as Partial<T>
}
