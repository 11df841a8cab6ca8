// Which manifest of an index runs on a platform (image-spec, image-index.md; order as containerd's).
import type { Descriptor } from '../core/descriptor.ts'
import { SlipwayError } from '../core/error.ts'
import { isIndexType, isManifestType } from '../core/media-type.ts'
import { formatPlatform, type Platform, platformDistance } from '../core/platform.ts'
import type { Index } from '../image/types.ts'

/** The entry of `index` for `wanted`: the exact platform, else the nearest lesser variant. Throws ERR_PLATFORM_MISSING. */
export function choosePlatform(index: Index, wanted: Platform, name: string): Descriptor {
  const images = index.manifests.filter((entry) => isImage(entry))
  const ranked = images
    .flatMap((entry) => {
      const distance = entry.platform && platformDistance(wanted, entry.platform)
      return distance === undefined ? [] : [{ entry, distance }]
    })
    // Stable: the first of equals wins, as everywhere.
    .sort((a, b) => a.distance - b.distance)
  // Tools that build for one platform leave it out of the index; the config says it.
  const chosen = ranked[0]?.entry ?? images.find((entry) => entry.platform === undefined)
  if (chosen !== undefined) return chosen
  const offered = [...new Set(images.map((entry) => entry.platform && formatPlatform(entry.platform)))]
  throw new SlipwayError({
    code: 'ERR_PLATFORM_MISSING',
    message: `resolve ${name}: no match for platform in manifest: ${formatPlatform(wanted)} not found`,
    hint: offered.length === 0 ? 'the index lists no images' : `the image exists for ${offered.join(', ')}`,
    data: { wanted: formatPlatform(wanted), offered },
  })
}

/** Attestations are listed as manifests for the platform unknown/unknown. */
function isImage(entry: Descriptor): boolean {
  if (!isManifestType(entry.mediaType) && !isIndexType(entry.mediaType)) return false
  if (entry.annotations?.['vnd.docker.reference.type'] !== undefined) return false
  return entry.platform?.os !== 'unknown'
}
