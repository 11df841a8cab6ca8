// A second process for tests: makes the snapshot `shared`, or hangs (mode `hang`) in the middle of making it.
import { appendFileSync, writeFileSync } from 'node:fs'
import { openOverlaySnapshotter } from '../../src/snapshot/overlay-snapshotter.ts'
import { openNative } from '../../src/sys/native.ts'

async function main([root = '', dist = '', mode, log = '']: readonly string[]): Promise<void> {
  const snapshotter = await openOverlaySnapshotter(root, openNative(dist))
  await snapshotter.ensure('shared', new AbortController().signal, async (active) => {
    appendFileSync(log, 'made\n')
    writeFileSync(`${active.upper}/file`, 'by peer')
    process.send?.('inside')
    await new Promise((resolve) => setTimeout(resolve, mode === 'hang' ? 600_000 : 50))
  })
  process.disconnect()
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  process.stderr.write(`${thrown}\n`)
  process.exit(1)
})
