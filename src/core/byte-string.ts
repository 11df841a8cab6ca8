// File names, paths and link targets as byte strings: one character for each byte. Linux names are bytes and need not
// be UTF-8; as byte strings they can be compared, split and joined like any text, and nothing is lost.

/** Text as the byte string of its UTF-8 form. */
export function bytesOf(text: string): string {
  return ascii.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** A byte string as text, for messages and for patterns, whose `?` is one character and not one byte. */
export function textOf(bytes: string): string {
  return ascii.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}

const ascii = /^[\x00-\x7f]*$/

/** A byte string as a path for node:fs. */
export function fsPath(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1')
}

/** A byte string in quotes, fit for a one-line message. */
export function quoted(bytes: string): string {
  return JSON.stringify(textOf(bytes.slice(0, 300)))
}

/** Byte order, the order of Go's `os.ReadDir`. */
export function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
