// Large layers in parts (Amazon S3's multipart uploads): a part that is there is not sent again, neither when a connection
// breaks nor by a later build that finds the upload where an earlier one was stopped.
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { SlipwayError } from '../core/error.ts'
import type { Method, RawAnswer } from '../registry/exchange.ts'
import { readText } from './object-requests.ts'

/** A request about one object. */
export interface PartRequest {
  readonly method: Method
  readonly query: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Hex sha256 of the body. */
  readonly payload?: string
  readonly wanted: readonly number[]
}

export interface PartedUpload {
  /** The object's name in the bucket. */
  readonly key: string
  readonly size: number
  readonly mediaType: string
  /** Opens the message of a failure. */
  readonly act: string
  /** Its bytes; ends in an error when they are not those that are meant. */
  open(): Promise<Readable>
  /** Asks about the object; `bucket` about all of them. */
  send(request: PartRequest, about?: 'bucket'): Promise<RawAnswer>
  /** Whether the object is there by now. */
  isThere(): Promise<boolean>
}

/** S3 takes at least 5 MiB in a part, and 10,000 parts. */
const leastPartBytes = 8 << 20
const mostParts = 10_000
const maxListBytes = 16 << 20

/** How large the parts of an object are; one that is not larger is sent in one piece. */
export function partBytesOf(size: number): number {
  const least = Math.ceil(size / mostParts)
  return Math.max(leastPartBytes, Math.ceil(least / (1 << 20)) << 20)
}

/** Postcondition: the object is there. What was sent stays for the next time when this fails. Throws ERR_CACHE_*. */
export async function putInParts(upload: PartedUpload): Promise<void> {
  const known = await findUpload(upload)
  if (known !== undefined && (await goOn(upload, known))) return
  if (known !== undefined && (await upload.isThere())) return
  const id = await begin(upload)
  // Somebody else may have finished or given up the very upload meanwhile.
  if ((await goOn(upload, id)) || (await upload.isThere())) return
  throw invalid(upload, 'the store forgot an upload that had just begun')
}

/** The youngest upload of the object that was begun and not ended. Who may not list them begins anew. */
async function findUpload({ key, act, send }: PartedUpload): Promise<string | undefined> {
  const query = { uploads: '', prefix: key }
  const answer = await send({ method: 'GET', query, wanted: [200, 403, 404, 405, 501] }, 'bucket')
  const text = await readText(act, answer, maxListBytes)
  if (answer.status !== 200) return undefined
  const found = elements(text, 'Upload').filter((one) => textIn(one, 'Key') === key)
  const byAge = found.toSorted((a, b) => (textIn(a, 'Initiated') < textIn(b, 'Initiated') ? -1 : 1))
  const last = byAge.at(-1)
  return last === undefined ? undefined : textIn(last, 'UploadId')
}

async function begin(upload: PartedUpload): Promise<string> {
  const { act, mediaType, send } = upload
  const headers = { 'content-type': mediaType }
  const answer = await send({ method: 'POST', query: { uploads: '' }, headers, wanted: [200] })
  const id = textIn(await readText(act, answer, maxListBytes), 'UploadId')
  if (id === '') throw invalid(upload, 'the store began an upload without a name')
  return id
}

/** Sends what is missing and ends the upload; false when there is no such upload any more. */
async function goOn(upload: PartedUpload, uploadId: string): Promise<boolean> {
  const { act, size, send } = upload
  const there = await partsOf(upload, uploadId)
  if (there === undefined) return false
  const tags: string[] = []
  for await (const bytes of pieces(await upload.open(), partBytesOf(size))) {
    const number = tags.length + 1
    const known = there.get(number)
    if (known !== undefined && known.size === bytes.length) {
      tags.push(known.tag)
      continue
    }
    const payload = createHash('sha256').update(bytes).digest('hex')
    const query = { partNumber: String(number), uploadId }
    const answer = await send({ method: 'PUT', query, body: bytes, payload, wanted: [200, 404] })
    await answer.discard()
    if (answer.status === 404) return false
    tags.push(answer.header('etag') ?? '')
  }
  const list = tags.map(
    (tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`,
  )
  const body = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`)
  const payload = createHash('sha256').update(body).digest('hex')
  const ended = await send({ method: 'POST', query: { uploadId }, body, payload, wanted: [200, 404] })
  const text = await readText(act, ended, maxListBytes)
  if (ended.status === 404) return false
  // The status is sent before the store is done: what went wrong stands in the body.
  const [fault] = elements(text, 'Error')
  if (fault !== undefined) throw invalid(upload, textIn(fault, 'Message') || textIn(fault, 'Code'))
  return true
}

interface Part {
  readonly size: number
  readonly tag: string
}

/** The parts that are there, by their numbers; undefined when there is no such upload. */
async function partsOf({ act, send }: PartedUpload, uploadId: string) {
  const parts = new Map<number, Part>()
  for (let after = '0'; ; ) {
    const query = { uploadId, 'part-number-marker': after }
    const answer = await send({ method: 'GET', query, wanted: [200, 403, 404] })
    const text = await readText(act, answer, maxListBytes)
    if (answer.status === 404) return undefined
    if (answer.status === 403) return parts
    for (const part of elements(text, 'Part')) {
      const size = Number(textIn(part, 'Size'))
      parts.set(Number(textIn(part, 'PartNumber')), { size, tag: textIn(part, 'ETag') })
    }
    const next = textIn(text, 'NextPartNumberMarker')
    if (textIn(text, 'IsTruncated') !== 'true' || !(Number(next) > Number(after))) return parts
    after = next
  }
}

/** The bytes in pieces of this size; only the last one may be smaller. */
async function* pieces(source: Readable, bytes: number): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = []
  let length = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    let rest = chunk
    while (length + rest.length >= bytes) {
      const end = bytes - length
      yield Buffer.concat([...waiting, rest.subarray(0, end)])
      rest = rest.subarray(end)
      waiting = []
      length = 0
    }
    if (rest.length > 0) waiting.push(rest)
    length += rest.length
  }
  if (length > 0) yield Buffer.concat(waiting)
}

/** What stands in each element of this name; S3's answers have no attributes in those, and none is within another of its name. */
function elements(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(([, inner = '']) => inner)
}

function textIn(text: string, name: string): string {
  const [value = ''] = elements(text, name)
  return value.replace(
    /&(?:lt|gt|quot|apos|amp|#(\d+)|#x([0-9a-f]+));/gi,
    (entity, decimal?: string, hex?: string) =>
      decimal !== undefined
        ? String.fromCodePoint(Number(decimal))
        : hex !== undefined
          ? String.fromCodePoint(Number.parseInt(hex, 16))
          : (entities[entity.toLowerCase()] ?? entity),
  )
}

const entities: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&apos;': "'",
  '&amp;': '&',
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
}

function invalid({ act }: PartedUpload, reason: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_CACHE_INVALID', message: `${act}: ${reason}` })
}
