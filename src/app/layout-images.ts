// Images in OCI layouts of the user (`oci-layout://path[:tag|@digest]`): which one is meant, and reading it like one of a registry.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Descriptor } from '../core/descriptor.ts'
import type { Outcome } from '../core/diagnostic.ts'
import { type Digest, isDigest, parseDigest } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { maxManifestBytes, mediaType } from '../core/media-type.ts'
import { formatReference, parseReference } from '../core/reference.ts'
import { parseDocument, parseIndex } from '../image/parse.ts'
import type { ImageSource } from '../registry/types.ts'
import { readSmall } from '../store/collect.ts'
import { openForeignLayout } from '../store/foreign-layout.ts'

/** An image of a layout, under a name that goes wherever the name of an image does. */
export interface LayoutImage {
  /** With a digest, so that no registry is ever asked for another image of that name (as in BuildKit). */
  readonly reference: string
  readonly directory: string
}

const scheme = 'oci-layout://'

/** Whether a `--build-context` names an image in an OCI layout. */
export function isLayoutName(source: string): boolean {
  return source.startsWith(scheme)
}

/** The image that the context `name` is. Throws ERR_CONTEXT_MISSING, ERR_LAYOUT_*, ERR_MANIFEST_*. */
export async function findLayoutImage(name: string, source: string): Promise<Outcome<LayoutImage>> {
  const { path, tag, digest } = partsOf(source.slice(scheme.length))
  const directory = resolve(path)
  checkDirectory(name, directory)
  const { registry, repository, tag: own } = parseReference(name)
  const { value, diagnostics } =
    digest === undefined ? await digestOfTag(directory, name, tag) : { value: digest, diagnostics: [] }
  const ref = { registry, repository, ...(own === undefined ? {} : { tag: own }), digest: value }
  return { value: { reference: formatReference(ref), directory }, diagnostics }
}

interface LayoutName {
  readonly path: string
  readonly tag?: string
  readonly digest?: Digest
}

/** Differs: BuildKit also takes a colon inside of a directory's name for the beginning of a tag. */
function partsOf(text: string): LayoutName {
  const at = text.lastIndexOf('@')
  const written = text.slice(at + 1)
  const digest = at !== -1 && isDigest(written) ? parseDigest(written) : undefined
  const rest = digest === undefined ? text : text.slice(0, at)
  const [, path, tag] = /^(.*):([\w][\w.-]{0,127})$/s.exec(rest) ?? []
  return {
    path: path ?? rest,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

const names = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'] as const

async function digestOfTag(
  directory: string,
  name: string,
  tag: string | undefined,
): Promise<Outcome<Digest>> {
  const { manifests } = parseIndex(await openForeignLayout(directory).readIndex(), mediaType.ociIndex)
  for (const annotation of names) {
    const found = manifests.find(({ annotations }) => annotations?.[annotation] === (tag ?? 'latest'))
    if (found !== undefined) return { value: found.digest, diagnostics: [] }
  }
  const [only] = manifests
  if (only !== undefined && manifests.length === 1) {
    const message = `the OCI layout ${directory} has no image ${tag}: build context ${name} is the only one that is there`
    // Differs: BuildKit does not say so.
    const warning = { code: 'UnknownLayoutTag', severity: 'warning', message } as const
    return { value: only.digest, diagnostics: tag === undefined ? [] : [warning] }
  }
  const tags = manifests.flatMap((entry) => tagOf(entry) ?? [])
  throw new SlipwayError({
    code: 'ERR_LAYOUT_TAG',
    message: `open context ${name}: the OCI layout ${directory} has no image ${tag ?? 'latest'}`,
    hint:
      tags.length > 0
        ? `it has ${tags.slice(0, 5).join(', ')}${tags.length > 5 ? ', …' : ''}`
        : manifests.length > 0
          ? `name one by its digest: ${scheme}${directory}@${manifests[0]?.digest}`
          : 'it has none at all',
  })
}

function tagOf({ annotations }: Descriptor): string | undefined {
  return annotations?.[names[1]] ?? annotations?.[names[0]]
}

/** The images of the layout in `directory`, by digest. */
export function layoutSource(directory: string): ImageSource {
  const layout = openForeignLayout(directory)
  return {
    open: layout.open,
    head: async () => undefined,
    async resolve(reference, { signal } = {}) {
      const digest = parseDigest(reference)
      // What is not there is told by reading it.
      const size = (await layout.sizeOf(digest)) ?? 0
      const unknown = { mediaType: mediaType.ociManifest, digest, size }
      const bytes = await readSmall(layout, unknown, {
        limitBytes: maxManifestBytes,
        ...(signal === undefined ? {} : { signal }),
      })
      return { descriptor: { ...unknown, mediaType: parseDocument(bytes).mediaType }, bytes }
    },
  }
}

function checkDirectory(name: string, directory: string): void {
  try {
    if (statSync(directory).isDirectory()) return
  } catch (cause) {
    const reason = errnoOf(cause) === 'ENOENT' ? 'no such directory' : errnoOf(cause)
    throw missing(name, `${directory}: ${reason}`, cause)
  }
  throw missing(name, `${directory}: not a directory`)
}

function missing(name: string, reason: string, cause?: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_CONTEXT_MISSING',
    message: `open context ${name}: ${reason}`,
    cause,
  })
}
