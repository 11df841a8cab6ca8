// A layer from a remote cache is what its record says only when its bytes have been looked at.
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decompress } from '../compression/decompress.ts'
import type { Context } from '../core/context.ts'
import { type Digest, digestOfHex, hexOf } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { BlobRef } from '../ops/cached-layers.ts'
import type { Host } from './host.ts'

/** Postcondition: the blob, which is in the store, unpacks to its diff id. Throws ERR_DIGEST_MISMATCH, ERR_DECOMPRESS_*. */
export async function proveLayer(
  host: Host,
  { descriptor, diffId }: BlobRef,
  { signal }: Context,
): Promise<void> {
  const directory = join(host.directory, 'variants')
  const path = join(directory, `${hexOf(descriptor.digest)}-proven`)
  if ((await readIfThere(path)) === diffId) return
  const found = await diffIdOf(host, descriptor, signal)
  if (found !== diffId) {
    throw new SlipwayError({
      code: 'ERR_DIGEST_MISMATCH',
      message: `unpack ${descriptor.digest}: it is ${found}, not ${diffId}`,
      data: { expected: diffId, found },
    })
  }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // Need not survive a power cut: without it the layer is looked at once more.
  await writeFile(path, diffId, { mode: 0o600 })
}

async function diffIdOf(
  { store, native }: Host,
  descriptor: BlobRef['descriptor'],
  signal: AbortSignal,
): Promise<Digest> {
  const body = await store.open(descriptor, { signal })
  const sum = createHash('sha256')
  try {
    for await (const chunk of decompress(body, { native, what: 'layer', signal })) sum.update(chunk)
  } finally {
    body.destroy()
  }
  return digestOfHex(sum.digest('hex'))
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}
