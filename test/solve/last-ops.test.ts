import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { Graph, Op, OpRef } from '../../src/graph/op.ts'
import { consumersOf, lastOps } from '../../src/solve/implied.ts'

const ref = (name: string): OpRef => digestOf(name)

function graphOf(ops: Readonly<Record<string, Op>>): Graph {
  const entries = Object.entries(ops).map(([name, op]) => [ref(name), op])
  return { version: 1, ops: Object.fromEntries(entries), notes: {}, files: [] }
}

const file = (...inputs: string[]): Op => ({ kind: 'file', inputs: inputs.map(ref), base: null, actions: [] })
const merge = (...inputs: string[]): Op => ({ kind: 'merge', inputs: inputs.map(ref) })

describe('lastOps', () => {
  const last = (ops: Readonly<Record<string, Op>>): string[] => {
    const graph = graphOf(ops)
    const found = lastOps(graph, ref('root'), consumersOf(graph, ref('root')))
    return Object.keys(ops).filter((name) => found.has(ref(name)))
  }

  test('is the root alone when it has layers of its own', () => {
    expect(last({ root: file('base'), base: file() })).toEqual(['root'])
  })

  test('is what merges stack at the end, each only if nothing else reads it', () => {
    const ops = { root: merge('a', 'b'), a: merge('c', 'd'), b: file(), c: file(), d: file('b') }
    expect(last(ops)).toEqual(['root', 'a', 'c', 'd'])
  })
})
