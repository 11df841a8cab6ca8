// Sparse files as GNU tar stores them in pax archives (its formats 0.0, 0.1 and 1.0): only the pieces that hold
// something, and a map of where they belong.
import { tarError } from './tar-entry.ts'

export interface SparsePiece {
  readonly offset: number
  readonly length: number
}

/** What the pax records of a sparse file say. */
export interface SparseRecords {
  readonly name?: string
  readonly realSize?: number
  /** Absent: the map is at the beginning of the body. */
  readonly pieces?: readonly SparsePiece[]
}

const prefix = 'GNU.sparse.'

/** The sparse file that `pax` describes, if it is one; undefined, too, for a format of GNU's that does not exist yet, as Go reads it. Throws ERR_TAR_INVALID. */
export function sparseRecords(pax: ReadonlyMap<string, string>): SparseRecords | undefined {
  const record = (key: string): string => pax.get(prefix + key) ?? ''
  const version = `${record('major')}.${record('minor')}`
  const isOlder = version === '0.0' || version === '0.1' || (version === '.' && record('map') !== '')
  if (!isOlder && version !== '1.0') return undefined
  const name = record('name')
  const size = record('size') || record('realsize')
  return {
    ...(name === '' ? {} : { name }),
    ...(size === '' ? {} : { realSize: parseNumber(size) }),
    ...(isOlder ? { pieces: mapOf(record('map'), record('numblocks')) } : {}),
  }
}

function mapOf(map: string, count: string): readonly SparsePiece[] {
  const numbers = map === '' ? [] : map.split(',')
  if (numbers.length !== 2 * parseNumber(count)) throw tarError('malformed map of a sparse file')
  return piecesOf(numbers)
}

/** Offsets and lengths by turns as pieces. Throws ERR_TAR_INVALID. */
export function piecesOf(numbers: readonly string[]): readonly SparsePiece[] {
  const pieces: SparsePiece[] = []
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    pieces.push({ offset: parseNumber(numbers[at] ?? ''), length: parseNumber(numbers[at + 1] ?? '') })
  }
  return pieces
}

/** Throws ERR_TAR_INVALID unless the pieces are in order inside a file of `realSize` bytes and take up `storedSize`. */
export function checkPieces(pieces: readonly SparsePiece[], realSize: number, storedSize: number): void {
  let end = 0
  let stored = 0
  for (const { offset, length } of pieces) {
    if (offset < end || offset + length > realSize) throw tarError('malformed map of a sparse file')
    end = offset + length
    stored += length
  }
  if (stored !== storedSize) throw tarError('a sparse file has another size than its map says')
}

/** A decimal number of a map. Throws ERR_TAR_INVALID. */
export function parseNumber(text: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw tarError('malformed map of a sparse file')
  return value
}
