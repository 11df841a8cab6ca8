// The layout marker: it says what a directory is, to other tools and to slipways of other versions. Formats of slipway's
// own files are numbered here; whoever meets a number above its own touches nothing.
import { readFileSync } from 'node:fs'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { LayoutPaths } from './layout-paths.ts'
import { storageFailure } from './storage-failure.ts'

/**
 * Raised when what is written is no longer understood, or not safe to share, by slipways that know only lower numbers.
 * What may simply be forgotten has a version of its own in each file, and another one there is a cache miss.
 */
export const storeFormat = 1

/** The marker of a store that this slipway makes. */
export const markerText = JSON.stringify({ imageLayoutVersion: '1.0.0', slipwayFormat: storeFormat })

/** Whether the directory is a layout this slipway may use: true, or false when there is no marker. Throws ERR_STORE_DAMAGED, ERR_STORE_LAYOUT, ERR_STORE_NEWER. */
export async function checkMarker(paths: LayoutPaths): Promise<boolean> {
  let text: string
  try {
    text = readFileSync(paths.marker, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return false
    throw storageFailure('open store', paths.marker, thrown)
  }
  const { imageLayoutVersion, slipwayFormat = 1 } = parse(text)
  if (typeof imageLayoutVersion !== 'string' || !Number.isSafeInteger(slipwayFormat)) {
    throw new SlipwayError({
      code: 'ERR_STORE_DAMAGED',
      message: `open store ${paths.root}: its oci-layout file is damaged`,
    })
  }
  if (imageLayoutVersion !== '1.0.0') {
    throw new SlipwayError({
      code: 'ERR_STORE_LAYOUT',
      message: `open store ${paths.root}: its oci-layout file has an unknown version`,
      hint: 'another tool made it: choose another place with SLIPWAY_ROOT',
    })
  }
  if (Number(slipwayFormat) > storeFormat) {
    throw new SlipwayError({
      code: 'ERR_STORE_NEWER',
      message: `open store ${paths.root}: a newer slipway made it (format ${slipwayFormat}, known are those up to ${storeFormat})`,
      hint: 'use that slipway, or choose another place with SLIPWAY_ROOT',
    })
  }
  return true
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' ? (value as Readonly<Record<string, unknown>>) : {}
  } catch {
    // A power cut may leave it empty; what it does not say is judged by the caller.
    return {}
  }
}
