import { openMemoryCache } from '../../src/cache/memory-cache.ts'
import { describeCache } from '../contract/cache.ts'

describeCache('memory', async () => {
  const snapshots = new Set<string>()
  const cache = openMemoryCache(async (id) => snapshots.has(id))
  return { open: async () => cache, snapshots, close: async () => undefined }
})
