// Uploading a blob (distribution-spec "Pushing blobs"): mounted from another repository where possible, else sent in
// one stream; after a broken connection the next attempt goes on where the registry says the last one ended.
import { type Readable, Transform } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { abortable } from '../store/abortable.ts'
import { type Expected, verifier } from '../store/verifier.ts'
import { badAnswer, isTransient } from './failure.ts'
import { scopeOf, uploadsUrl } from './location.ts'
import type { Place } from './manifest.ts'
import { type Answer, resolveLocation } from './transport.ts'

/** Registries move the upload to its place before they answer. */
const commitTimeoutMs = 300_000

export interface Uploader {
  /** Postcondition: the repository has the blob. `body` is read to its end, or destroyed. */
  upload(place: Place, expected: Expected, body: Readable): Promise<Stored>
}

type Stored = Pick<Descriptor, 'digest' | 'size'>

interface UploadRequest {
  readonly place: Place
  readonly act: string
  readonly body: Readable
}

/** `mountFrom` lists paths of the same registry that may hold a blob. Remembers broken uploads until they are tried again. */
export function openUploader(mountFrom: (digest: Digest) => Promise<readonly string[]>): Uploader {
  const broken = new Map<Digest, URL>()

  const mount = async (place: Place, act: string, digest: Digest): Promise<boolean> => {
    for (const path of (await mountFrom(digest)).slice(0, 2)) {
      if (await tryMount(place, act, { digest, path })) return true
    }
    return false
  }

  const send = async (request: UploadRequest, expected: Expected): Promise<Stored> => {
    const { place, act } = request
    const { digest, size } = expected
    if (digest === undefined || size === undefined) {
      return await sendUnknown(request, await start(place, act), expected)
    }
    const earlier = broken.get(digest)
    broken.delete(digest)
    const resumed = earlier && (await statusOf(place, act, earlier))
    if (resumed === undefined && (await mount(place, act, digest))) return { digest, size }
    const session = resumed ?? { location: await start(place, act), received: 0 }
    try {
      await sendKnown(request, { ...session, digest, size })
    } catch (thrown) {
      if (isTransient(thrown)) broken.set(digest, session.location)
      throw thrown
    }
    return { digest, size }
  }

  return {
    async upload(place, expected, body) {
      const act = `push ${expected.digest ?? 'blob'} to ${place.name}`
      abortable(body, place.signal)
      // An upload that ends early leaves the body's failure without a listener.
      body.on('error', () => undefined)
      try {
        return await send({ place, act, body }, expected)
      } catch (thrown) {
        // What broke the stream we were sending explains the failure better than the connection it broke.
        throw body.errored instanceof SlipwayError ? body.errored : thrown
      } finally {
        body.destroy()
      }
    },
  }
}

async function start(place: Place, act: string): Promise<URL> {
  const answer = await place.transport.send({
    ...common(place, act),
    method: 'POST',
    url: uploadsUrl(place.transport.home, place.path),
    wanted: [202],
  })
  return await locationOf(act, answer)
}

async function tryMount(
  place: Place,
  act: string,
  from: { readonly digest: Digest; readonly path: string },
): Promise<boolean> {
  const url = uploadsUrl(place.transport.home, place.path)
  url.searchParams.set('mount', from.digest)
  url.searchParams.set('from', from.path)
  const scopes = [...place.scopes, scopeOf(from.path, 'pull')]
  try {
    const answer = await place.transport.send({
      ...common({ ...place, scopes }, act),
      method: 'POST',
      url,
      wanted: [201, 202],
    })
    // 202 is the start of an ordinary upload. It is left to expire: its token covers another set of scopes.
    await answer.discard()
    return answer.status === 201
  } catch (thrown) {
    place.signal?.throwIfAborted()
    // A mount is only a shortcut: whoever may not read the other repository uploads.
    if (thrown instanceof SlipwayError) return false
    throw thrown
  }
}

