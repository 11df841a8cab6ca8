import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { SlipwayError } from '../../src/core/error.ts'
import type { Graph, OpRef } from '../../src/graph/op.ts'
import type { Cache } from '../../src/solve/types.ts'
import { rig, sketch } from './rig.ts'

/** A two-stage build: compile in one stage, copy the product into another. */
function application(base = 'debian', command = 'install', force = false): { graph: Graph; root: OpRef } {
  const s = sketch()
  const context = s.local('context')
  const tools = s.run('apt', s.image('gcc'))
  const compiled = s.run('strip', s.copy('main.c', context, tools))
  const installed = s.run(command, s.image(base), force ? { force: true } : {})
  const root = s.run('finish', s.copy('out', compiled, installed))
  return { graph: s.graph(root), root }
}

function prepared() {
  const r = rig()
  r.edit('context', { 'main.c': 'int main#one', README: 'x' })
  return r
}

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

describe('a failing op', () => {
  test('stops its siblings, waits for them, and is named by the error', async () => {
    const r = rig()
    const s = sketch()
    const bad = s.run('bad', null)
    const root = s.merge(bad, s.run('slow', null), s.run('other', s.run('never', bad)))
    const gate = r.hold('RUN bad')
    const slow = r.hold('RUN slow')
    const done = r.build(s.graph(root), root, 4)
    await Promise.all([gate.started, slow.started])
    gate.fail(
      new SlipwayError({ code: 'ERR_PROCESS_EXIT', message: 'RUN bad: exit code 3', data: { exitCode: 3 } }),
    )
    const error = await done.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ code: 'ERR_PROCESS_EXIT', data: { exitCode: 3, step: bad } })
    expect(r.runs.sort()).toEqual(['RUN bad', 'RUN slow'])
    const failed = r.events.flatMap((e) => (e.type === 'op-failed' ? [e.error.code] : []))
    expect(failed).toEqual(['ERR_PROCESS_EXIT', 'ERR_CANCELED'])
  })

  test('a source that does not exist fails its own step, before anything runs', async () => {
    const r = rig()
    r.edit('context', {})
    const s = sketch()
    const copy = s.copy('missing', s.local('context'), s.run('long', null))
    const root = s.run('after', copy)
    await expect(r.build(s.graph(root), root)).rejects.toMatchObject({
      code: 'ERR_COPY_SOURCE',
      data: { step: copy },
    })
    expect(r.runs).toEqual([])
  })

  test('leaves a cache from which the next build goes on', async () => {
    const r = rig()
    const s = sketch()
    const root = s.run('bad', s.run('good', null))
    const gate = r.hold('RUN bad')
    const done = r.build(s.graph(root), root)
    gate.fail(new SlipwayError({ code: 'ERR_X', message: 'x' }))
    await expect(done).rejects.toThrow('x')
    r.hold('RUN bad').finish()
    await r.build(s.graph(root), root)
    expect(r.runs).toEqual(['RUN bad'])
  })

  test('an error that is a bug comes through as it is', async () => {
    const r = rig()
    const s = sketch()
    const root = s.run('bad', null)
    const gate = r.hold('RUN bad')
    const done = r.build(s.graph(root), root)
    gate.fail(new TypeError('oops'))
    await expect(done).rejects.toThrow(TypeError)
  })

  test('an interrupted build is canceled, not failed', async () => {
    const r = rig()
    const s = sketch()
    const root = s.run('long', null)
    const gate = r.hold('RUN long')
    const done = r.build(s.graph(root), root)
    await gate.started
    r.controller.abort(new Error('SIGINT'))
    await expect(done).rejects.toMatchObject({ code: 'ERR_CANCELED' })
  })
})

describe('a failing op of a build that keeps going', () => {
  const failure = (name: string) => new SlipwayError({ code: 'ERR_PROCESS_EXIT', message: name })
  const errorOf = (done: Promise<unknown>): Promise<unknown> =>
    done.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )

  test('stops what needs it and nothing else; the error is its own', async () => {
    const r = rig()
    const s = sketch()
    const bad = s.run('bad', null)
    const root = s.merge(s.run('above', bad), s.run('other', s.run('slow', null)))
    r.hold('RUN bad').fail(failure('no'))
    const error = await errorOf(r.build(s.graph(root), root, 4, true))
    expect(error).toMatchObject({ code: 'ERR_PROCESS_EXIT', message: 'no', data: { step: bad } })
    expect(r.runs.sort()).toEqual(['RUN bad', 'RUN other', 'RUN slow'])
    expect(r.events.flatMap((e) => (e.type === 'op-failed' ? [e.step] : []))).toEqual([bad])
  })

  test('is one of several that are told together', async () => {
    const r = rig()
    r.edit('context', {})
    const s = sketch()
    const [one, two] = [s.run('one', null), s.run('two', null)]
    const copy = s.copy('missing', s.local('context'), s.run('below', null))
    const root = s.merge(one, two, s.run('after', copy), s.run('good', null))
    r.hold('RUN one').fail(failure('first'))
    r.hold('RUN two').fail(failure('second'))
    const error = await errorOf(r.build(s.graph(root), root, 4, true))
    expect(error).toMatchObject({ code: 'ERR_STEPS_FAILED', message: '3 steps failed' })
    const { failures } = (error as SlipwayError).data as { failures: { data: { step: string } }[] }
    expect(failures.map(({ data }) => data.step).sort()).toEqual([one, two, copy].sort())
    expect(r.runs.sort()).toEqual(['RUN below', 'RUN good', 'RUN one', 'RUN two'])
  })

  test('leaves what went well in the cache', async () => {
    const r = rig()
    const s = sketch()
    const root = s.merge(s.run('bad', null), s.run('good', null))
    r.hold('RUN bad').fail(failure('no'))
    await errorOf(r.build(s.graph(root), root, 4, true))
    r.hold('RUN bad').finish()
    await r.build(s.graph(root), root)
    expect(r.runs).toEqual(['RUN bad'])
  })

  test('equal work of two steps fails once', async () => {
    const r = rig()
    const s = sketch()
    const twice = ['a', 'b'].map((name) => s.run('same', s.copy('x', s.run(name, null), null)))
    r.drivers.file.contentOf = async () => digestOf('equal')
    const root = s.merge(...twice)
    r.hold('RUN same').fail(failure('no'))
    const error = await errorOf(r.build(s.graph(root), root, 4, true))
    expect(error).toMatchObject({ code: 'ERR_PROCESS_EXIT' })
  })

  test('does not outlive an interruption', async () => {
    const r = rig()
    const s = sketch()
    const root = s.merge(s.run('bad', null), s.run('after', s.run('long', null)))
    r.hold('RUN bad').fail(failure('no'))
    const long = r.hold('RUN long')
    const done = errorOf(r.build(s.graph(root), root, 4, true))
    await long.started
    r.controller.abort(new Error('SIGINT'))
    expect(await done).toMatchObject({ code: 'ERR_CANCELED' })
    expect(r.runs).not.toContain('RUN after')
  })

  test('a bug still ends it at once', async () => {
    const r = rig()
    const s = sketch()
    const root = s.merge(s.run('bad', null), s.run('long', null))
    const bad = r.hold('RUN bad')
    const long = r.hold('RUN long')
    const done = errorOf(r.build(s.graph(root), root, 4, true))
    await long.started
    bad.fail(new TypeError('oops'))
    expect(await done).toBeInstanceOf(TypeError)
  })
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
