// Turns an op of a graph into its result with as little work as the cache allows. Results are pulled from
// the root: an op whose definition is known touches nothing below it. What is read and run is the drivers'.
import { randomBytes } from 'node:crypto'
import { digestOfJson } from '../core/canonical-json.ts'
import type { Context } from '../core/context.ts'
import type { Digest } from '../core/digest.ts'
import { limit } from '../core/limit.ts'
import type { Graph, OpRef } from '../graph/op.ts'
import { cacheKey, forcedId, keyId } from './cache-key.ts'
import { definitions, lookUpOp } from './definition.ts'
import { consumersOf, impliedHits, lastOps } from './implied.ts'
import { recordStep } from './record-step.ts'
import { importedRecord } from './remote-record.ts'
import { type Steps, steps } from './steps.ts'
import type {
  Cache,
  CacheKey,
  CacheRecord,
  Definition,
  Drivers,
  Explainer,
  ExplainView,
  LayerRef,
  RemoteCache,
  Result,
} from './types.ts'

export interface SolveOptions {
  readonly cache: Cache
  readonly drivers: Drivers
  readonly cx: Context
  /** How many ops run at the same time. */
  readonly jobs: number
  /** What the build is called in records: context and Dockerfile, one a line. */
  readonly build: string
  /** When an op fails, those that do not need it go on. */
  readonly keepGoing?: boolean
  /** Asked for what the cache has no record of. */
  readonly remote?: RemoteCache
  /** Makes who knows why ops miss; without one nobody does. */
  readonly explainer?: (view: ExplainView) => Explainer
}

/** The result of `root` (null for an empty one). The first failure aborts the other ops, unless they are to go on; all have settled when this returns or throws. The error's `data.step` is the op that failed; of several it is ERR_STEPS_FAILED, whose `data.failures` has each. */
export async function solve(graph: Graph, root: OpRef | null, options: SolveOptions): Promise<Result | null> {
  if (root === null) return null
  const run = steps(options.cx, options.keepGoing)
  const result = resolver(graph, root, options, run)
  try {
    return await result(root)
  } catch (thrown) {
    throw await run.settled(thrown)
  }
}

