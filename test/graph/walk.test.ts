import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { graphBuilder } from '../../src/graph/builder.ts'
import type { OpRef } from '../../src/graph/op.ts'
import { walk } from '../../src/graph/walk.ts'
import { copy, image, note, run } from './support.ts'

describe('walk', () => {
  it('comes to every needed op once and after its inputs', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 60 }), (edges) => {
        const builder = graphBuilder()
        const refs: OpRef[] = [builder.add(image('base'), note)]
        for (const [index, [a, b]] of edges.entries()) {
          const base = refs[a % refs.length] as OpRef
          const from = refs[b % refs.length] as OpRef
          refs.push(builder.add(copy(base, from, `f${index}`), note))
        }
        const root = refs.at(-1) as OpRef
        const graph = builder.graph([root], [])
        const opOf = (ref: OpRef) => graph.ops[ref]
        const order = walk(opOf, [root])
        expect(new Set(order).size).toBe(order.length)
        expect([...order].sort()).toEqual(Object.keys(graph.ops).sort())
        const place = new Map(order.map((ref, index) => [ref, index]))
        for (const ref of order) {
          for (const input of graph.ops[ref]?.inputs ?? []) {
            expect(place.get(input)).toBeLessThan(place.get(ref) as number)
          }
        }
        expect(walk(opOf, [root])).toEqual(order)
      }),
      { numRuns: 50 },
    )
  })

  it('does not need a stack as deep as the build is long', () => {
    const builder = graphBuilder()
    let ref = builder.add(image('base'), note)
    for (let i = 0; i < 20_000; i++) ref = builder.add(run(ref, String(i)), note)
    const { ops } = builder.graph([ref], [])
    expect(walk((at) => ops[at], [ref])).toHaveLength(20_001)
  })

  it('calls a missing op and a cycle bugs', () => {
    const builder = graphBuilder()
    const base = builder.add(image('base'), note)
    const top = builder.add(run(base, 'x'), note)
    const { ops } = builder.graph([top], [])
    const { [base]: gone, ...rest } = ops
    expect(() => walk((ref) => rest[ref], [top])).toThrow(/has no op/)
    expect(() => walk((ref) => (ref === base ? run(top, 'y') : ops[ref]), [top])).toThrow(/cycle/)
  })
})
