// One repository as a reader and sink of content: which kind of request each descriptor needs.
import { Readable } from 'node:stream'
import { type Digest, digestOf, isDigest } from '../core/digest.ts'
import { isDocumentType, maxManifestBytes } from '../core/media-type.ts'
import { parseReference } from '../core/reference.ts'
import { mismatch, verifier } from '../store/verifier.ts'
import { readBlob } from './blob-read.ts'
import { openUploader } from './blob-write.ts'
import { contentUrl, scopeOf } from './location.ts'
import { fetchManifest, headManifest, type Place, putManifest } from './manifest.ts'
import type { Transport } from './transport.ts'
import type { Access, Repository, RetryPolicy } from './types.ts'

/** The repository `path` of a reference's `registry`. */
export function openRepository(
  at: { readonly registry: string; readonly path: string },
  access: Access,
  use: {
    readonly transport: (signal: AbortSignal | undefined) => Promise<Transport>
    readonly retry: RetryPolicy
  },
): Repository {
  const name = `${at.registry}/${at.path}`
  const scopes = [scopeOf(at.path, access.push ? 'pull,push' : 'pull')]
  const place = async (signal: AbortSignal | undefined): Promise<Place> => ({
    transport: await use.transport(signal),
    name,
    path: at.path,
    scopes,
    ...(signal === undefined ? {} : { signal }),
  })
  const uploader = openUploader(async (digest) => {
    const candidates = (await access.mountFrom?.(digest)) ?? []
    const prefix = `${at.registry}/`
    return candidates.filter((c) => c.startsWith(prefix) && c !== name).map((c) => c.slice(prefix.length))
  })
  /** Manifests put here, for `tag`: their bytes go under each name. */
  const documents = new Map<Digest, Buffer>()

  return {
    name,
    head: async (reference, options) => headManifest(await place(options?.signal), reference),
    resolve: async (reference, options) => fetchManifest(await place(options?.signal), reference),
    async has(descriptor, { signal } = {}) {
      const { transport } = await place(signal)
      const answer = await transport.send({
        act: `look for ${descriptor.digest} in ${name}`,
        method: 'HEAD',
        url: contentUrl(transport.home, at.path, descriptor),
        headers: isDocumentType(descriptor.mediaType) ? { accept: descriptor.mediaType } : {},
        scopes,
        wanted: [200, 404],
        ...(signal === undefined ? {} : { signal }),
      })
      await answer.discard()
      return answer.status === 200
    },
    async open(descriptor, options) {
      const here = await place(options?.signal)
      if (!isDocumentType(descriptor.mediaType)) return readBlob(here, descriptor, use.retry)
      const { bytes } = await fetchManifest(here, descriptor.digest)
      const check = verifier(`fetch manifest ${name}@${descriptor.digest}`, descriptor)
      check.update(bytes)
      check.finish()
      return Readable.from([bytes], { objectMode: false })
    },
    async put(expected, body, options) {
      const here = await place(options?.signal)
      if (!isDocumentType(expected.mediaType)) {
        const stream = body instanceof Uint8Array ? Readable.from([body], { objectMode: false }) : body
        const size = body instanceof Uint8Array ? body.byteLength : expected.size
        const stored = await uploader.upload(
          here,
          { ...expected, ...(size === undefined ? {} : { size }) },
          stream,
        )
        return { mediaType: expected.mediaType, ...stored }
      }
      const check = verifier(`push manifest to ${name}`, { size: maxManifestBytes, ...expected })
      const chunks: Uint8Array[] = []
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        check.update(chunk as Uint8Array)
        chunks.push(chunk as Uint8Array)
      }
      const bytes = Buffer.concat(chunks)
      const digest = digestOf(bytes)
      if (expected.digest !== undefined && digest !== expected.digest) {
        throw mismatch(`push manifest to ${name}`, expected.digest, digest)
      }
      await putManifest(here, digest, { mediaType: expected.mediaType, digest, bytes })
      documents.set(digest, bytes)
      return { mediaType: expected.mediaType, digest, size: bytes.byteLength }
    },
    async tag(text, descriptor, options) {
      const here = await place(options?.signal)
      const tag = tagOf(text)
      // A name that is only a digest is what `put` has already given.
      if (tag === undefined) return
      const bytes = documents.get(descriptor.digest) ?? (await fetchManifest(here, descriptor.digest)).bytes
      await putManifest(here, tag, { mediaType: descriptor.mediaType, digest: descriptor.digest, bytes })
    },
  }
}

/** The tag of a full reference, or of a bare tag. */
function tagOf(text: string): string | undefined {
  if (/^\w[\w.-]{0,127}$/.test(text)) return text
  if (isDigest(text)) return undefined
  const ref = parseReference(text)
  return ref.tag
}
