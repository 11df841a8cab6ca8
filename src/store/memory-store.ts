// A content store without a disk: for tests, and for images on their way from one place to another.
import { Readable } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { abortable } from './abortable.ts'
import { collect, refuseLarge } from './collect.ts'
import { nameOf, toNamedImage, withEntry, withName, withoutDigest, withoutName } from './index-entries.ts'
import type { ContentStore, Exclusive } from './types.ts'
import { verifier } from './verifier.ts'

/** An empty store. `path` throws ERR_BLOB_NO_PATH: nothing here is a file. */
export function openMemoryStore(): ContentStore {
  const blobs = new Map<Digest, Buffer>()
  const origins = new Map<Digest, readonly string[]>()
  let entries: readonly Descriptor[] = []

  const find = (descriptor: Descriptor): Buffer => {
    const found = blobs.get(descriptor.digest)
    if (found !== undefined) return found
    throw new SlipwayError({
      code: 'ERR_BLOB_MISSING',
      message: `read blob ${descriptor.digest}: it is not in the store`,
      data: { digest: descriptor.digest },
    })
  }
  const has = async (descriptor: Descriptor): Promise<boolean> =>
    blobs.get(descriptor.digest)?.byteLength === descriptor.size
  const open: ContentStore['open'] = async (descriptor, options) => {
    options?.signal?.throwIfAborted()
    const content = find(descriptor)
    async function* verified(): AsyncGenerator<Buffer> {
      const check = verifier('read blob', descriptor)
      check.update(content)
      check.finish()
      if (content.byteLength > 0) yield Buffer.from(content)
    }
    return abortable(Readable.from(verified(), { objectMode: false }), options?.signal)
  }

  return {
    has,
    open,
    async read(descriptor, limitBytes) {
      refuseLarge(descriptor, limitBytes)
      return await collect(await open(descriptor))
    },
    async put(expected, body, options = {}) {
      options.signal?.throwIfAborted()
      const check = verifier('store blob', expected)
      const chunks: Uint8Array[] = []
      if (!(body instanceof Uint8Array)) abortable(body, options.signal)
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        check.update(chunk as Uint8Array)
        chunks.push(chunk as Uint8Array)
      }
      const digest = check.finish()
      blobs.set(digest, Buffer.concat(chunks))
      return { mediaType: expected.mediaType, digest, size: check.received }
    },
    async putPieces(mediaType, pieces, signal) {
      const check = verifier('store blob', {})
      const chunks: Uint8Array[] = []
      for await (const piece of pieces) {
        signal.throwIfAborted()
        check.update(piece)
        chunks.push(Uint8Array.from(piece))
      }
      const digest = check.finish()
      blobs.set(digest, Buffer.concat(chunks))
      return { mediaType, digest, size: check.received }
    },
    async tag(name, descriptor) {
      find(descriptor)
      entries = withName(entries, name, descriptor)
    },
    async keep(descriptor) {
      find(descriptor)
      entries = withEntry(entries, descriptor)
    },
    async resolve(name) {
      const entry = entries.find((e) => nameOf(e) === name)
      return entry && toNamedImage(entry).descriptor
    },
    async list() {
      return entries.map(toNamedImage)
    },
    async untag(name) {
      const before = entries.length
      entries = withoutName(entries, name)
      return entries.length < before
    },
    async forget(digest) {
      const before = entries.length
      entries = withoutDigest(entries, digest)
      return entries.length < before
    },
    path(digest) {
      throw new SlipwayError({
        code: 'ERR_BLOB_NO_PATH',
        message: `find file of ${digest}: the store has no files`,
      })
    },
    async sizeOf(digest) {
      return blobs.get(digest)?.byteLength
    },
    exclusive: oneAtATime(),
    async origins(digest) {
      return origins.get(digest) ?? []
    },
    async addOrigin(digest, repository) {
      const others = (origins.get(digest) ?? []).filter((known) => known !== repository)
      origins.set(digest, [repository, ...others])
    },
  }
}

/** Turns per digest inside this process. */
function oneAtATime(): Exclusive {
  const last = new Map<Digest, Promise<unknown>>()
  return async (digest, signal, body) => {
    const before = last.get(digest) ?? Promise.resolve()
    const mine = before.then(() => {
      signal.throwIfAborted()
      return body()
    })
    const settled = mine.catch(() => undefined)
    last.set(digest, settled)
    try {
      return await mine
    } finally {
      if (last.get(digest) === settled) last.delete(digest)
    }
  }
}
