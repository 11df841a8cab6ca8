import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { openExport } from '../../src/remote-cache/exporter.ts'
import type { CacheSink } from '../../src/remote-cache/types.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import { testContext } from '../ops/support/context.ts'

describe('the export of a build that fails', () => {
  it('has settled when nothing that was begun is under way, however it ended', async () => {
    let fail = (_error: Error): void => undefined
    const writing = new Promise<void>((_, reject) => {
      fail = reject
    })
    const sink: CacheSink = { name: 'a', putLayer: () => writing, publish: () => Promise.resolve() }
    const descriptor = { mediaType: 'application/octet-stream', digest: digestOf('a'), size: 1 }
    const layer = { descriptor, diffId: digestOf('b'), created: '2026-01-01T00:00:00Z' }
    const cacheExport = openExport({
      sink,
      cx: testContext(),
      isWanted: () => true,
      pack: async () => layer,
      reader: () => openMemoryStore(),
    })
    cacheExport.add(digestOf('op'), {
      id: digestOf('c'),
      layers: [{ kind: 'snapshot', id: 's', created: '' }],
    })
    let hasSettled = false
    const settled = cacheExport.settled().then(() => {
      hasSettled = true
    })
    await setImmediate()
    expect(hasSettled).toBe(false)
    fail(new Error('aborted'))
    await settled
  })
})
