import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { expect, test } from 'vitest'
import { dist, isRoot, testNative } from '../sys/native.ts'

test.skipIf(!isRoot)(
  'a 1 GiB layer is written, compressed and unpacked in less than 250 MiB (needs root)',
  () => {
    testNative()
    const base = mkdtempSync(join(tmpdir(), 'slipway-large-'))
    try {
      const program = join(base, 'large-layer.cjs')
      const source = new URL('large-layer.ts', import.meta.url).pathname
      buildSync({ entryPoints: [source], bundle: true, platform: 'node', target: 'node20', outfile: program })
      const gibibyte = 2 ** 30
      const report = JSON.parse(
        execFileSync(process.execPath, [program, base, dist, String(gibibyte)]).toString(),
      )
      expect(report.size).toBeGreaterThan(gibibyte)
      expect(report.peakKiB / 1024).toBeLessThan(250)
      process.stdout.write(`peak memory ${Math.round(report.peakKiB / 1024)} MiB\n`)
    } finally {
      rmSync(base, { recursive: true, force: true })
    }
  },
  120_000,
)
