// The files of a selection as later builds compare them to name the one that changed: by the facts that its content
// digest covers.
import { textOf } from '../../core/byte-string.ts'
import { digestOfJson } from '../../core/canonical-json.ts'
import { digestOf, hexOf } from '../../core/digest.ts'
import type { FileList } from '../../solve/types.ts'
import type { Selected } from './select.ts'
import type { SourceEntry } from './source-tree.ts'

/** Sixteen digits tell two states of a file apart well enough to talk about them. */
const shownDigits = 16

/** Path in the context → type, mode and content. `sha256` belongs to `entriesOf(selected)`. */
export function fileList(selected: readonly Selected[], sha256: readonly (string | undefined)[]): FileList {
  const files = new Map<string, string>()
  let at = 0
  for (const { entry, below } of selected) {
    // Of a directory whose contents are copied nothing but the contents counts.
    if (entry.type !== 'directory') files.set(textOf(entry.path), looksOf(entry, sha256[at]))
    at++
    for (const inside of below) files.set(textOf(inside.entry.path), looksOf(inside.entry, sha256[at++]))
  }
  return files
}

function looksOf(
  { type, mode, linkTarget, device, xattrs }: SourceEntry,
  sha256: string | undefined,
): string {
  const looks = `${type} ${mode.toString(8)}`
  const attributes =
    xattrs === undefined || xattrs.size === 0
      ? ''
      : ` ${short(hexOf(digestOfJson([...xattrs].map(([name, value]) => [name, value.toString('base64')]).sort())))}`
  if (sha256 !== undefined) return `${looks} ${short(sha256)}${attributes}`
  if (linkTarget !== undefined) return `${looks} ${short(hexOf(digestOf(linkTarget)))}${attributes}`
  return `${looks}${device === undefined ? '' : ` ${device.major}:${device.minor}`}${attributes}`
}

function short(hex: string): string {
  return hex.slice(0, shownDigits)
}
