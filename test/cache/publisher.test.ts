import { expect, test } from 'vitest'
import { publisher } from '../../src/cache/publisher.ts'

function recorded(fail?: Error) {
  const log: string[] = []
  const files = publisher({
    barrier: async () => {
      log.push('barrier')
    },
    write: async (batch) => {
      if (fail) throw fail
      log.push(...[...batch].map(([path, text]) => `${path}=${text}`))
    },
    intervalMs: 60_000,
  })
  return { log, files }
}

test('files added together share one barrier, before any of them is written', async () => {
  const { log, files } = recorded()
  files.add('a', '1', { needsBarrier: true })
  files.add('b', '2', { needsBarrier: false })
  files.add('c', '3', { needsBarrier: true })
  await files.drain()
  expect(log).toEqual(['barrier', 'a=1', 'b=2', 'c=3'])
})

test('what needs no barrier gets none', async () => {
  const { log, files } = recorded()
  files.add('a', '1', { needsBarrier: false })
  await files.drain()
  expect(log).toEqual(['a=1'])
})

test('a later text replaces one that is still queued', async () => {
  const { log, files } = recorded()
  files.add('a', '1', { needsBarrier: false })
  files.add('a', '2', { needsBarrier: false })
  await files.drain()
  expect(log).toEqual(['a=2'])
})

test('batches keep their distance, and drain does not wait for it', async () => {
  const { log, files } = recorded()
  files.add('a', '1', { needsBarrier: true })
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  files.add('b', '2', { needsBarrier: true })
  expect(files.isDirty()).toBe(true)
  await files.drain()
  expect(log).toEqual(['barrier', 'a=1', 'barrier', 'b=2'])
  expect(files.isDirty()).toBe(false)
})

test('a failure is reported by the next drain, once', async () => {
  const { files } = recorded(new Error('disk full'))
  files.add('a', '1', { needsBarrier: false })
  await expect(files.drain()).rejects.toThrow('disk full')
  await files.drain()
})

test('settled waits for what was added, in its own time, and never rejects', async () => {
  const { log, files } = recorded()
  await files.settled()
  files.add('a', '1', { needsBarrier: true })
  await files.settled()
  expect(log).toEqual(['barrier', 'a=1'])
  files.add('b', '2', { needsBarrier: false })
  const settled = files.settled().then(() => log.push('settled'))
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  expect(log).not.toContain('settled')
  await files.drain()
  await settled
  expect(log).toEqual(['barrier', 'a=1', 'b=2', 'settled'])
  const broken = recorded(new Error('disk full')).files
  broken.add('a', '1', { needsBarrier: false })
  await broken.settled()
  await expect(broken.drain()).rejects.toThrow('disk full')
})
