// Random graphs, changed in one place between two builds: exactly what depends on that place runs, and exactly that place
// is named as the cause. What runs is predicted by a model that knows nothing of digests, records or promises.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MissReason } from '../../src/core/event.ts'
import type { Graph, Op, OpRef } from '../../src/graph/op.ts'
import { walk } from '../../src/graph/walk.ts'
import { isFirstCause } from '../../src/progress/reasons.ts'
import type { Cache } from '../../src/solve/types.ts'
import { type Rig, rig, sketch } from './rig.ts'

const files = ['a', 'b', 'c']

const step = fc.record({
  kind: fc.constantFrom('run', 'run', 'strip', 'copy-local', 'copy-stage', 'merge'),
  base: fc.nat(),
  other: fc.nat(),
  file: fc.constantFrom(...files),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
const steps = fc.array(step, { minLength: 1, maxLength: 10 })

/** What a build depends on; a mutation changes one part. */
interface World {
  readonly contents: Readonly<Record<string, number>>
  readonly image: number
  /** By step: its command's and its variable's versions. */
  readonly commands: readonly number[]
  readonly variables: readonly number[]
  /** Steps behind which there is one more. */
  readonly inserted: readonly number[]
}

const mutation = fc.oneof(
  fc.record({ what: fc.constant('file' as const), file: fc.constantFrom(...files), to: fc.nat(2) }),
  fc.record({ what: fc.constant('image' as const), to: fc.nat(2) }),
  fc.record({ what: fc.constantFrom('command' as const, 'variable' as const), at: fc.nat(), to: fc.nat(2) }),
  fc.record({ what: fc.constantFrom('insert' as const, 'remove' as const), at: fc.nat() }),
)
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never

/** The world after, and the cause that a build must name: none when nothing is different. */
function mutate(world: World, m: Mutation, plan: readonly Step[]): { world: World; cause?: string } {
  const put = (list: readonly number[], at: number, to: number) => list.map((n, i) => (i === at ? to : n))
  const runs = plan.flatMap(({ kind }, i) => (kind === 'run' ? [i] : []))
  switch (m.what) {
    case 'file':
      return world.contents[m.file] === m.to
        ? { world }
        : { world: { ...world, contents: { ...world.contents, [m.file]: m.to } }, cause: `file ${m.file}` }
    case 'image':
      return world.image === m.to ? { world } : { world: { ...world, image: m.to }, cause: 'image' }
    case 'command':
    case 'variable': {
      const at = runs[m.at % Math.max(1, runs.length)]
      const list = m.what === 'command' ? 'commands' : 'variables'
      if (at === undefined || world[list][at] === m.to) return { world }
      return { world: { ...world, [list]: put(world[list], at, m.to) }, cause: `${m.what} ${at}` }
    }
    case 'insert': {
      const at = m.at % plan.length
      if (world.inserted.includes(at)) return { world }
      return { world: { ...world, inserted: [...world.inserted, at] }, cause: `new ${at}` }
    }
    case 'remove': {
      const at = world.inserted[m.at % Math.max(1, world.inserted.length)]
      if (at === undefined) return { world }
      return { world: { ...world, inserted: world.inserted.filter((n) => n !== at) }, cause: `gone ${at}` }
    }
  }
}

function graphOf(plan: readonly Step[], world: World): { graph: Graph; root: OpRef } {
  const s = sketch()
  const refs: OpRef[] = [s.image(`debian ${world.image}`, 'debian')]
  const context = s.local('context')
  const pick = (n: number): OpRef => refs[n % refs.length] as OpRef
  for (const [i, { kind, base, other, file }] of plan.entries()) {
    const own = { env: [`V${i}=${world.variables[i]}`], args: [`V${i}=${world.variables[i]}`] }
    if (kind === 'run')
      refs.push(s.run(`run${i} ${world.commands[i]}`, pick(base), { args: own.args }, own.env))
    if (kind === 'strip') refs.push(s.run(`strip ${i}`, pick(base)))
    if (kind === 'copy-local') refs.push(s.copy(file, context, pick(base)))
    if (kind === 'copy-stage') refs.push(s.copy(`out${i}`, pick(other), pick(base)))
    if (kind === 'merge') refs.push(s.merge(pick(base), pick(other)))
    const last = refs.at(-1)
    // In the place of the step before: whoever stood on that stands on this.
    if (world.inserted.includes(i) && last !== undefined) refs[refs.length - 1] = s.run(`inserted${i}`, last)
  }
  const root = refs.at(-1) as OpRef
  return { graph: s.graph(root), root }
}

const start = (plan: readonly Step[]): World => ({
  contents: Object.fromEntries(files.map((name) => [name, 0])),
  image: 0,
  commands: plan.map(() => 0),
  variables: plan.map(() => 0),
  inserted: plan.flatMap((_, i) => (i % 3 === 1 ? [i] : [])),
})

function fill(r: Rig, world: World): void {
  r.edit(
    'context',
    Object.fromEntries(Object.entries(world.contents).map(([name, n]) => [name, `text#${n}`])),
  )
}

/** Predicts which ops run: those that are asked for and were never done like that. */
function model() {
  const defined = new Set<string>()
  const done = new Set<string>()
  return (
    graph: Graph,
    root: OpRef,
    { contents }: World,
    isDropped = (_title: string) => false,
  ): string[] => {
    const facts = new Map<OpRef, { definition: string; key: string; content: string }>()
    for (const ref of walk((ref) => graph.ops[ref], [root]))
      facts.set(ref, factsOf(graph, ref, contents, facts))
    const of = (ref: OpRef) => facts.get(ref) ?? { definition: '', key: '', content: '' }
    const ran: string[] = []
    const seen = new Set<OpRef>()
    const making = new Set<string>()
    const ask = (ref: OpRef): void => {
      if (seen.has(ref)) return
      seen.add(ref)
      const op = graph.ops[ref] as Op
      const title = graph.notes[ref]?.title ?? ''
      const isUncached = op.kind === 'image' || op.kind === 'local' || op.kind === 'merge'
      if (!isUncached && defined.has(of(ref).definition) && !isDropped(title)) return
      for (const input of op.inputs) ask(input)
      if (isUncached) return
      if (!making.has(of(ref).key) && (!done.has(of(ref).key) || isDropped(title))) ran.push(title)
      making.add(of(ref).key)
    }
    ask(root)
    // What was found or made is found by its definition from now on.
    for (const ref of seen) {
      done.add(of(ref).key)
      defined.add(of(ref).definition)
    }
    return ran.sort()
  }
}

type Facts = ReadonlyMap<OpRef, { definition: string; key: string; content: string }>

/** As the rig's drivers do: an exec reads all its root, a copy the last layer of a stage. */
function factsOf(graph: Graph, ref: OpRef, contents: World['contents'], facts: Facts) {
  const op = graph.ops[ref] as Op
  const { inputs: _inputs, ...body } = op
  const of = (input: OpRef) => facts.get(input) ?? { definition: '', key: '', content: '' }
  if (op.kind === 'image') return { definition: ref, key: ref, content: `image ${op.manifest}` }
  if (op.kind === 'local') return { definition: 'local', key: 'local', content: '' }
  const read = op.inputs.map((input, i) => {
    if (op.kind !== 'file' || i === op.base) return { definition: of(input).definition, key: of(input).key }
    if (graph.ops[input]?.kind !== 'local') {
      return { definition: of(input).definition, key: lastLayer(of(input).content) }
    }
    const [action] = op.actions
    const path = action?.kind === 'copy' ? (action.sources[0] ?? '') : ''
    const text = `${path}=text#${contents[path]}`
    return { definition: text, key: text }
  })
  const definition = JSON.stringify([body, read.map((one) => one.definition)])
  const key = JSON.stringify([body, read.map((one) => one.key)])
  if (op.kind === 'merge')
    return { definition, key, content: op.inputs.map((input) => of(input).content).join('|') }
  const below = op.kind === 'exec' ? op.root : op.kind === 'file' ? op.base : null
  const base = below === null ? '' : of(op.inputs[below] as OpRef).content
  const own =
    op.kind !== 'exec'
      ? JSON.stringify([body, read.slice(below === null ? 0 : 1).map((one) => one.key)])
      : op.args[0] === 'strip'
        ? base.replace(/#\w*/g, '')
        : `${op.args.join(' ')}(${base})`
  return { definition, key, content: `${base}|${own.replaceAll('|', '/')}` }
}

function lastLayer(content: string): string {
  return content.slice(content.lastIndexOf('|') + 1)
}

/** The first causes that the last build named. */
function causesOf(r: Rig, graph: Graph): string[] {
  const told = r.events.flatMap((event) =>
    event.type === 'op-missed' || event.type === 'op-changed'
      ? event.reasons.map((reason) => ({ reason, title: graph.notes[event.step as OpRef]?.title ?? '' }))
      : [],
  )
  const named = told
    .filter(({ reason }) => isFirstCause(reason))
    .map(({ reason, title }) => nameOf(reason, title))
  return [...new Set(named)]
}

function nameOf(reason: MissReason, title: string): string {
  const number = /\d+/.exec(title)?.[0]
  switch (reason.kind) {
    case 'files':
      return `file ${[...reason.changed, ...reason.added, ...reason.removed].join()}`
    case 'image':
      return 'image'
    case 'variable':
      return `variable ${reason.name.slice(1)}`
    case 'op':
      return `${reason.field === 'instruction' ? 'command' : reason.field} ${number}`
    case 'new':
      return `new ${number}`
    case 'moved':
      return `gone ${/^RUN inserted(\d+)$/.exec(reason.was)?.[1]}`
    default:
      return `${reason.kind} ${title}`
  }
}

describe('after one change', () => {
  test('exactly the dependants run, and exactly the change is named', () =>
    fc.assert(
      fc.asyncProperty(steps, fc.array(mutation, { minLength: 1, maxLength: 6 }), async (plan, mutations) => {
        const r = rig()
        const predict = model()
        let world = start(plan)
        fill(r, world)
        const first = graphOf(plan, world)
        await r.build(first.graph, first.root)
        expect([...r.runs].sort()).toEqual(predict(first.graph, first.root, world))
        for (const m of mutations) {
          const { world: after, cause } = mutate(world, m, plan)
          world = after
          fill(r, world)
          const { graph, root } = graphOf(plan, world)
          await r.build(graph, root)
          expect([...r.runs].sort()).toEqual(predict(graph, root, world))
          const causes = causesOf(r, graph)
          if (r.runs.length === 0) expect(causes).toEqual([])
          else expect(causes).toEqual([cause])
        }
      }),
      { numRuns: 150 },
    ))

  test('what was dropped runs when it is needed and says so; nothing else is blamed', () =>
    fc.assert(
      fc.asyncProperty(steps, fc.array(fc.nat(), { maxLength: 4 }), async (plan, drops) => {
        const world = start(plan)
        const before = rig()
        fill(before, world)
        const { graph, root } = graphOf(plan, world)
        const predict = model()
        await before.build(graph, root)
        predict(graph, root, world)
        const titles = [...before.runs]
        const dropped = new Set(drops.flatMap((n) => titles[n % Math.max(1, titles.length)] ?? []))
        const isDropped = (title: string) => dropped.has(title)
        const fresh = new Set<string>()
        const cache: Cache = {
          ...before.cache,
          get: async (id) => {
            const record = await before.cache.get(id)
            return record?.step !== undefined && isDropped(record.step.title) && !fresh.has(record.id)
              ? undefined
              : record
          },
          put: async (record, aliases) => {
            fresh.add(record.id)
            await before.cache.put(record, aliases)
          },
        }
        const r = rig({ cache, snapshots: before.snapshots, past: before.past })
        fill(r, world)
        await r.build(graph, root)
        expect([...r.runs].sort()).toEqual(predict(graph, root, world, isDropped))
        expect(causesOf(r, graph).sort()).toEqual(
          [...new Set(r.runs)].map((title) => `evicted ${title}`).sort(),
        )
      }),
      { numRuns: 100 },
    ))

  test('a build that fails is no measure for what it did not reach', async () => {
    const r = rig()
    const s = sketch()
    const root = s.run('after', s.run('bad', s.run('good', null)))
    const graph = s.graph(root)
    const gate = r.hold('RUN bad')
    gate.fail(new Error('no'))
    await r.build(graph, root).catch(() => undefined)
    r.hold('RUN bad').finish()
    await r.build(graph, root)
    const reasons = r.events.flatMap((e) =>
      e.type === 'op-missed' ? [e.reasons.map(({ kind }) => kind)] : [],
    )
    expect(reasons).toEqual([['unfinished'], ['input']])
  })
})
