// A layer's blob into the layer's own directory, in one pass: decompression and hashing here, writing in
// the helper process at the same time. What only the finished pass can tell is done by finish-layer.ts.
import { createHash } from 'node:crypto'
import { decompress } from '../compression/decompress.ts'
import { type Digest, digestOfHex } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { applyFileOperations, type FileCounts, type FileOperation } from '../sys/files.ts'
import { type Deferred, type FinishOptions, finishLayer } from './finish-layer.ts'
import { meaningOf } from './layer-path.ts'
import { defaultTarLimits, readTar, type TarLimits } from './tar-read.ts'
import { unpackOperation } from './unpack-operation.ts'

export interface LayerLimits extends TarLimits {
  /** Bytes of the uncompressed archive. */
  readonly archiveBytes: number
  /** Bytes of the paths of directories that the archive leaves out. A few deep names imply more than fits into memory. */
  readonly impliedBytes: number
}

export const defaultLayerLimits: LayerLimits = {
  ...defaultTarLimits,
  archiveBytes: 64 * 2 ** 30,
  impliedBytes: 64 * 2 ** 20,
}

export interface ApplyOptions extends FinishOptions {
  /** What the uncompressed bytes must hash to. */
  readonly diffId: Digest
  /** Bytes of the uncompressed archive, where known. */
  readonly expectedSize?: number
  readonly limits?: LayerLimits
}

/**
 * Postcondition: `directory` holds the layer as an overlay upper directory, not yet synced; answers what was written. Throws ERR_DIGEST_MISMATCH,
 * ERR_DECOMPRESS_*, ERR_TAR_*, ERR_FILES_*, or what `body` ends with; the directory is then worthless.
 */
export async function applyLayer(
  body: AsyncIterable<Uint8Array>,
  options: ApplyOptions,
): Promise<FileCounts> {
  const { directory, native, signal } = options
  const limits = options.limits ?? defaultLayerLimits
  const deferred: Deferred = { whiteouts: new Set(), opaques: new Set(), hasRoot: false }
  const archive = verified(
    decompress(body, { native, what: 'layer', signal, maxBytes: limits.archiveBytes }),
    options,
  )
  const written = await applyFileOperations(
    { kind: 'directory', path: directory },
    unpackOperations(archive, deferred, limits),
    { native, signal, missingLinkTargets: 'report', listedBytes: limits.impliedBytes },
  )
  await finishLayer(written, deferred, options)
  return written
}

async function* unpackOperations(
  archive: AsyncIterable<Uint8Array>,
  deferred: Deferred,
  limits: LayerLimits,
): AsyncGenerator<FileOperation, void, undefined> {
  for await (const member of readTar(archive, limits)) {
    const meaning = meaningOf(member.entry.path)
    if (meaning.kind === 'whiteout') deferred.whiteouts.add(meaning.path)
    if (meaning.kind === 'opaque') deferred.opaques.add(meaning.path)
    if (meaning.kind !== 'entry') continue
    const operation = await unpackOperation(meaning.path, member)
    if (operation === undefined) continue
    if (meaning.path === '') deferred.hasRoot = true
    yield operation
  }
}

/** The same bytes; ends in ERR_DIGEST_MISMATCH instead of normally when they are not what the image's config promises. */
async function* verified(
  archive: AsyncIterable<Uint8Array>,
  { diffId, expectedSize }: ApplyOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of archive) {
    size += chunk.length
    hash.update(chunk)
    yield chunk
  }
  const found = digestOfHex(hash.digest('hex'))
  if (found === diffId && (expectedSize === undefined || size === expectedSize)) return
  throw new SlipwayError({
    code: 'ERR_DIGEST_MISMATCH',
    message: `unpack layer: its uncompressed content is not what the image config says`,
    hint: 'the image is damaged or was tampered with; pull it again or use another one',
    data: { expected: diffId, found, size },
  })
}
