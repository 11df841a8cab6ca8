// The entries of a layout's index.json as values: which manifest a name means, and what naming does to the others.
import { canonicalJson } from '../core/canonical-json.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { NamedImage } from './types.ts'

// skopeo and umoci address an entry by the first, containerd by the second. Both hold the full reference: the
// layout is shared by many repositories, so a bare tag (what BuildKit writes there) would be ambiguous.
const refName = 'org.opencontainers.image.ref.name'
const imageName = 'io.containerd.image.name'

/** The name an entry carries, if any. */
export function nameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[imageName] ?? entry.annotations?.[refName]
}

/**
 * The entries after `name` came to mean `descriptor`, the same array when it already does. An image that lost its
 * last name stays as an unnamed entry.
 */
export function withName(
  entries: readonly Descriptor[],
  name: string,
  descriptor: Descriptor,
): readonly Descriptor[] {
  const previous = entries.find((e) => nameOf(e) === name)
  const others = entries.filter(
    (e) => nameOf(e) !== name && !(nameOf(e) === undefined && e.digest === descriptor.digest),
  )
  const named: Descriptor = {
    ...descriptor,
    annotations: { ...descriptor.annotations, [refName]: name, [imageName]: name },
  }
  if (previous !== undefined && canonicalJson(previous) === canonicalJson(named)) return entries
  if (previous === undefined || previous.digest === descriptor.digest) return [...others, named]
  return [...withEntry(others, unnamed(previous)), named]
}

/** The entries with `descriptor` among them, unnamed unless it already has an entry. */
export function withEntry(entries: readonly Descriptor[], descriptor: Descriptor): readonly Descriptor[] {
  return entries.some((e) => e.digest === descriptor.digest) ? entries : [...entries, unnamed(descriptor)]
}

/** The entries without `name`. */
export function withoutName(entries: readonly Descriptor[], name: string): readonly Descriptor[] {
  return entries.filter((e) => nameOf(e) !== name)
}

/** The entries without any of this manifest. */
export function withoutDigest(entries: readonly Descriptor[], digest: Digest): readonly Descriptor[] {
  return entries.filter((e) => e.digest !== digest)
}

/** The entries without the nameless one of this manifest. */
export function withoutEntry(entries: readonly Descriptor[], digest: Digest): readonly Descriptor[] {
  return entries.filter((e) => e.digest !== digest || nameOf(e) !== undefined)
}

/** The entry as the store's callers see it: the layout's own annotations taken off. */
export function toNamedImage(entry: Descriptor): NamedImage {
  const name = nameOf(entry)
  return {
    ...(name === undefined ? {} : { name }),
    descriptor: unnamed(entry),
  }
}

function unnamed(entry: Descriptor): Descriptor {
  const { annotations, ...rest } = entry
  const kept = Object.entries(annotations ?? {}).filter(([key]) => key !== refName && key !== imageName)
  return kept.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(kept) }
}
