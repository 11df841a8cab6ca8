import { describe, expect, it } from 'vitest'
import { digestOfJson } from '../../src/core/canonical-json.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { OpNote, OpOf } from '../../src/graph/op.ts'
import { execDriver } from '../../src/ops/exec.ts'
import type { LayerSource } from '../../src/ops/layers.ts'
import type { Exit, ProcessIo, ProcessSpec, Sandbox } from '../../src/sandbox/types.ts'
import type { Active } from '../../src/snapshot/types.ts'
import type { LayerRef, Result } from '../../src/solve/types.ts'
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

function setup(behave: (io: ProcessIo) => Exit | Promise<Exit>) {
  const calls: string[] = []
  const specs: ProcessSpec[] = []
  const active: Active = {
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
  return {
    driver: execDriver({ host: { os: 'linux', architecture: 'amd64' }, snapshotter, layers, sandbox }),
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
})
