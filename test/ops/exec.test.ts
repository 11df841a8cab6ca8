import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { digestOfJson } from '../../src/core/canonical-json.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { ExecMount, OpNote, OpOf } from '../../src/graph/op.ts'
import { openSources } from '../../src/ops/copy/sources.ts'
import { execDriver } from '../../src/ops/exec.ts'
import type { LayerSource } from '../../src/ops/layers.ts'
import type { FindSecret } from '../../src/ops/mounts/secret.ts'
import type { Exit, ProcessIo, ProcessSpec, Sandbox } from '../../src/sandbox/types.ts'
import type { Active } from '../../src/snapshot/types.ts'
import type { LayerRef, Result } from '../../src/solve/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { writeHint } from '../support/write-hint.ts'
import { testContext } from './support/context.ts'

const op: OpOf<'exec'> = {
  kind: 'exec',
  inputs: [],
  root: 0,
  args: ['/bin/sh', '-c', 'echo "a"\nb'],
  env: ['PATH=/bin', 'http_proxy=keyed'],
  cwd: '/w',
  user: 'app',
  network: 'none',
  security: 'sandbox',
  hostname: 'buildkitsandbox',
  mounts: [{ kind: 'file', target: '/script', mode: 0o755, content: 'x' }],
}
const note: OpNote = {
  slot: { stage: '0', ordinal: 1 },
  label: '[1/1]',
  title: 'RUN x',
  unkeyed: { env: ['http_proxy=unkeyed', 'NO_PROXY=*'], hosts: [{ name: 'h', ip: '10.0.0.1' }] },
}
const base: LayerRef = { kind: 'snapshot', id: 'base', created: '2020-01-01T00:00:00Z' }
const input: Result = { id: digestOf('base'), layers: [base] }

function setup(
  behave: (io: ProcessIo) => Exit | Promise<Exit>,
  values: Readonly<Record<string, string>> = {},
) {
  const calls: string[] = []
  const specs: ProcessSpec[] = []
  const active: Active = {
    parents: [],
    lower: ['/snapshots/base'],
    upper: '/active/fs',
    work: '/active/work',
    commit: async () => {
      calls.push('commit')
      return 'made'
    },
    [Symbol.asyncDispose]: async () => void calls.push('dispose'),
  }
  const sandbox: Sandbox = {
    async run(spec, io) {
      specs.push(spec)
      return behave(io)
    },
  }
  const layers: LayerSource = {
    snapshots: async (refs) => refs.map((ref) => (ref.kind === 'snapshot' ? ref.id : '?')),
    directories: async () => [],
  }
  const snapshotter = {
    prepare: async (parents: readonly string[]) => {
      calls.push(`prepare ${parents}`)
      return active
    },
  }
  const host = { os: 'linux', architecture: 'amd64' }
  const native = openNative(resolve(import.meta.dirname, '../../dist'))
  const sources = openSources({
    native,
    layers,
    directoryOf: () => undefined,
    statCacheDirectory: '/nonexistent',
    writeHint,
  })
  const secret: FindSecret = async (id) => {
    const value = values[id]
    return value === undefined ? { missing: 'nobody gave it' } : { value: Buffer.from(value) }
  }
  const caches = { use: () => Promise.reject(new Error('no caches')) }
  const agent = async () => undefined
  const contexts = { copy: async () => ({ directory: '/active/copy', path: '/file' }) }
  return {
    driver: execDriver({
      host,
      native,
      caches,
      snapshotter,
      layers,
      sandbox,
      sources,
      contexts,
      secret,
      agent,
    }),
    calls,
    specs,
  }
}

