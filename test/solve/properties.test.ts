// What must hold for every graph: caching never changes a result, and a second build does nothing.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Graph, OpRef } from '../../src/graph/op.ts'
import type { Cache } from '../../src/solve/types.ts'
import { type Rig, rig, sketch } from './rig.ts'

const files = ['a', 'b', 'c']

/** One step of a random build: what it does, and which earlier steps it reads. */
const step = fc.record({
  kind: fc.constantFrom('run', 'strip', 'copy-local', 'copy-stage', 'merge'),
  base: fc.nat(),
  other: fc.nat(),
  file: fc.constantFrom(...files),
  force: fc.boolean(),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const plan = fc.array(step, { minLength: 1, maxLength: 12 })
const content = fc.dictionary(fc.constantFrom(...files), fc.constantFrom('x', 'y', 'x#1', 'x#2'))

function graphOf(steps: readonly Step[], withForce = false): { graph: Graph; root: OpRef } {
  const s = sketch()
  const refs: OpRef[] = [s.image('debian')]
  const context = s.local('context')
  const pick = (n: number): OpRef => refs[n % refs.length] as OpRef
  for (const [i, { kind, base, other, file, force }] of steps.entries()) {
    const note = withForce && force ? { force: true as const } : {}
    if (kind === 'run') refs.push(s.run(`run${i}`, pick(base), note))
    if (kind === 'strip') refs.push(s.run(`strip ${i}`, pick(base), note))
    if (kind === 'copy-local') refs.push(s.copy(file, context, pick(base), note))
    if (kind === 'copy-stage') refs.push(s.copy(`out${i}`, pick(other), pick(base), note))
    if (kind === 'merge') refs.push(s.merge(pick(base), pick(other)))
  }
  const root = refs.at(-1) as OpRef
  return { graph: s.graph(root), root }
}

function fill(r: Rig, values: Readonly<Record<string, string>>): Rig {
  r.edit('context', Object.fromEntries(files.map((name) => [name, values[name] ?? ''])))
  return r
}

async function built(r: Rig, { graph, root }: { graph: Graph; root: OpRef }): Promise<string> {
  const result = await r.build(graph, root)
  return result === null ? '' : r.contentOf(result)
}

/** Every op the root needs must have had exactly one end. */
function expectOneEndEach(r: Rig, { graph }: { graph: Graph }): void {
  const ends = r.events.flatMap((e) => (e.type === 'op-finished' || e.type === 'op-cached' ? [e.step] : []))
  expect([...ends].sort()).toEqual(Object.keys(graph.ops).sort())
}

/** A cache that has lost every record whose id's digits say so. */
function forgetful(cache: Cache, loses: (digit: number) => boolean): Cache {
  return {
    ...cache,
    get: async (id) => (loses(Number.parseInt(id.slice(-1), 16)) ? undefined : cache.get(id)),
  }
}

test('a warm build runs nothing and finds the same result', () =>
  fc.assert(
    fc.asyncProperty(plan, content, async (steps, values) => {
      const r = fill(rig(), values)
      const build = graphOf(steps)
      const cold = await r.build(build.graph, build.root)
      expect(await r.build(build.graph, build.root)).toEqual(cold)
      expect(r.runs).toEqual([])
    }),
  ))

test('whatever was built before, the result is that of a build without a cache', () =>
  fc.assert(
    fc.asyncProperty(
      plan,
      fc.array(fc.tuple(content, fc.boolean()), { minLength: 2, maxLength: 5 }),
      async (steps, edits) => {
        const r = rig()
        for (const [values, withForce] of edits) {
          const build = graphOf(steps, withForce)
          expect(await built(fill(r, values), build)).toBe(await built(fill(rig(), values), build))
          expectOneEndEach(r, build)
        }
      },
    ),
  ))

test('losing records or snapshots never changes the result', () =>
  fc.assert(
    fc.asyncProperty(
      plan,
      content,
      content,
      fc.nat(15),
      fc.array(fc.nat(30)),
      async (steps, before, after, digit, lost) => {
        const build = graphOf(steps)
        const first = rig()
        await built(fill(first, before), build)
        const ids = [...first.snapshots.keys()]
        for (const n of lost) first.snapshots.delete(ids[n] ?? '')
        const cache = forgetful(first.cache, (found) => found < digit)
        const second = fill(rig({ cache, snapshots: first.snapshots }), after)
        expect(await built(second, build)).toBe(await built(fill(rig(), after), build))
        expectOneEndEach(second, build)
        expectOneEndEach(second, build)
      },
    ),
  ))

test('forced ops run in every build, and only they and what they changed', () =>
  fc.assert(
    fc.asyncProperty(plan, content, async (steps, values) => {
      const r = fill(rig(), values)
      const build = graphOf(steps, true)
      await r.build(build.graph, build.root)
      await r.build(build.graph, build.root)
      const forced = Object.values(build.graph.notes).flatMap((note) => (note.force ? [note.title] : []))
      // Equal work is shared, also between forced ops: titles of one key count once.
      if (forced.length === 0) expect(r.runs).toEqual([])
      else expect(r.runs.some((title) => forced.includes(title))).toBe(true)
    }),
  ))

test('the order in which inputs finish does not matter', () =>
  fc.assert(
    fc.asyncProperty(plan, content, fc.scheduler(), async (steps, values, scheduler) => {
      const build = graphOf(steps)
      const r = fill(rig(), values)
      const { exec, file } = r.drivers
      const shuffled = <A extends unknown[], T>(run: (...args: A) => Promise<T>) =>
        scheduler.scheduleFunction(run) as (...args: A) => Promise<T>
      Object.assign(exec, { run: shuffled(exec.run) })
      Object.assign(file, { run: shuffled(file.run) })
      const result = built(r, build)
      await scheduler.waitFor(result)
      expect(await result).toBe(await built(fill(rig(), values), build))
    }),
  ))
