// One record of a state directory, looked at by who only tells of builds: nothing is marked as used, no layer looked for.
import { readFileSync } from 'node:fs'
import { type Digest, hexOf } from '../core/digest.ts'
import type { CacheRecord } from '../solve/types.ts'
import { decodeEntry, type Entry } from './entry.ts'

/** The record that `id` leads to in the store at `root`; undefined where there is none that can be read. */
export function keptRecord(root: string, id: Digest): CacheRecord | undefined {
  const found = entryOf(root, id)
  const entry = found !== undefined && 'alias' in found ? entryOf(root, found.alias) : found
  return entry !== undefined && 'record' in entry ? entry.record : undefined
}

function entryOf(root: string, id: Digest): Entry | undefined {
  try {
    const hex = hexOf(id)
    return decodeEntry(readFileSync(`${root}/records/${hex.slice(0, 2)}/${hex}.json`, 'utf8'), id)
  } catch {
    // Gone, or on a disk that does not give it: then there is less to tell.
    return undefined
  }
}