/** One PUT with everything, or after a broken one a PATCH with the rest and an empty PUT. The registry checks the digest. */
async function sendKnown(
  { place, act, body }: UploadRequest,
  session: {
    readonly location: URL
    readonly received: number
    readonly digest: Digest
    readonly size: number
  },
): Promise<void> {
  const { digest, size, received } = session
  let { location } = session
  const headers = { ...octets, 'content-length': String(size - received) }
  if (received === 0 && size > 0) {
    await finish(place, act, { location, digest }, { body, headers })
    return
  }
  if (received < size) {
    const rest = skipping(body, received)
    const answer = await place.transport.send({
      ...common(place, act),
      method: 'PATCH',
      url: location,
      headers: { ...headers, 'content-range': `${received}-${size - 1}` },
      body: rest,
      headersMs: commitTimeoutMs,
      wanted: [202, 204],
    })
    location = await locationOf(act, answer)
  }
  await finish(place, act, { location, digest }, { headers: { ...octets, 'content-length': '0' } })
}

/** A blob whose digest or size is known only at its end: a PATCH of unknown length, then an empty PUT. */
async function sendUnknown(
  { place, act, body }: UploadRequest,
  session: URL,
  expected: Expected,
): Promise<Stored> {
  const check = verifier(act, expected)
  const hashed = body.pipe(
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        check.update(chunk)
        done(null, chunk)
      },
    }),
  )
  body.once('error', (thrown) => hashed.destroy(thrown))
  // The connection may be made only then; a failure until then must not go unheard.
  hashed.on('error', () => undefined)
  const answer = await place.transport.send({
    ...common(place, act),
    method: 'PATCH',
    url: session,
    headers: octets,
    body: hashed,
    headersMs: commitTimeoutMs,
    wanted: [202, 204],
  })
  const digest = check.finish()
  const headers = { ...octets, 'content-length': '0' }
  await finish(place, act, { location: await locationOf(act, answer), digest }, { headers })
  return { digest, size: check.received }
}

async function finish(
  place: Place,
  act: string,
  session: { readonly location: URL; readonly digest: Digest },
  content: { readonly body?: Readable; readonly headers: Readonly<Record<string, string>> },
): Promise<void> {
  const url = new URL(session.location)
  url.searchParams.set('digest', session.digest)
  const answer = await place.transport.send({
    ...common(place, act),
    method: 'PUT',
    url,
    ...content,
    headersMs: commitTimeoutMs,
    wanted: [201, 204],
  })
  await answer.discard()
}

/** How much of a broken upload the registry has; undefined when it cannot be continued. */
async function statusOf(
  place: Place,
  act: string,
  location: URL,
): Promise<{ readonly location: URL; readonly received: number } | undefined> {
  try {
    const answer = await place.transport.send({
      ...common(place, act),
      method: 'GET',
      url: location,
      wanted: [204],
    })
    const end = Number(/^(?:bytes=)?0-(\d+)$/.exec(answer.header('range') ?? '')?.[1] ?? 0)
    // `0-0` is what registries say for nothing as well as for one byte.
    if (!Number.isSafeInteger(end) || end === 0) {
      await answer.discard()
      return undefined
    }
    return { location: await locationOf(act, answer), received: end + 1 }
  } catch (thrown) {
    place.signal?.throwIfAborted()
    if (thrown instanceof SlipwayError) return undefined
    throw thrown
  }
}

async function locationOf(act: string, answer: Answer): Promise<URL> {
  await answer.discard()
  const location = answer.header('location')
  if (location === undefined) throw badAnswer(act, 'the registry did not say where to upload')
  return resolveLocation(act, location, answer.url)
}

const octets = { 'content-type': 'application/octet-stream' }

function common(place: Place, act: string) {
  const { scopes, signal } = place
  return { act, scopes, ...(signal === undefined ? {} : { signal }) }
}

/** What comes after the first bytes, which the registry has from an earlier attempt. */
function skipping(body: Readable, bytes: number): Readable {
  let left = bytes
  const rest = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const fresh = chunk.subarray(Math.min(left, chunk.byteLength))
      left -= chunk.byteLength - fresh.byteLength
      done(null, fresh.byteLength === 0 ? undefined : fresh)
    },
  })
  body.once('error', (thrown) => rest.destroy(thrown))
  // As above: whoever sends it may not be listening yet.
  rest.on('error', () => undefined)
  return body.pipe(rest)
}
