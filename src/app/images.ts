// What the image commands do: the local store, and its traffic with registries.
import type { Context } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { parsePlatform } from '../core/platform.ts'
import { familiarReference, formatReference, parseReference } from '../core/reference.ts'
import { pushStored } from '../export/push-stored.ts'
import { historyRows, inspectImage, type StoredImage } from '../image/inspect.ts'
import type { Host } from './host.ts'
import { allImages, findForms, findImage, referenceIn } from './local-images.ts'
import { convertWith, pushWith } from './push-with.ts'

export interface ImageRow {
  readonly repository?: string
  readonly tag?: string
  /** The config digest, as docker's image ID. */
  readonly id: Digest
  /** The manifest digest. */
  readonly digest: Digest
  readonly created?: string
  /** Layers as stored. */
  readonly sizeBytes: number
}

export interface Transferred {
  /** The full reference. */
  readonly name: string
  readonly digest: Digest
  readonly sizeBytes: number
}

/** One row a name, and one for each image without names; newest first. `only` is a repository, or a whole name. */
export async function list(host: Host, only?: string): Promise<readonly ImageRow[]> {
  const rows = (await allImages(host.store)).flatMap((image) => rowsOf(image))
  const wanted = only === undefined ? undefined : parseReference(only)
  const tagged = only !== undefined && (only.includes('@') || only.slice(only.lastIndexOf('/')).includes(':'))
  return rows
    .filter((row) => {
      if (wanted === undefined) return true
      if (row.repository === undefined) return false
      const ref = referenceIn(row.repository)
      return (
        ref !== undefined &&
        ref.registry === wanted.registry &&
        ref.repository === wanted.repository &&
        (!tagged || row.tag === wanted.tag)
      )
    })
    .sort((a, b) => (b.created ?? '').localeCompare(a.created ?? ''))
}

function rowsOf(image: StoredImage): ImageRow[] {
  const common = {
    id: image.manifest.config.digest,
    digest: image.descriptor.digest,
    ...(image.config.created === undefined ? {} : { created: image.config.created }),
    sizeBytes: image.manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
  }
  if (image.names.length === 0) return [common]
  return image.names.map((name) => {
    const ref = referenceIn(name)
    if (ref === undefined) return { repository: name, ...common }
    const repository = familiarReference({ registry: ref.registry, repository: ref.repository })
    return { repository, ...(ref.tag === undefined ? {} : { tag: ref.tag }), ...common }
  })
}

/** Postcondition: the image is in the store under its name. */
export async function pull(
  host: Host,
  text: string,
  platform: string | undefined,
  cx: Context,
): Promise<Transferred> {
  const ref = parseReference(text)
  const wanted = platform === undefined ? host.platform : parsePlatform(platform, host.platform)
  const { pullImage } = await import('../registry/pull.ts')
  const pulled = await pullImage(await host.registry(), { ref, platform: wanted, store: host.store }, cx)
  return { name: formatReference(ref), digest: pulled.descriptor.digest, sizeBytes: pulled.descriptor.size }
}

/** Uploads an image of the store; built layers are compressed on the way. */
export async function push(host: Host, text: string, cx: Context): Promise<Transferred> {
  const ref = parseReference(text)
  const image = await findImage(host.store, text)
  const name = formatReference(ref)
  const registryHost = { store: host.store, convert: convertWith(host), push: pushWith(host) }
  const pushed = await pushStored(image, name, registryHost, cx)
  return { name, digest: pushed.digest, sizeBytes: pushed.size }
}

export async function tag(host: Host, source: string, target: string): Promise<void> {
  const ref = parseReference(target)
  if (ref.digest !== undefined) {
    throw new SlipwayError({
      code: 'ERR_REFERENCE_INVALID',
      message: `tag ${JSON.stringify(target)}: a name with a digest cannot be given`,
    })
  }
  const image = await findImage(host.store, source)
  await host.store.tag(formatReference(ref), image.descriptor)
}

/** Takes a name away; the image goes with its last name. Answers what happened, a line each, in docker's words. */
export async function remove(host: Host, text: string, force: boolean): Promise<readonly string[]> {
  let forms: Awaited<ReturnType<typeof findForms>>
  try {
    forms = await findForms(host.store, text)
  } catch (thrown) {
    if (force && thrown instanceof SlipwayError && thrown.code === 'ERR_IMAGE_UNKNOWN') return []
    throw thrown
  }
  const names = forms.flatMap((form) => form.names)
  const asked = referenceIn(text)
  const named = names.find((name) => asked !== undefined && name === familiarReference(asked))
  if (named === undefined && names.length > 1 && !force) {
    throw new SlipwayError({
      code: 'ERR_IMAGE_IN_USE',
      message: `image ${JSON.stringify(text)}: it has ${names.length} names: ${names.join(', ')}`,
      hint: 'remove the names one by one, or add --force',
    })
  }
  const lines: string[] = []
  for (const name of named === undefined ? names : [named]) {
    const ref = referenceIn(name)
    await host.store.untag(ref === undefined ? name : formatReference(ref))
    lines.push(`Untagged: ${name}`)
  }
  for (const { descriptor } of forms) {
    const left = await host.store.list()
    const isNamed = left.some(
      (entry) => entry.name !== undefined && entry.descriptor.digest === descriptor.digest,
    )
    if (!isNamed) await host.store.forget(descriptor.digest)
  }
  const id = forms[0].manifest.config.digest
  if (!(await allImages(host.store)).some((image) => image.manifest.config.digest === id)) {
    lines.push(`Deleted: ${id}`)
  }
  return lines
}

export async function inspect(host: Host, text: string): Promise<Readonly<Record<string, unknown>>> {
  return inspectImage(await findImage(host.store, text))
}

export async function history(host: Host, text: string): Promise<ReturnType<typeof historyRows>> {
  return historyRows(await findImage(host.store, text))
}
