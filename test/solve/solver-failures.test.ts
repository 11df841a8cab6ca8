// What becomes of a build in which an op fails, or that is interrupted.
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { SlipwayError } from '../../src/core/error.ts'
import { rig, sketch } from './rig.ts'

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

  test('is the failure also where clearing up behind it failed', async () => {
    const r = rig()
    const s = sketch()
    const root = s.run('bad', null)
    const gate = r.hold('RUN bad')
    const done = r.build(s.graph(root), root)
    const own = new SlipwayError({ code: 'ERR_PROCESS_EXIT', message: 'exit code: 1' })
    gate.fail(Object.assign(new Error('busy'), { name: 'SuppressedError', suppressed: own }))
    await expect(done).rejects.toMatchObject({ code: 'ERR_PROCESS_EXIT', data: { step: root } })
    expect(r.events.flatMap((e) => (e.type === 'op-failed' ? [e.error.code] : []))).toEqual([own.code])
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
