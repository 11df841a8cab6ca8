import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { digestOf } from '../../src/core/digest.ts'
import { graphBuilder, refOf } from '../../src/graph/builder.ts'
import { copy, image, note, run } from './support.ts'

describe('graphBuilder', () => {
  it('names an op by the digest of its canonical JSON, whatever the order of its members', () => {
    const op = image('debian')
    const { kind, inputs, platform, manifest } = op
    expect(refOf(op)).toBe(digestOf(canonicalJson(op)))
    expect(refOf({ manifest, platform, inputs, kind })).toBe(refOf(op))
  })

  it('merges equal ops, keeps the first note and either force', () => {
    const builder = graphBuilder()
    const base = builder.add(image('debian'), note)
    const first = builder.add(run(base, 'make'), { ...note, title: 'first' })
    const second = builder.add(run(base, 'make'), { ...note, title: 'second', force: true })
    expect(second).toBe(first)
    const graph = builder.graph([first], [])
    expect(Object.keys(graph.ops)).toHaveLength(2)
    expect(graph.notes[first]).toEqual({ ...note, title: 'first', force: true })
  })

  it('leaves out what the roots do not need', () => {
    const builder = graphBuilder()
    const base = builder.add(image('debian'), note)
    const used = builder.add(run(base, 'used'), note)
    const unused = builder.add(run(base, 'unused'), note)
    const graph = builder.graph([used], [])
    expect(Object.keys(graph.ops)).toEqual([base, used])
    expect(graph.notes[unused]).toBeUndefined()
  })

  it('refuses an op whose input it does not know', () => {
    expect(() => graphBuilder().add(run(refOf(image('x')), 'true'), note)).toThrow(/before its inputs/)
  })

  it('survives JSON', () => {
    const builder = graphBuilder()
    const base = builder.add(image('debian'), note)
    const root = builder.add(copy(base, builder.add(image('tools'), note), 'x'), note)
    const graph = builder.graph([root], [{ name: 'Dockerfile', text: 'FROM debian' }])
    expect(JSON.parse(JSON.stringify(graph))).toEqual(graph)
  })
})
