// Takes a large layer through write, gzip, gunzip and unpack, and reports this process's peak memory; run by
// large-layer.test.ts in a process of its own.
import { createHash } from 'node:crypto'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { digestOfHex } from '../../src/core/digest.ts'
import { applyLayer } from '../../src/layer/apply-layer.ts'
import { compress } from '../../src/layer/compression.ts'
import { writeLayer } from '../../src/layer/write-layer.ts'
import { mergedTree } from '../../src/snapshot/merged-tree.ts'
import type { PieceWriter } from '../../src/store/types.ts'
import { openNative } from '../../src/sys/native.ts'

async function main([base = '', dist = '', size = '0']: readonly string[]): Promise<void> {
  const native = openNative(dist)
  const signal = new AbortController().signal
  const [upper, out] = [`${base}/upper`, `${base}/out`]
  mkdirSync(upper)
  mkdirSync(out)
  writeFileSync(`${upper}/big`, '')
  // Sparse, so that reading it costs no disk.
  truncateSync(`${upper}/big`, Number(size))

  // Packs what it is given straight away and unpacks that, keeping nothing.
  const store: PieceWriter = {
    async putPieces(mediaType, pieces) {
      const hash = createHash('sha256')
      let bytes = 0
      async function* counted(): AsyncGenerator<Buffer> {
        for await (const piece of pieces) {
          hash.update(piece)
          bytes += piece.length
          // The piece's memory is used again.
          yield Buffer.from(piece)
        }
      }
      await applyLayer(compress(counted(), 'gzip', { level: 1 }), {
        diffId: digestOfHex('0'.repeat(64)),
        directory: out,
        trees: { own: () => mergedTree([out], { native }), lower: async () => undefined },
        native,
        signal,
      }).catch((thrown) => {
        // The digest is known only now; everything else must have gone well.
        if (thrown.code !== 'ERR_DIGEST_MISMATCH') throw thrown
      })
      return { mediaType, digest: digestOfHex(hash.digest('hex')), size: bytes }
    },
  }
  const { descriptor } = await writeLayer(upper, { lower: [], store, native, signal })
  process.stdout.write(JSON.stringify({ size: descriptor.size, peakKiB: process.resourceUsage().maxRSS }))
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  process.stderr.write(`${thrown}\n`)
  process.exit(1)
})
