// What a build runs when there was one before: nothing, what changed, or what is forced.
import { describe, expect, test } from 'vitest'
import type { OpRef } from '../../src/graph/op.ts'
import { application, prepared } from './application.ts'
import { rig, sketch } from './rig.ts'

describe('a warm build', () => {
  test('is one look-up: nothing runs, everything below is implied, inputs before their consumers', async () => {
    const r = prepared()
    const { graph, root } = application()
    const cold = await r.build(graph, root)
    expect(await r.build(graph, root)).toEqual(cold)
    expect(r.runs).toEqual([])
    const story = r.story(graph)
    // The context is listed, because its content is part of the definition.
    expect(story.slice(0, 2)).toEqual(['started local context', 'finished local context'])
    expect(story.at(-1)).toBe('cached-definition RUN finish')
    const implied = story.slice(2, -1)
    expect(implied).toHaveLength(7)
    expect(implied.every((line) => line.startsWith('cached-implied '))).toBe(true)
    expect(implied.indexOf('cached-implied RUN apt')).toBeGreaterThan(
      implied.indexOf('cached-implied FROM gcc'),
    )
  })

  test('an unrelated context file changes nothing', async () => {
    const r = prepared()
    const { graph, root } = application()
    await r.build(graph, root)
    r.edit('context', { README: 'y' })
    await r.build(graph, root)
    expect(r.runs).toEqual([])
  })

  test('evicted intermediates are not missed until something above them changes', async () => {
    const r = prepared()
    const first = application()
    const result = await r.build(first.graph, first.root)
    const needed = new Set(result?.layers.map((layer) => (layer.kind === 'snapshot' ? layer.id : '')))
    for (const id of [...r.snapshots.keys()]) if (!needed.has(id)) r.snapshots.delete(id)
    await r.build(first.graph, first.root)
    expect(r.runs).toEqual([])
    r.edit('context', { 'main.c': 'other' })
    await r.build(first.graph, first.root)
    expect(r.runs).toEqual(['RUN apt', 'COPY main.c', 'RUN strip', 'COPY out', 'RUN finish'])
  })

  test('a record whose snapshot is gone is a miss, explained as evicted', async () => {
    const r = rig()
    const s = sketch()
    const root = s.run('a', null)
    await r.build(s.graph(root), root)
    r.snapshots.clear()
    await r.build(s.graph(root), root)
    expect(r.runs).toEqual(['RUN a'])
    expect(r.events.find((event) => event.type === 'op-missed')).toMatchObject({
      reasons: [{ kind: 'evicted' }],
    })
  })
})

describe('a changed build', () => {
  test('same content from a re-run stage cuts off what follows', async () => {
    const r = prepared()
    const { graph, root } = application()
    await r.build(graph, root)
    r.edit('context', { 'main.c': 'int main#two' })
    await r.build(graph, root)
    expect(r.runs).toEqual(['COPY main.c', 'RUN strip'])
    const story = r.story(graph)
    expect(story).toContain('cached-content COPY out')
    expect(story).toContain('cached-content RUN finish')
    await r.build(graph, root)
    expect(r.runs).toEqual([])
  })

  test('a new base image re-runs what stands on it, and says so', async () => {
    const r = prepared()
    const before = application('debian')
    await r.build(before.graph, before.root)
    const after = application('debian2')
    await r.build(after.graph, after.root)
    expect(r.runs).toEqual(['RUN install', 'COPY out', 'RUN finish'])
    const missed = r.events.flatMap((e) => (e.type === 'op-missed' ? [e] : []))
    const base = Object.keys(after.graph.ops).find(
      (ref) => after.graph.notes[ref as OpRef]?.title === 'FROM debian2',
    )
    expect(missed[0]?.reasons).toEqual([{ kind: 'input', input: 0, step: base }])
    expect(r.events.flatMap((e) => (e.type === 'op-changed' ? [e] : []))).toEqual([
      {
        type: 'op-changed',
        step: base,
        reasons: [{ kind: 'op', field: 'reference', was: 'debian', now: 'debian2' }],
      },
    ])
  })

  test('a changed command is named', async () => {
    const r = prepared()
    const before = application('debian', 'install')
    await r.build(before.graph, before.root)
    const after = application('debian', 'upgrade')
    await r.build(after.graph, after.root)
    const missed = r.events.flatMap((e) => (e.type === 'op-missed' ? [e] : []))
    expect(missed[0]?.reasons).toEqual([
      { kind: 'op', field: 'instruction', was: 'RUN install', now: 'RUN upgrade' },
    ])
  })
})

describe('a forced op', () => {
  test('runs with everything that stands on it, never with what is beside or below it', async () => {
    const r = prepared()
    const usual = application()
    await r.build(usual.graph, usual.root)
    const forced = application('debian', 'install', true)
    await r.build(forced.graph, forced.root)
    expect(r.runs).toEqual(['RUN install', 'COPY out', 'RUN finish'])
    expect(r.events.find((e) => e.type === 'op-missed')).toMatchObject({ reasons: [{ kind: 'forced' }] })
  })

  test('its result is what later builds find', async () => {
    const r = prepared()
    const usual = application()
    const old = await r.build(usual.graph, usual.root)
    const forced = application('debian', 'install', true)
    const fresh = await r.build(forced.graph, forced.root)
    expect(fresh?.id).not.toBe(old?.id)
    expect(await r.build(usual.graph, usual.root)).toEqual(fresh)
    expect(r.runs).toEqual([])
  })

  test('runs again every time', async () => {
    const r = prepared()
    const forced = application('debian', 'install', true)
    await r.build(forced.graph, forced.root)
    await r.build(forced.graph, forced.root)
    expect(r.runs).toContain('RUN install')
  })
})
