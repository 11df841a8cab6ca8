import { expect, it } from 'vitest'
import { sharedSync } from '../../src/store/shared-sync.ts'

/** A sync whose runs are ended by hand. */
function handMade() {
  const ends: { resolve(): void; reject(thrown: unknown): void }[] = []
  const shared = sharedSync(() => new Promise<void>((resolve, reject) => ends.push({ resolve, reject })))
  return { shared, ends }
}

it('serves everybody who waits behind one run by a single further one', async () => {
  const { shared, ends } = handMade()
  const first = shared()
  const late = [shared(), shared(), shared()]
  expect(ends).toHaveLength(1)
  ends[0]?.resolve()
  await first
  await new Promise((resolve) => setImmediate(resolve))
  expect(ends).toHaveLength(2)
  let done = 0
  for (const promise of late) void promise.then(() => done++)
  await new Promise((resolve) => setImmediate(resolve))
  expect(done).toBe(0)
  ends[1]?.resolve()
  await Promise.all(late)
  expect(ends).toHaveLength(2)
})

it('starts anew when nothing is under way', async () => {
  const { shared, ends } = handMade()
  for (const round of [0, 1, 2]) {
    const run = shared()
    expect(ends).toHaveLength(round + 1)
    ends[round]?.resolve()
    await run
  }
})

it('tells a failure to those it concerns and to nobody else', async () => {
  const { shared, ends } = handMade()
  const first = shared()
  const second = shared()
  ends[0]?.reject(new Error('disk'))
  await expect(first).rejects.toThrow('disk')
  await new Promise((resolve) => setImmediate(resolve))
  ends[1]?.resolve()
  await expect(second).resolves.toBeUndefined()
})