describe('execDriver', () => {
  it('runs the process on the root and adds a layer', async () => {
    const { driver, calls, specs } = setup(() => ({ code: 0 }))
    const layers = await driver.run(op, [input], note, testContext())
    expect(layers).toEqual([
      base,
      { kind: 'snapshot', id: 'made', created: '2026-01-02T03:04:05.123456789Z' },
    ])
    expect(calls).toEqual(['prepare base', 'commit', 'dispose'])
    expect(specs).toEqual([
      {
        root: { lower: ['/snapshots/base'], upper: '/active/fs', work: '/active/work' },
        args: op.args,
        env: ['PATH=/bin', 'http_proxy=keyed', 'NO_PROXY=*'],
        cwd: '/w',
        user: 'app',
        hostname: 'buildkitsandbox',
        network: 'none',
        security: 'sandbox',
        mounts: op.mounts,
        hosts: [{ name: 'h', ip: '10.0.0.1' }],
      },
    ])
  })

  it('starts from an empty root without one', async () => {
    const { driver, calls } = setup(() => ({ code: 0 }))
    const layers = await driver.run({ ...op, root: null }, [], note, testContext())
    expect(layers).toHaveLength(1)
    expect(calls[0]).toBe('prepare ')
  })

  it('loses no byte of the output, whatever the chunks', async () => {
    const text = 'grüße 👋 €\n'.repeat(2000)
    const bytes = Buffer.from(text)
    const { driver } = setup((io) => {
      for (let at = 0, n = 1; at < bytes.length; at += n, n = (n * 7) % 11 || 1) {
        io.output('stdout', bytes.subarray(at, at + n))
        io.output('stderr', Buffer.from('e'))
      }
      io.output('stderr', Buffer.from([0xe2, 0x82]))
      return { code: 0 }
    })
    const cx = testContext()
    await driver.run(op, [input], note, cx)
    const logs = cx.events.filter((event) => event.type === 'log')
    const of = (stream: string) =>
      logs
        .filter((log) => log.stream === stream)
        .map((log) => log.text)
        .join('')
    expect(of('stdout')).toBe(text)
    expect(of('stderr')).toMatch(/^e+\ufffd$/)
    expect(new Set(logs.map((log) => log.step))).toEqual(new Set([digestOfJson(op)]))
  })

  it('fails on a non-zero exit with the process and its code, and removes the layer', async () => {
    const { driver, calls } = setup((io) => {
      io.output('stdout', Buffer.from([0xe2]))
      return { code: 127 }
    })
    const cx = testContext()
    await expect(driver.run(op, [input], note, cx)).rejects.toMatchObject({
      code: 'ERR_PROCESS_EXIT',
      message: 'process "/bin/sh -c echo \\"a\\"\\nb" did not complete successfully: exit code: 127',
      data: { exitCode: 127 },
    })
    expect(calls).toEqual(['prepare base', 'dispose'])
    expect(cx.events).toHaveLength(1)
  })

  it('names the signal that ended a process', async () => {
    const { driver } = setup(() => ({ code: 137, signal: 9 }))
    await expect(driver.run(op, [input], note, testContext())).rejects.toMatchObject({
      data: { exitCode: 137, signal: 9 },
    })
  })

  it('does not commit what was interrupted', async () => {
    const cx = testContext()
    const { driver, calls } = setup(() => {
      cx.abort()
      return { code: 0 }
    })
    await expect(driver.run(op, [input], note, cx)).rejects.toThrow(/aborted/)
    expect(calls).toEqual(['prepare base', 'dispose'])
  })

  describe('secrets', () => {
    const secretOp = (change: Partial<Extract<ExecMount, { kind: 'secret' }>>): OpOf<'exec'> => {
      const mount = { kind: 'secret', id: 'tok', required: false, mode: 0o400, uid: 1, gid: 2 } as const
      return { ...op, env: ['TOKEN=of the image', 'A=a'], mounts: [{ ...mount, ...change }] }
    }
    const logged = (cx: ReturnType<typeof testContext>): string =>
      cx.events.flatMap((event) => (event.type === 'log' ? event.text : [])).join('')

    it('are files and variables of the process, and nothing in its output', async () => {
      const { driver, specs } = setup(
        (io) => {
          for (const part of ['my hun', 'ter2', '-hunter', '2\nhunter'])
            io.output('stdout', Buffer.from(part))
          io.output('stderr', Buffer.from('hunter2hunt'))
          return { code: 0 }
        },
        { tok: 'hunter2\n' },
      )
      const cx = testContext()
      await driver.run(secretOp({ target: '/t', env: 'TOKEN' }), [input], note, cx)
      expect(specs[0]?.mounts).toEqual([
        { kind: 'file', target: '/t', content: Buffer.from('hunter2\n'), mode: 0o400, uid: 1, gid: 2 },
      ])
      expect(specs[0]?.env).toEqual(['A=a', 'http_proxy=unkeyed', 'NO_PROXY=*', 'TOKEN=hunter2\n'])
      expect(logged(cx).split('hunter2')).toHaveLength(1)
      expect(logged(cx)).toBe('my ***-***\n***hunterhunt')
      expect(JSON.stringify(cx.events)).not.toContain('hunter2')
    })

    it('of an earlier step are masked, too, and in what a process that cannot be started printed', async () => {
      let count = 0
      const { driver } = setup(
        (io) => {
          io.output('stdout', Buffer.from('hunter2 hunt'))
          if (count++ === 2) throw new Error('lost')
          return { code: 0 }
        },
        { tok: 'hunter2' },
      )
      const cx = testContext()
      await driver.run(secretOp({ env: 'TOKEN' }), [input], note, cx)
      await driver.run(op, [input], note, cx)
      await expect(driver.run(op, [input], note, cx)).rejects.toThrow('lost')
      expect(logged(cx)).toBe('*** hunt'.repeat(3))
    })

    it('that are missing are told of, and the variable is there', async () => {
      const { driver, specs } = setup(() => ({ code: 0 }))
      const cx = testContext()
      await driver.run(secretOp({ target: '/t', env: 'TOKEN' }), [input], note, cx)
      expect(specs[0]?.mounts).toEqual([])
      expect(specs[0]?.env).toContain('TOKEN=')
      expect(logged(cx)).toBe(
        'warning: secret tok is missing, there is no /t and TOKEN is empty: nobody gave it\n',
      )
    })

    it('that are required and missing are an error', async () => {
      const { driver, specs } = setup(() => ({ code: 0 }))
      await expect(
        driver.run(secretOp({ target: '/t', required: true }), [input], note, testContext()),
      ).rejects.toMatchObject({
        code: 'ERR_SECRET_MISSING',
        message: 'secret tok: not found: nobody gave it',
      })
      expect(specs).toEqual([])
    })

    it('that are no text cannot be variables', async () => {
      for (const value of ['a\0b', '\0']) {
        const { driver } = setup(() => ({ code: 0 }), { tok: value })
        const failed = driver.run(secretOp({ env: 'TOKEN' }), [input], note, testContext())
        await expect(failed).rejects.toMatchObject({ code: 'ERR_SECRET_INVALID' })
      }
    })
  })
})
