// Takes a large layer through write, gzip, gunzip and unpack, and reports this process's peak memory; run by
// large-layer.test.ts in a process of its own.
import { createHash } from 'node:crypto'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { digestOfHex } from '../../src/core/digest.ts'
import { applyLayer } from '../../src/layer/apply-layer.ts'
import { compress } from '../../src/layer/compression.ts'
import { writeLayer } from '../../src/layer/write-layer.ts'
import { mergedTree } from '../../src/snapshot/merged-tree.ts'
import type { ContentWriter } from '../../src/store/types.ts'
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
  const store: ContentWriter = {
    async put({ mediaType }, body) {
      const hash = createHash('sha256')
      let bytes = 0
      async function* counted(): AsyncGenerator<Buffer> {
        for await (const chunk of Readable.from(body)) {
          hash.update(chunk as Buffer)
          bytes += (chunk as Buffer).length
          yield chunk as Buffer
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
