// What the solver does with a remote cache: asks late, believes what it is given, tells it everything.
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { Graph, OpRef } from '../../src/graph/op.ts'
import { solve } from '../../src/solve/solver.ts'
import type { LayerRef, RemoteCache } from '../../src/solve/types.ts'
import { rig, sketch } from './rig.ts'

function chain(force = false): { graph: Graph; root: OpRef; middle: OpRef } {
  const s = sketch()
  const middle = s.run('one', s.image('base'), force ? { force: true } : {})
  const root = s.run('two', middle)
  return { graph: s.graph(root), root, middle }
}

const layer = (name: string): LayerRef => ({
  kind: 'blob',
  descriptor: { mediaType: 'x', digest: digestOf(name), size: 1 },
  diffId: digestOf(`plain ${name}`),
  source: 'far',
  created: '2026-01-01T00:00:00Z',
})

function remoteWith(known: ReadonlyMap<OpRef, readonly LayerRef[]>, onlyByContent = false) {
  const asked: string[] = []
  const learned: OpRef[] = []
  const remote: RemoteCache = {
    attach: () => undefined,
    async find(ref, inputs) {
      asked.push(`${ref} ${inputs === undefined ? 'definition' : 'content'}`)
      return onlyByContent && inputs === undefined ? undefined : known.get(ref)
    },
    learn: (ref) => void learned.push(ref),
  }
  return { remote, asked, learned }
}

describe('a remote cache', () => {
  const solved = (
    r: ReturnType<typeof rig>,
    { graph, root }: ReturnType<typeof chain>,
    remote: RemoteCache,
  ) => {
    const { cache, drivers, cx } = r
    return solve(graph, root, { cache, drivers, cx, jobs: 4, build: 'rig', remote })
  }

  test('a result that is known by its definition spares all below it, and is found here afterwards', async () => {
    const r = rig()
    const graph = chain()
    const { remote, learned } = remoteWith(new Map([[graph.root, [layer('b'), layer('two')]]]))
    const result = await solved(r, graph, remote)
    expect(result?.layers).toEqual([layer('b'), layer('two')])
    expect(r.runs).toEqual([])
    expect(r.events).toContainEqual({ type: 'op-cached', step: graph.root, by: 'definition', from: 'remote' })
    expect(learned).toEqual([graph.root])
    const silent = remoteWith(new Map())
    expect(await solved(r, graph, silent.remote)).toEqual(result)
    expect(silent.asked).toEqual([])
  })

  test('is asked again when the inputs are known, and what it lacks runs', async () => {
    const r = rig()
    const graph = chain()
    const { remote, asked } = remoteWith(new Map([[graph.root, [layer('b'), layer('two')]]]), true)
    await solved(r, graph, remote)
    expect(r.runs).toEqual(['RUN one'])
    expect(asked.map((line) => line.replace(graph.root, 'two').replace(graph.middle, 'one'))).toEqual([
      'two definition',
      'one definition',
      'one content',
      'two content',
    ])
    expect(r.events).toContainEqual({ type: 'op-cached', step: graph.root, by: 'content', from: 'remote' })
  })

  test('is never asked for a step that must run', async () => {
    const r = rig()
    const graph = chain(true)
    const { remote, asked } = remoteWith(new Map([[graph.middle, [layer('one')]]]))
    await solved(r, graph, remote)
    expect(r.runs).toEqual(['RUN one', 'RUN two'])
    expect(asked).toEqual([`${graph.root} content`])
  })
})
