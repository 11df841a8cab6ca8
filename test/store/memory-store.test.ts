import { expect, it } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import { describeContentStore } from '../contract/content-store.ts'

describeContentStore('memory store', async () => ({
  store: openMemoryStore(),
  leftovers: async () => [],
  close: async () => undefined,
}))

it('has no files', () => {
  expect(() => openMemoryStore().path(digestOf('x'))).toThrow('has no files')
})
