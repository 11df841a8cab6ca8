// A process of its own on a shared cache; run bundled by local-cache.test.ts: node child.cjs <root> <dist> <mode>.
import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { openLocalCache } from '../../src/cache/local-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { openNative } from '../../src/sys/native.ts'
import { sampleRecord } from './samples.ts'

async function main([root = '', dist = '', mode = '']: readonly string[]): Promise<void> {
  const cache = await openLocalCache(root, {
    native: openNative(dist),
    hasSnapshot: async (id) => existsSync(`${root}/snapshots/${id}`),
    hasArchive: async () => true,
    sync: async () => undefined,
  })
  const { signal } = new AbortController()
  if (mode === 'work') {
    // What the solver does: look up, take the lock, look again, make.
    for (let i = 0; i < 20; i++) {
      const record = sampleRecord(`step${i}`)
      if (await cache.get(record.id)) continue
      await cache.exclusive(record.id, signal, async () => {
        if (await cache.get(record.id)) return
        appendFileSync(`${root}/made`, `step${i}\n`)
        writeFileSync(`${root}/snapshots/step${i}`, '')
        await cache.put(record, [])
      })
    }
    await cache.flush()
    return
  }
  if (mode === 'hold') {
    const { id } = sampleRecord('held')
    // Ends by being killed, never by itself.
    await cache.exclusive(id, signal, async () => {
      process.stdout.write('going\n')
      await new Promise(() => setInterval(() => undefined, 1000))
    })
  }
  // Puts for ever, until the test kills it.
  for (let i = 0; ; i++) {
    writeFileSync(`${root}/snapshots/endless${i}`, '')
    const record = sampleRecord(`endless${i}`)
    await cache.put(record, [digestOf(`alias${i}`)])
    if (i % 10 === 0) void cache.flush()
    if (i === 30) process.stdout.write('going\n')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

void main(process.argv.slice(2))
