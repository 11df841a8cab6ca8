// What every Snapshotter promises; each implementation runs it (test/snapshot/*.test.ts).
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Active, Snapshotter } from '../../src/snapshot/types.ts'

export interface SnapshotterUnderTest {
  readonly snapshotter: Snapshotter
  /** Another one on the same state, as a second process would have it. */
  again(): Promise<Snapshotter>
  /** Names of what is half-made, or was and is not gone when the snapshotter was flushed and, if it has to be, closed. */
  leftovers(): Promise<readonly string[]>
  close(): Promise<void>
}

const never = new AbortController().signal

export function describeSnapshotter(name: string, open: () => Promise<SnapshotterUnderTest>): void {
  describe(`${name} as a snapshotter`, () => {
    let under: SnapshotterUnderTest
    let snapshotter: Snapshotter
    beforeEach(async () => {
      under = await open()
      snapshotter = under.snapshotter
    })
    afterEach(() => under.close())

    const put = (active: Active, text: string): void => writeFileSync(`${active.upper}/file`, text)
    const textOf = (id: string): string => readFileSync(`${snapshotter.path(id)}/file`, 'utf8')

    it('keeps what was committed, under its own id or a given one', async () => {
      for (const given of [undefined, 'layer1']) {
        await using active = await snapshotter.prepare([])
        put(active, 'hello')
        const id = await active.commit(given)
        expect(given ?? id).toBe(id)
        expect(await snapshotter.has(id)).toBe(true)
        expect(textOf(id)).toBe('hello')
        expect(await (await under.again()).has(id)).toBe(true)
      }
      expect(await under.leftovers()).toEqual([])
    })

    it('gives a layer the directories of its parents, bottom first', async () => {
      const ids: string[] = []
      for (const id of ['a', 'b', 'c']) {
        await using active = await snapshotter.prepare(ids)
        expect(active.parents).toEqual(ids.map((parent) => snapshotter.path(parent)))
        expect(readdirSync(active.upper)).toEqual([])
        expect(readdirSync(active.work)).toEqual([])
        ids.push(await active.commit(id))
      }
    })

    it('shows nothing of a layer that was not committed', async () => {
      {
        await using active = await snapshotter.prepare([])
        put(active, 'half')
        expect(await snapshotter.has('half')).toBe(false)
      }
      expect(await under.leftovers()).toEqual([])
    })

    it('may be disposed again after a commit', async () => {
      const active = await snapshotter.prepare([])
      const id = await active.commit()
      await active[Symbol.asyncDispose]()
      await active[Symbol.asyncDispose]()
      expect(await snapshotter.has(id)).toBe(true)
    })

    it('keeps the first of two commits under one id', async () => {
      await using first = await snapshotter.prepare([])
      await using second = await snapshotter.prepare([])
      put(first, '1')
      put(second, '2')
      await first.commit('same')
      await second.commit('same')
      expect(textOf('same')).toBe('1')
      expect(await under.leftovers()).toEqual([])
    })

    it('removes a layer, also twice', async () => {
      await using active = await snapshotter.prepare([])
      put(active, 'x')
      await active.commit('gone')
      await snapshotter.remove('gone')
      await snapshotter.remove('gone')
      expect(await snapshotter.has('gone')).toBe(false)
      expect(await under.leftovers()).toEqual([])
    })

    it('makes an ensured layer once, however many ask', async () => {
      const other = await under.again()
      let runs = 0
      const make = async (active: Active): Promise<void> => {
        runs++
        await new Promise((resolve) => setTimeout(resolve, 30))
        put(active, 'made')
      }
      await Promise.all([snapshotter, other, snapshotter, other].map((s) => s.ensure('once', never, make)))
      expect(runs).toBe(1)
      expect(textOf('once')).toBe('made')
      await snapshotter.ensure('once', never, make)
      expect(runs).toBe(1)
    })

    it('leaves nothing of an ensured layer whose making failed, and the next one tries again', async () => {
      const failing = snapshotter.ensure('fails', never, async (active) => {
        put(active, 'half')
        await new Promise((resolve) => setTimeout(resolve, 20))
        throw new Error('no luck')
      })
      const waiting = snapshotter.ensure('fails', never, async (active) => put(active, 'whole'))
      await expect(failing).rejects.toThrow('no luck')
      await waiting
      expect(textOf('fails')).toBe('whole')
      expect(await under.leftovers()).toEqual([])
    })

    it('stops waiting and commits nothing when aborted', async () => {
      let open = (): void => undefined
      const gate = new Promise<void>((resolve) => {
        open = resolve
      })
      const making = snapshotter.ensure('slow', never, () => gate)
      const abort = new AbortController()
      const other = await under.again()
      const waits = [snapshotter, other].map((s) => s.ensure('slow', abort.signal, async () => undefined))
      setTimeout(() => abort.abort(new Error('enough')), 10)
      for (const wait of waits) await expect(wait).rejects.toThrow('enough')
      open()
      await making
      const late = new AbortController()
      const aborted = snapshotter.ensure('late', late.signal, async () => late.abort(new Error('enough')))
      await expect(aborted).rejects.toThrow('enough')
      expect(await snapshotter.has('late')).toBe(false)
      expect(await under.leftovers()).toEqual([])
    })

    it('can be flushed at any time', async () => {
      await snapshotter.flush()
      await using active = await snapshotter.prepare([])
      const id = await active.commit()
      await snapshotter.flush()
      await snapshotter.flush()
      expect(await snapshotter.has(id)).toBe(true)
    })

    it('refuses ids that are no file names', async () => {
      for (const id of ['', '..', 'a/b', '.x', 'x'.repeat(200)]) {
        await expect(snapshotter.has(id), id).rejects.toThrow()
      }
    })
  })
}