function resolver(graph: Graph, root: OpRef, options: SolveOptions, steps: Steps) {
  const { cache, drivers, remote } = options
  const { cx } = steps
  const slots = limit(options.jobs)
  const nonce = randomBytes(16).toString('hex')
  const consumers = consumersOf(graph, root)
  const last = lastOps(graph, root, consumers)
  const implied = impliedHits(consumers, (ref) => {
    cx.emit({ type: 'op-cached', step: ref, by: 'implied' })
  })

  const opOf = (ref: OpRef) => lookUpOp(graph, drivers, ref)
  const learned = (ref: OpRef, made: Result, inputs?: readonly Result[]): Result => {
    remote?.learn(ref, made, inputs)
    return made
  }
  const result = steps.once(async (ref: OpRef): Promise<Result> => {
    cx.signal.throwIfAborted()
    implied.touch(ref)
    const { op, driver } = opOf(ref)
    if (driver.uncached) return learned(ref, await uncached(ref, await Promise.all(op.inputs.map(result))))
    // What cannot be defined fails where it is defined, and may still stand on much that can be made.
    const defined = definitionOf(ref)
    const definition = await (options.keepGoing ? defined.catch(() => undefined) : defined)
    if (definition && !definition.forced) {
      const hit = await steps.of(ref, () => cache.get(definition.id))
      if (hit !== undefined) {
        implied.hit(ref)
        return learned(ref, await found(ref, hit, 'definition'))
      }
      const layers = await remote?.find(ref)
      if (layers !== undefined) {
        implied.hit(ref)
        return learned(ref, await imported(ref, layers, definition))
      }
    }
    const inputs = await Promise.all(op.inputs.map(result))
    const ids = inputs.map(async (input, i) => (await contentOf(ref, i, input)) ?? input.id)
    const key = cacheKey(op, await Promise.all(ids))
    const made = await steps.of(ref, () => byContent(ref, key, inputs, definition))
    return learned(ref, made, inputs)
  })

  const { definitionOf, contentOf, knownContent } = definitions(opOf, result, steps)
  remote?.attach({ graph, drivers, cx, definitionOf, contentOf, result })
  const explainer = options.explainer?.({
    ...{ graph, root, cx, definitionOf },
    contentOf: knownContent,
    filesOf: async (ref, index) => {
      const { op, driver } = opOf(ref)
      const input = op.inputs[index]
      if (input === undefined || opOf(input).op.kind !== 'local') return undefined
      return driver.filesOf?.(op, index, await result(input), cx)
    },
  })

  const uncached = (ref: OpRef, inputs: readonly Result[]): Promise<Result> =>
    steps.of(ref, async () => {
      const { op } = opOf(ref)
      const { layers } = await execute(ref, inputs)
      if (op.kind === 'image') return { id: ref, layers }
      // A directory's name says nothing about its content: whatever is keyed by it alone must not be found again.
      if (op.kind === 'local') return { id: digestOfJson({ local: ref, nonce }), layers }
      return { id: digestOfJson({ op: op.kind, inputs: inputs.map((input) => input.id) }), layers }
    })

  const flights = new Map<Digest, Promise<CacheRecord>>()
  const byContent = async (ref: OpRef, key: CacheKey, inputs: readonly Result[], definition?: Definition) => {
    const id = keyId(key)
    const other = flights.get(id)
    let made = false
    const lookUp = async () => (opOf(ref).note.force ? undefined : await cache.get(id))
    const flight = async (): Promise<CacheRecord> =>
      (await lookUp()) ??
      cache.exclusive(id, cx.signal, async () => {
        // Another process may have made it while this one waited for the lock.
        const hit = await lookUp()
        if (hit !== undefined) return hit
        made = true
        return make(ref, key, inputs, definition)
      })
    const mine = other ?? flight()
    flights.set(id, mine)
    const record = await mine
    if (made) return record.result
    if (definition) await cache.alias(definition.id, record)
    return found(ref, record, 'content')
  }

  const imported = async (ref: OpRef, layers: readonly LayerRef[], definition: Definition) => {
    const record = importedRecord(opOf(ref).op, layers, { definition: definition.id, now: cx.now() })
    await cache.put(record, [definition.id])
    return found(ref, record, 'definition', 'remote')
  }

  const make = async (ref: OpRef, key: CacheKey, inputs: readonly Result[], definition?: Definition) => {
    const { note } = opOf(ref)
    const layers = note.force ? undefined : await remote?.find(ref, inputs)
    if (layers !== undefined) {
      const id = keyId(key)
      const record: CacheRecord = { id, key, result: { id, layers }, created: cx.now() }
      await cache.put(record, definition ? [definition.id] : [])
      found(ref, record, 'content', 'remote')
      return record
    }
    cx.emit({ type: 'op-missed', step: ref, reasons: (await explainer?.why(ref, key)) ?? [] })
    const { layers: own, tookMs } = await execute(ref, inputs)
    const id = note.force ? forcedId(key, nonce) : keyId(key)
    const step = recordStep(options.build, note, graph.files)
    const record: CacheRecord = { id, key, result: { id, layers: own }, created: cx.now(), tookMs, step }
    // A forced result replaces the older one for later builds, under its key and its definition.
    await cache.put(record, [...(note.force ? [keyId(key)] : []), ...(definition ? [definition.id] : [])])
    explainer?.used(ref, record)
    return record
  }

  const execute = (ref: OpRef, inputs: readonly Result[]) =>
    slots(() => {
      const { op, note, driver } = opOf(ref)
      const told = last.has(ref) ? ({ ...note, isLast: true } as const) : note
      return steps.run(ref, async () => {
        const startMs = performance.now()
        const layers = await driver.run(op, inputs, told, cx)
        return { layers, tookMs: Math.round(performance.now() - startMs) }
      })
    })

  const found = (ref: OpRef, record: CacheRecord, by: 'definition' | 'content', from?: 'remote'): Result => {
    const { tookMs } = record
    const saved = tookMs === undefined ? {} : { savedMs: tookMs }
    cx.emit({ type: 'op-cached', step: ref, by, ...(from === undefined ? {} : { from }), ...saved })
    explainer?.used(ref, record)
    return record.result
  }

  return result
}
