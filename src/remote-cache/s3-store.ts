// A cache in a bucket of S3, or of what speaks its protocol, laid out as BuildKit does.
import { performance } from 'node:perf_hooks'
import type { Descriptor } from '../core/descriptor.ts'
import { digestOf, hexOf } from '../core/digest.ts'
import { limit } from '../core/limit.ts'
import type { Exchange, Method, RawAnswer } from '../registry/exchange.ts'
import type { ContentReader } from '../store/types.ts'
import { type AwsCredentials, objectPath, queryText, signedHeaders } from './aws-signature.ts'
import { ask, type ObjectRequest, readLayer, readText } from './object-requests.ts'
import type { ObjectStore, TextKind } from './object-store.ts'
import { type PartedUpload, partBytesOf, putInParts } from './s3-parts.ts'

export interface S3Place {
  readonly bucket: string
  readonly region: string
  /** What the cache is called; written under each, read under the first. */
  readonly names: readonly string[]
  readonly prefix: string
  readonly blobsPrefix: string
  readonly manifestsPrefix: string
  readonly endpoint?: string
  readonly usePathStyle: boolean
  readonly uploads: number
  /** A layer that is older is made younger, so that nothing clears it away. */
  readonly touchMs: number
}

const maxTextBytes = 32 << 20

/** The bucket of a cache. */
export function openS3(
  place: S3Place,
  { exchange, credentials }: { readonly exchange: Exchange; readonly credentials: AwsCredentials },
): ObjectStore {
  const { bucket, region, prefix } = place
  const base = new URL(place.endpoint ?? `https://s3.${region}.amazonaws.com`)
  if (!place.usePathStyle) base.host = `${bucket}.${base.host}`
  const urlOf = (key: string): URL => {
    const url = new URL(base)
    url.pathname = `${base.pathname.replace(/\/$/, '')}${objectPath(...(place.usePathStyle ? [bucket] : []), key)}`
    return url
  }
  const slots = limit(place.uploads)
  const send = (
    method: Method,
    key: string,
    wanted: readonly number[],
    more: {
      readonly payload?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly query?: Readonly<Record<string, string>>
    } & Pick<ObjectRequest, 'signal' | 'body'>,
  ): Promise<RawAnswer> => {
    const url = urlOf(key)
    const { payload = emptyHash, headers = {}, query = {}, signal, body } = more
    url.search = queryText(query)
    return ask(exchange, {
      act: `${method === 'GET' || method === 'HEAD' ? 'read' : 'write'} s3 ${bucket}/${key}`,
      method,
      url,
      headers: () => signedHeaders({ method, url, region, credentials, payload, headers, nowMs: nowMs() }),
      ...(body === undefined ? {} : { body }),
      wanted,
      signal,
    })
  }
  const textKey = (kind: TextKind, name: string): string =>
    `${prefix}${place.manifestsPrefix}${kind === 'config' ? name : `${name}-mounts`}`
  const blobKey = ({ digest }: Descriptor): string => `${prefix}${place.blobsPrefix}${digest}`
  const look = async (layer: Descriptor, signal: AbortSignal): Promise<RawAnswer | undefined> => {
    const answer = await send('HEAD', blobKey(layer), [200, 404], { signal })
    await answer.discard()
    const isThere = answer.status === 200 && answer.header('content-length') === String(layer.size)
    return isThere ? answer : undefined
  }
  /** Copies the layer to itself. */
  const touch = async (layer: Descriptor, signal: AbortSignal): Promise<void> => {
    const headers = {
      'x-amz-copy-source': objectPath(bucket, blobKey(layer)),
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-meta-updated-at': new Date(nowMs()).toISOString(),
    }
    await (await send('PUT', blobKey(layer), [200], { headers, signal })).discard()
  }
  const partedUpload = (layer: Descriptor, from: ContentReader, signal: AbortSignal): PartedUpload => ({
    key: blobKey(layer),
    size: layer.size,
    mediaType: layer.mediaType,
    act: `write s3 ${bucket}/${blobKey(layer)}`,
    open: () => from.open(layer, { signal }),
    isThere: async () => (await look(layer, signal)) !== undefined,
    send: ({ method, query, body, payload, headers, wanted }, about) =>
      send(method, about === 'bucket' ? '' : blobKey(layer), wanted, {
        query,
        signal,
        headers: { ...headers, ...(body && { 'content-length': String(body.length) }) },
        ...(payload && { payload }),
        ...(body && { body: () => body }),
      }),
  })

  return {
    name: `s3 ${bucket}/${prefix}`,
    async readTexts(kind, { signal }) {
      const key = textKey(kind, place.names[0] ?? 'buildkit')
      const answer = await send('GET', key, [200, 404], { signal })
      if (answer.status === 404) {
        await answer.discard()
        return []
      }
      return [await readText(`read s3 ${bucket}/${key}`, answer, maxTextBytes)]
    },
    async writeText(kind, text, { signal }) {
      const bytes = Buffer.from(text)
      const payload = hexOf(digestOf(bytes))
      const headers = { 'content-length': String(bytes.byteLength), 'content-type': 'application/json' }
      for (const name of place.names) {
        const key = textKey(kind, name)
        await (await send('PUT', key, [200], { payload, headers, body: () => bytes, signal })).discard()
      }
    },
    layers: {
      has: async (layer, { signal = new AbortController().signal } = {}) =>
        (await look(layer, signal)) !== undefined,
      async open(layer, { signal = new AbortController().signal } = {}) {
        const request = (from: number): Promise<RawAnswer> =>
          send('GET', blobKey(layer), from === 0 ? [200] : [200, 206], {
            headers: from === 0 ? {} : { range: `bytes=${from}-` },
            signal,
          })
        return readLayer(`read s3 ${bucket}/${blobKey(layer)}`, layer, request, signal)
      },
    },
    putLayer: (layer, from, cx) =>
      slots(async () => {
        const { signal } = cx
        const there = await look(layer, signal)
        if (there !== undefined) {
          const age = nowMs() - Date.parse(there.header('last-modified') ?? '')
          if (age > place.touchMs) await touch(layer, signal)
          return
        }
        if (layer.size > partBytesOf(layer.size)) return putInParts(partedUpload(layer, from, signal))
        // Its digest is the very hash that is signed: the store refuses other bytes.
        const payload = hexOf(layer.digest)
        const headers = { 'content-length': String(layer.size), 'content-type': layer.mediaType }
        const body = () => from.open(layer, { signal })
        await (await send('PUT', blobKey(layer), [200], { payload, headers, body, signal })).discard()
      }, cx.signal),
  }
}

const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** The real time: that of a build may be another. */
function nowMs(): number {
  return performance.timeOrigin + performance.now()
}
