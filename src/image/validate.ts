// Every invariant of a stored image, checked from its bytes: used by `store verify` and on every image a test produces.
import { createHash } from 'node:crypto'
import type { Descriptor } from '../core/descriptor.ts'
import { type Digest, digestOf, digestOfHex } from '../core/digest.ts'
import { errorJson } from '../core/error.ts'
import {
  isConfigType,
  type LayerCompression,
  layerCompression,
  maxIndexDepth,
  maxManifestBytes,
} from '../core/media-type.ts'
import { maxConfigBytes, parseConfig, parseDocument } from './parse.ts'
import type { ImageConfig, Manifest } from './types.ts'

/** Where the blobs are. */
export interface BlobSource {
  open(
    descriptor: Descriptor,
    options?: { readonly signal?: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array>>
}

export interface ValidateOptions {
  readonly signal: AbortSignal
  /** The uncompressed bytes of a layer, whichever compression it has. */
  decompress(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
}

const magics: Readonly<Record<LayerCompression, Buffer | undefined>> = {
  uncompressed: undefined,
  gzip: Buffer.from([0x1f, 0x8b]),
  zstd: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
}

/** What is wrong with the image (or index of images) of this descriptor, one line each; empty when every size, digest, diff id and count is right. */
export async function validateImage(
  source: BlobSource,
  descriptor: Descriptor,
  options: ValidateOptions,
): Promise<readonly string[]> {
  const problems: string[] = []
  await check(source, descriptor, options, problems, 0)
  return problems
}

async function check(
  source: BlobSource,
  descriptor: Descriptor,
  options: ValidateOptions,
  problems: string[],
  nesting: number,
): Promise<void> {
  await guarded(problems, descriptor, options.signal, async () => {
    const document = parseDocument(
      await readAll(source, descriptor, maxManifestBytes, options),
      descriptor.mediaType,
    )
    if (document.kind === 'manifest') return checkManifest(source, document.manifest, options, problems)
    if (nesting >= maxIndexDepth) return problems.push(`${descriptor.digest}: indexes are nested too deep`)
    for (const entry of document.index.manifests) await check(source, entry, options, problems, nesting + 1)
  })
}

async function checkManifest(
  source: BlobSource,
  manifest: Manifest,
  options: ValidateOptions,
  problems: string[],
): Promise<void> {
  if (!isConfigType(manifest.config.mediaType)) {
    // An artifact (attestation, chart): its blobs must be right, but it has no file system to compare them with.
    for (const blob of [manifest.config, ...manifest.layers]) await checkBlob(source, blob, options, problems)
    return
  }
  await guarded(problems, manifest.config, options.signal, async () => {
    const config = parseConfig(await readAll(source, manifest.config, maxConfigBytes, options))
    problems.push(...countProblems(manifest, config))
    for (const [i, layer] of manifest.layers.entries()) {
      await checkBlob(source, layer, options, problems, config.rootfs.diff_ids[i])
    }
  })
}

function countProblems(manifest: Manifest, config: ImageConfig): string[] {
  const at = manifest.config.digest
  const layers = manifest.layers.length
  const diffIds = config.rootfs.diff_ids.length
  const steps = config.history?.filter((entry) => !entry.empty_layer).length
  return [
    ...(layers === diffIds ? [] : [`${at}: ${diffIds} diff ids for ${layers} layers`]),
    ...(steps === undefined || steps === layers
      ? []
      : [`${at}: ${steps} history entries for ${layers} layers`]),
  ]
}

async function checkBlob(
  source: BlobSource,
  blob: Descriptor,
  options: ValidateOptions,
  problems: string[],
  diffId?: Digest,
): Promise<void> {
  await guarded(problems, blob, options.signal, async () => {
    const compression = layerCompression(blob.mediaType)
    if (diffId !== undefined && compression === undefined) {
      problems.push(`${blob.digest}: media type ${blob.mediaType} is not a layer`)
    }
    const stored = createHash('sha256')
    let size = 0
    let start: Uint8Array = Buffer.alloc(0)
    const stream = tapped(await source.open(blob, { signal: options.signal }), (chunk) => {
      if (start.byteLength < 4) start = Buffer.concat([start, chunk.subarray(0, 4)])
      size += chunk.byteLength
      stored.update(chunk)
    })
    const plain = createHash('sha256')
    const plainBytes = compression === undefined ? stream : options.decompress(stream)
    for await (const chunk of plainBytes) plain.update(chunk)
    const magic = compression === undefined ? undefined : magics[compression]
    if (magic !== undefined && !magic.equals(start.subarray(0, magic.length))) {
      problems.push(`${blob.digest}: it is not ${compression} as its media type says`)
    }
    const digest = digestOfHex(stored.digest('hex'))
    if (digest !== blob.digest) problems.push(`${blob.digest}: its bytes have the digest ${digest}`)
    if (size !== blob.size) problems.push(`${blob.digest}: it has ${size} bytes instead of ${blob.size}`)
    const found = digestOfHex(plain.digest('hex'))
    if (diffId !== undefined && found !== diffId) {
      problems.push(`${blob.digest}: its uncompressed digest is ${found} instead of ${diffId}`)
    }
  })
}

async function* tapped(
  stream: AsyncIterable<Uint8Array>,
  onChunk: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    onChunk(chunk)
    yield chunk
  }
}

async function readAll(
  source: BlobSource,
  descriptor: Descriptor,
  limitBytes: number,
  options: ValidateOptions,
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of await source.open(descriptor, { signal: options.signal })) {
    size += chunk.byteLength
    if (size > limitBytes) throw new RangeError(`more than ${limitBytes} bytes`)
    chunks.push(chunk)
  }
  const bytes = Buffer.concat(chunks)
  if (digestOf(bytes) !== descriptor.digest)
    throw new RangeError(`its bytes have the digest ${digestOf(bytes)}`)
  if (size !== descriptor.size) throw new RangeError(`it has ${size} bytes instead of ${descriptor.size}`)
  return bytes
}

// A broken blob is a finding, not the end of the check; an abort is.
async function guarded(
  problems: string[],
  at: Descriptor,
  signal: AbortSignal,
  act: () => Promise<unknown>,
): Promise<void> {
  try {
    await act()
  } catch (thrown) {
    signal.throwIfAborted()
    problems.push(`${at.digest}: ${errorJson(thrown).message}`)
  }
}
