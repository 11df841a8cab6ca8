// What a build runs, in which order, and what it does once although it is asked for twice.
import { describe, expect, test } from 'vitest'
import type { Cache } from '../../src/solve/types.ts'
import { application, prepared } from './application.ts'
import { rig, sketch } from './rig.ts'

describe('a cold build', () => {
  test('runs every cached op once and tells the story of each', async () => {
    const r = prepared()
    const { graph, root } = application()
    await r.build(graph, root)
    expect([...r.runs].sort()).toEqual([
      'COPY main.c',
      'COPY out',
      'RUN apt',
      'RUN finish',
      'RUN install',
      'RUN strip',
    ])
    const story = r.story(graph)
    for (const run of r.runs) {
      const at = [`missed ${run}`, `started ${run}`, `finished ${run}`].map((line) => story.indexOf(line))
      expect(at).toEqual([...at].sort((a, b) => a - b))
      expect(at[0]).toBeGreaterThanOrEqual(0)
    }
    expect(story.filter((line) => line.startsWith('cached'))).toEqual([])
  })

  test('leaves records that name their step and how long it took', async () => {
    const r = prepared()
    const { graph, root } = application()
    const { id } = (await r.build(graph, root)) ?? {}
    const record = id && (await r.cache.get(id))
    expect(record?.step).toEqual({ build: 'rig', stage: 'final', ordinal: 8, title: 'RUN finish' })
    expect(record?.tookMs).toBeGreaterThanOrEqual(0)
  })

  test('an empty root is an empty result', async () => {
    expect(await rig().build({ version: 1, ops: {}, notes: {}, files: [] }, null)).toBeNull()
  })

  test('independent ops run at the same time, dependent ones in order', async () => {
    const r = prepared()
    const { graph, root } = application()
    const apt = r.hold('RUN apt')
    const install = r.hold('RUN install')
    const done = r.build(graph, root, 2)
    await Promise.all([apt.started, install.started])
    expect(r.runs).not.toContain('COPY main.c')
    apt.finish()
    install.finish()
    await done
    expect(r.runs.indexOf('COPY main.c')).toBeGreaterThan(r.runs.indexOf('RUN apt'))
  })

  test('no more ops than jobs run at the same time', async () => {
    const r = rig()
    const s = sketch()
    const root = s.merge(...['a', 'b', 'c', 'd', 'e'].map((name) => s.run(name, null)))
    await r.build(s.graph(root), root, 2)
    expect(r.runs).toHaveLength(5)
    expect(r.mostRunning()).toBeLessThanOrEqual(2)
  })
})

describe('equal work', () => {
  test('two ops with one key run once', async () => {
    const r = rig()
    r.edit('one', { f: 'same' })
    r.edit('two', { f: 'same' })
    const s = sketch()
    const base = s.image('debian')
    const root = s.merge(s.copy('f', s.local('one'), base), s.copy('f', s.local('two'), base))
    await r.build(s.graph(root), root)
    expect(r.runs).toHaveLength(1)
    expect(r.story(s.graph(root)).filter((line) => line === 'cached-content COPY f')).toHaveLength(1)
  })

  test('what another process made while this one waited for the lock is used', async () => {
    const theirs = rig()
    const s = sketch()
    const root = s.run('a', null)
    let isWaiting = (): void => undefined
    const waiting = new Promise<void>((resolve) => {
      isWaiting = resolve
    })
    const cache: Cache = {
      ...theirs.cache,
      exclusive: (id, signal, body) => {
        isWaiting()
        return theirs.cache.exclusive(id, signal, body)
      },
    }
    const ours = rig({ cache, snapshots: theirs.snapshots })
    const gate = theirs.hold('RUN a')
    const first = theirs.build(s.graph(root), root)
    await gate.started
    const second = ours.build(s.graph(root), root)
    await waiting
    gate.finish()
    expect(await second).toEqual(await first)
    expect(ours.runs).toEqual([])
    expect(ours.story(s.graph(root))).toEqual(['cached-content RUN a'])
  })
})

test('an op that reads a directory without saying what of it runs every time', async () => {
  const r = rig()
  r.edit('context', { f: 'x' })
  const s = sketch()
  const root = s.run('after', s.run('all', s.local('context')))
  await r.build(s.graph(root), root)
  await r.build(s.graph(root), root)
  expect(r.runs).toEqual(['RUN all', 'RUN after'])
})

test('a graph much deeper than a call stack is solved', async () => {
  const r = rig()
  const s = sketch()
  let root = s.image('debian')
  for (let i = 0; i < 3000; i++) root = s.run(`step${i}`, root)
  const graph = s.graph(root)
  // Contents nest, so the fake content is kept short.
  r.drivers.exec.run = async (_op, inputs, note) => {
    r.runs.push(note.title)
    return inputs[0]?.layers ?? []
  }
  await r.build(graph, root)
  expect(r.runs).toHaveLength(3000)
  await r.build(graph, root)
  expect(r.runs).toHaveLength(0)
})
