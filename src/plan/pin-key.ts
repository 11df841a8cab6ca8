// The name of a pin: an image reference on a platform.
import { formatPlatform, type Platform } from '../core/platform.ts'

/** The key of a pin in `Pins`: `docker.io/library/debian:12 linux/amd64`. */
export function pinKey(reference: string, platform: Platform): string {
  return `${reference} ${formatPlatform(platform)}`
}
