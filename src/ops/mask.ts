// Takes secret values out of a process's output, also when a value arrives in pieces. Only what was written exactly as the
// secret is can be found: a process that encodes it prints it.

/** What stands in the place of a secret. */
export const maskText = Buffer.from('***')

/** Shorter values are in any text: masking them would show no more than that, and hide the rest. */
const minSecretBytes = 3
/** So short a line of a longer value may stand anywhere (`}`). */
const minLineBytes = 8
/** Every line is looked for in all of the output. */
const maxLines = 200

/** One stream of output. */
export interface Mask {
  /** The bytes that can be shown now; the beginning of what may become a secret is kept back. */
  write(chunk: Buffer): Buffer
  /** What was kept back. */
  end(): Buffer
}

/** A mask of these values: without the line ends behind them, and of their longer lines one by one. */
export function openMask(values: Iterable<Buffer>): Mask {
  const patterns = patternsOf(values)
  if (patterns.length === 0) return { write: (chunk) => chunk, end: () => Buffer.alloc(0) }
  let kept: Buffer = Buffer.alloc(0)
  return {
    write(chunk) {
      const text = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
      const shown: Buffer[] = []
      const at = maskComplete(text, patterns, shown, true)
      // A copy: the chunk's memory may be used again.
      kept = Buffer.from(text.subarray(at))
      return Buffer.concat(shown)
    },
    end() {
      const shown: Buffer[] = []
      const at = maskComplete(kept, patterns, shown, false)
      shown.push(kept.subarray(at))
      kept = Buffer.alloc(0)
      return Buffer.concat(shown)
    },
  }
}

interface Pattern {
  readonly bytes: Buffer
  /** For every length of a match, the length of the longest shorter one that ends at the same place (Knuth, Morris, Pratt). */
  readonly shorter: Uint32Array
}

function patternsOf(values: Iterable<Buffer>): Pattern[] {
  const texts = new Set<string>()
  for (const value of values) {
    const text = value.toString('latin1').replace(/[\r\n]+$/, '')
    if (text.length >= minSecretBytes) texts.add(text)
    const lines = text.split(/\r?\n/).filter((line) => line.length >= minLineBytes)
    for (const line of lines.slice(0, maxLines)) texts.add(line)
  }
  // Where two begin at the same place the longer one is masked.
  return [...texts]
    .sort((a, b) => b.length - a.length)
    .map((text) => {
      const bytes = Buffer.from(text, 'latin1')
      return { bytes, shorter: shorterMatches(bytes) }
    })
}

function shorterMatches(bytes: Buffer): Uint32Array {
  const shorter = new Uint32Array(bytes.length + 1)
  let matched = 0
  for (let at = 1; at < bytes.length; at++) {
    while (matched > 0 && bytes[at] !== bytes[matched]) matched = shorter[matched] ?? 0
    if (bytes[at] === bytes[matched]) matched++
    shorter[at + 1] = matched
  }
  return shorter
}

/** Adds to `shown` what is settled of `text`; returns where the rest begins, which may be the beginning of a secret when more can follow. */
function maskComplete(text: Buffer, patterns: readonly Pattern[], shown: Buffer[], more: boolean): number {
  const next = patterns.map(({ bytes }) => text.indexOf(bytes))
  const open = (from: number): number => (more ? openFrom(text.subarray(from), patterns) + from : text.length)
  let at = 0
  let end = open(0)
  for (;;) {
    let first: number | undefined
    for (const [index, { bytes }] of patterns.entries()) {
      let place = next[index] ?? -1
      if (place !== -1 && place < at) {
        place = text.indexOf(bytes, at)
        next[index] = place
      }
      if (place !== -1 && (first === undefined || place < (next[first] ?? 0))) first = index
    }
    const place = first === undefined ? -1 : (next[first] ?? -1)
    if (first === undefined || place === -1 || place >= end) {
      shown.push(text.subarray(at, end))
      return end
    }
    shown.push(text.subarray(at, place), maskText)
    at = place + (patterns[first]?.bytes.length ?? 0)
    if (at > end) end = open(at)
  }
}

/** Where the longest end of `text` begins that some pattern begins with. */
function openFrom(text: Buffer, patterns: readonly Pattern[]): number {
  let longest = 0
  for (const { bytes, shorter } of patterns) {
    let matched = 0
    for (let at = Math.max(0, text.length - bytes.length + 1); at < text.length; at++) {
      while (matched > 0 && text[at] !== bytes[matched]) matched = shorter[matched] ?? 0
      if (text[at] === bytes[matched]) matched++
    }
    longest = Math.max(longest, matched)
  }
  return text.length - longest
}
