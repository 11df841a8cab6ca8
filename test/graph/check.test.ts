import { describe, expect, it } from 'vitest'
import { graphBuilder } from '../../src/graph/builder.ts'
import { checkGraph } from '../../src/graph/check.ts'
import type { Graph } from '../../src/graph/op.ts'
import { copy, image, note, run } from './support.ts'

function sound(): { graph: Graph; refs: ReturnType<typeof build> } {
  const refs = build()
  return { graph: refs.builder.graph([refs.top], []), refs }
}

function build() {
  const builder = graphBuilder()
  const base = builder.add(image('base'), note)
  const made = builder.add(run(base, 'make'), note)
  return { builder, base, made, top: builder.add(copy(base, made, 'out'), note) }
}

describe('checkGraph', () => {
  it('finds nothing wrong with what the builder makes', () => {
    const { graph, refs } = sound()
    expect(checkGraph(graph, [refs.top])).toEqual([])
  })

  it('finds an op that is not what its name says', () => {
    const { graph, refs } = sound()
    const forged: Graph = { ...graph, ops: { ...graph.ops, [refs.made]: run(refs.base, 'rm', '-rf', '/') } }
    expect(checkGraph(forged)).toEqual([expect.stringContaining(`op ${refs.made} has the digest`)])
  })

  it('finds missing inputs, notes and roots, and notes without an op', () => {
    const { graph, refs } = sound()
    const { [refs.base]: op, ...ops } = graph.ops
    expect(checkGraph({ ...graph, ops })).toEqual([
      expect.stringContaining(`needs ${refs.base}`),
      expect.stringContaining(`needs ${refs.base}`),
      `note ${refs.base} belongs to no op`,
    ])
    const { [refs.made]: gone, ...notes } = graph.notes
    expect(checkGraph({ ...graph, notes })).toEqual([`op ${refs.made} has no note`])
    const { graph: other } = { graph: refs.builder.graph([refs.base], []) }
    expect(checkGraph(other, [refs.top])).toEqual([`root ${refs.top} is not in the graph`])
  })

  it('finds an action that names an input there is not', () => {
    const builder = graphBuilder()
    const base = builder.add(image('base'), note)
    const op = { ...copy(base, base, 'x'), inputs: [base] }
    const ref = builder.add(op, note)
    expect(checkGraph(builder.graph([ref], []))).toEqual([`op ${ref} names input 1 of 1`])
  })
})
