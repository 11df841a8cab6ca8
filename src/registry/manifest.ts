// Manifests and indexes over the wire: what a tag means, their bytes, and storing them.
import type { Descriptor } from '../core/descriptor.ts'
import { type Digest, digestOf, isDigest, parseDigest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { isDocumentType, maxManifestBytes, mediaType } from '../core/media-type.ts'
import { parseDocument } from '../image/parse.ts'
import { mismatch } from '../store/verifier.ts'
import { badAnswer } from './failure.ts'
import { manifestUrl } from './location.ts'
import { paced } from './paced.ts'
import type { Answer, Transport } from './transport.ts'

/** The repository a request is about. */
export interface Place {
  readonly transport: Transport
  /** As in references, for messages. */
  readonly name: string
  /** Below the registry. */
  readonly path: string
  readonly scopes: readonly string[]
  readonly signal?: AbortSignal
}

const accept = [
  mediaType.ociIndex,
  mediaType.dockerList,
  mediaType.ociManifest,
  mediaType.dockerManifest,
].join(', ')
const putTimeoutMs = 120_000

/** How a tag or digest is written behind a repository's name. */
export function withReference(name: string, reference: string): string {
  return isDigest(reference) ? `${name}@${reference}` : `${name}:${reference}`
}

/** What `reference` means now; undefined when there is no such thing or the registry does not say (no digest, no HEAD). */
export async function headManifest(place: Place, reference: string): Promise<Descriptor | undefined> {
  const act = `look up ${withReference(place.name, reference)}`
  const answer = await place.transport.send({
    ...ask(place, act, reference),
    method: 'HEAD',
    wanted: [200, 404, 405],
  })
  await answer.discard()
  const digest = answer.header('docker-content-digest')
  const size = Number(answer.header('content-length') ?? '')
  const type = typeOf(answer)
  if (answer.status !== 200 || digest === undefined || !isDocumentType(type)) return undefined
  if (!Number.isSafeInteger(size) || size <= 0) return undefined
  const descriptor = { mediaType: type, digest: parseDigest(digest), size }
  if (isDigest(reference) && descriptor.digest !== reference)
    throw mismatch(act, reference, descriptor.digest)
  return descriptor
}

/** The manifest or index itself. Its digest is computed here and must be what was asked for and what the registry says. */
export async function fetchManifest(
  place: Place,
  reference: string,
): Promise<{ readonly descriptor: Descriptor; readonly bytes: Buffer }> {
  const act = `fetch manifest ${withReference(place.name, reference)}`
  const { bytes, claimed, type } = await place.transport
    .receive({ ...ask(place, act, reference), method: 'GET', wanted: [200] }, async (answer) => ({
      bytes: await readBounded(act, answer),
      claimed: answer.header('docker-content-digest'),
      type: answer.header('content-type'),
    }))
    .catch((thrown: unknown) => {
      throw withHint(thrown, place, reference)
    })
  const found = digestOf(bytes)
  for (const expected of [
    isDigest(reference) ? reference : undefined,
    isDigest(claimed) ? claimed : undefined,
  ]) {
    if (expected !== undefined && expected !== found) throw mismatch(act, expected, found)
  }
  const document = parseDocument(bytes, type)
  return { descriptor: { mediaType: document.mediaType, digest: found, size: bytes.byteLength }, bytes }
}

/** Stores a manifest under a tag or its digest. Postcondition: the registry has confirmed its digest, where it says one. */
export async function putManifest(
  place: Place,
  reference: string,
  document: { readonly mediaType: string; readonly digest: Digest; readonly bytes: Uint8Array },
): Promise<void> {
  const act = `push manifest ${withReference(place.name, reference)}`
  const answer = await place.transport.send({
    ...ask(place, act, reference),
    method: 'PUT',
    headers: { 'content-type': document.mediaType },
    body: document.bytes,
    headersMs: putTimeoutMs,
    wanted: [200, 201, 202],
  })
  await answer.discard()
  const stored = answer.header('docker-content-digest')
  if (isDigest(stored) && stored !== document.digest) throw mismatch(act, document.digest, stored)
}

function ask(place: Place, act: string, reference: string) {
  return {
    act,
    url: manifestUrl(place.transport.home, place.path, reference),
    headers: { accept },
    scopes: place.scopes,
    ...(place.signal === undefined ? {} : { signal: place.signal }),
  }
}

function typeOf(answer: Answer): string {
  return answer.header('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
}

async function readBounded(act: string, answer: Answer): Promise<Buffer> {
  const encoding = answer.header('content-encoding')
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    await answer.discard()
    throw badAnswer(act, `content encoding ${JSON.stringify(encoding.slice(0, 50))} was not asked for`)
  }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of paced(answer.body, act)) {
    bytes += chunk.byteLength
    if (bytes > maxManifestBytes) throw badAnswer(act, `the manifest has more than ${maxManifestBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function withHint(thrown: unknown, place: Place, reference: string): unknown {
  if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_REGISTRY_NOT_FOUND') return thrown
  const what = isDigest(reference) ? 'manifest with this digest' : `tag ${JSON.stringify(reference)}`
  return new SlipwayError({
    code: thrown.code,
    message: thrown.message,
    hint: `the registry answers, but ${place.name} has no ${what}; check the name and the ${isDigest(reference) ? 'digest' : 'tag'}`,
    ...(thrown.data === undefined ? {} : { data: thrown.data }),
    cause: thrown,
  })
}
