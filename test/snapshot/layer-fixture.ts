// Unpacking archives made by hand, for tests.
import { mkdirSync } from 'node:fs'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import { applyLayer, type LayerLimits } from '../../src/layer/apply-layer.ts'
import { mergedTree } from '../../src/snapshot/merged-tree.ts'
import type { Native } from '../../src/sys/native.ts'

export interface UnpackTest {
  readonly native: Native
  /** Layer directories below, bottom first. */
  readonly lower?: readonly string[]
  readonly diffId?: Digest
  readonly limits?: LayerLimits
  readonly expectedSize?: number
}

/** Unpacks the plain or compressed `archive` into the new directory `directory`. */
export async function unpackTar(directory: string, archive: Buffer, test: UnpackTest): Promise<void> {
  const { native, lower = [] } = test
  mkdirSync(directory, { recursive: true })
  async function* body(): AsyncGenerator<Buffer> {
    for (let at = 0; at < archive.length; at += 10_000) yield archive.subarray(at, at + 10_000)
  }
  await applyLayer(body(), {
    diffId: test.diffId ?? digestOf(archive),
    directory,
    trees: {
      own: () => mergedTree([directory], { native }),
      lower: async () => (lower.length === 0 ? undefined : mergedTree(lower, { native })),
    },
    native,
    signal: new AbortController().signal,
    ...(test.limits === undefined ? {} : { limits: test.limits }),
    ...(test.expectedSize === undefined ? {} : { expectedSize: test.expectedSize }),
  })
}
