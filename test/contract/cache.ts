// What every Cache must do; run by each implementation.
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { Cache } from '../../src/solve/types.ts'
import { sampleRecord } from '../cache/samples.ts'

export interface CacheUnderTest {
  /** Opens the cache again, as another process would: two of them share what was flushed. */
  open(): Promise<Cache>
  /** The snapshots that exist. */
  readonly snapshots: Set<string>
  close(): Promise<void>
}

const signal = new AbortController().signal

export function describeCache(name: string, make: () => Promise<CacheUnderTest>): void {
  const use = (title: string, body: (cache: Cache, under: CacheUnderTest) => Promise<void>): void => {
    test(title, async () => {
      const under = await make()
      try {
        await body(await under.open(), under)
      } finally {
        await under.close()
      }
    })
  }

  describe(`cache contract: ${name}`, () => {
    use('an unknown id is a miss', async (cache) => {
      expect(await cache.get(digestOf('nothing'))).toBeUndefined()
    })

    use('what was put is found at once, under its id and its aliases', async (cache, under) => {
      under.snapshots.add('a')
      const record = sampleRecord('a')
      await cache.put(record, [digestOf('alias1'), digestOf('alias2')])
      for (const id of [record.id, digestOf('alias1'), digestOf('alias2')])
        expect(await cache.get(id)).toEqual(record)
    })

    use('an alias can be added later, and moved', async (cache, under) => {
      under.snapshots.add('a').add('b')
      const [a, b] = [sampleRecord('a'), sampleRecord('b')]
      await cache.put(a, [])
      await cache.put(b, [])
      await cache.alias(digestOf('x'), a)
      expect(await cache.get(digestOf('x'))).toEqual(a)
      await cache.alias(digestOf('x'), b)
      expect(await cache.get(digestOf('x'))).toEqual(b)
    })

    use('a record may become an alias of a newer one, and its aliases follow', async (cache, under) => {
      under.snapshots.add('a').add('b')
      const [a, b] = [sampleRecord('a'), sampleRecord('b')]
      await cache.put(a, [digestOf('x')])
      await cache.put(b, [a.id])
      expect(await cache.get(a.id)).toEqual(b)
      expect(await cache.get(digestOf('x'))).toEqual(b)
    })

    use('a cycle of aliases is a miss', async (cache) => {
      const [a, b] = [sampleRecord('a'), sampleRecord('b')]
      await cache.alias(a.id, b)
      await cache.alias(b.id, a)
      expect(await cache.get(a.id)).toBeUndefined()
    })

    use('a record one of whose snapshots is gone is a miss until it is put again', async (cache, under) => {
      under.snapshots.add('a').add('b')
      const record = sampleRecord('ab', ['a', 'b'])
      await cache.put(record, [])
      expect(await cache.get(record.id)).toEqual(record)
      under.snapshots.delete('a')
      expect(await cache.get(record.id)).toBeUndefined()
      const again = sampleRecord('ab', ['b'])
      await cache.put(again, [])
      expect(await cache.get(record.id)).toEqual(again)
    })

    use('what was flushed is there for others', async (cache, under) => {
      under.snapshots.add('a')
      const record = sampleRecord('a')
      await cache.put(record, [digestOf('x')])
      await cache.flush()
      const other = await under.open()
      expect(await other.get(digestOf('x'))).toEqual(record)
      await other.flush()
    })

    use('one body at a time for an id, in turn', async (cache, under) => {
      const other = await under.open()
      const id = digestOf('busy')
      let running = 0
      let most = 0
      const body = async (): Promise<void> => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setImmediate(resolve))
        running--
      }
      await Promise.all([cache, other, cache, other].map((each) => each.exclusive(id, signal, body)))
      expect(most).toBe(1)
    })

    use('a body that fails gives the lock back and its error on', async (cache) => {
      const id = digestOf('busy')
      await expect(cache.exclusive(id, signal, () => Promise.reject(new Error('x')))).rejects.toThrow('x')
      expect(await cache.exclusive(id, signal, async () => 1)).toBe(1)
    })

    use('whoever waits for a lock can be aborted', async (cache, under) => {
      const other = await under.open()
      const id = digestOf('busy')
      let finish = (): void => undefined
      let held: Promise<void> = Promise.resolve()
      await new Promise<void>((started) => {
        held = cache.exclusive(id, signal, () => {
          started()
          return new Promise((resolve) => {
            finish = resolve
          })
        })
      })
      const abort = new AbortController()
      const waiting = other.exclusive(id, abort.signal, async () => 'ran')
      abort.abort(new Error('stop'))
      setImmediate(() => finish())
      await expect(waiting).rejects.toThrow()
      await held
    })
  })
}
