// Requests that nobody should send to `slipway-helper run`; by the sanitizer build when there is one.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeRunRequest } from '../../src/sandbox/run-request.ts'
import { stepFilter } from '../../src/sandbox/seccomp/step-filter.ts'
import type { ProcessSpec } from '../../src/sandbox/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { dist } from '../sys/native.ts'
import { describeHelper, helper } from './run-rig.ts'

describeHelper('a malformed request', () => {
  const sanitized = join(dist, 'sanitize/slipway-helper')
  const program = existsSync(sanitized) ? sanitized : helper
  const nowhere: ProcessSpec = {
    root: { lower: ['/nonexistent/a', '/nonexistent/b'], upper: '/nonexistent/u', work: '/nonexistent/w' },
    args: ['/bin/true', 'x'],
    env: ['A=b'],
    cwd: '/',
    user: 'u',
    hostname: 'h',
    network: 'none',
    security: 'sandbox',
    mounts: [
      { kind: 'file', target: '/f', content: 'text', mode: 0o400 },
      { kind: 'tmpfs', target: '/t' },
      { kind: 'bind', source: '/nonexistent/s', target: '/b', readOnly: true },
    ],
    hosts: [],
  }

  const place = (path: string) => ({ path, isDirectory: path === 't', isOfImage: true })
  const options = {
    stdio: 'pipe',
    filter: stepFilter,
    namespace: openNative(dist).userNamespace(),
    prepared: {
      user: { uid: 5, gid: 6, groups: [6, 7], home: '/' },
      stubs: '/nonexistent/w/stubs',
      places: ['f', 't', 'b'].map(place),
      cwd: '',
    },
  } as const

  test('ends in a reported failure, never in a crash', () => {
    const random = generator(20240601)
    const valid = encodeRunRequest(nowhere, options)
    for (let round = 0; round < 150; round++) {
      const request = round % 3 === 0 ? noise(random) : mutate(valid, random)
      const { status, stdout, stderr } = runRaw(request)
      expect({ round, status, stderr, failed: /^\{"failed":\{.*\}\}\n$/.test(stdout) }).toEqual({
        round,
        status: 1,
        stderr: '',
        failed: true,
      })
    }
  })

  test('that ends early says so', () => {
    const { stdout } = runRaw(encodeRunRequest(nowhere, options).subarray(0, 40))
    expect(JSON.parse(stdout)).toMatchObject({ failed: { kind: 'request-cut' } })
  })

  // `sh` joins the status stream to its stdout, which spawnSync can collect.
  function runRaw(request: Buffer): { status: number | null; stdout: string; stderr: string } {
    const script = '"$0" run $$ 3<&0 4>&1 1>/dev/null </dev/null; exit $?'
    const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script, program], {
      input: request,
      encoding: 'latin1',
    })
    return { status, stdout, stderr }
  }
})

// A fixed sequence, so that a failing round can be repeated.
function generator(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

function noise(random: (limit: number) => number): Buffer {
  return Buffer.from(Array.from({ length: random(200) }, () => random(256)))
}

function mutate(valid: Buffer, random: (limit: number) => number): Buffer {
  const request = Buffer.from(valid)
  for (let i = 0; i <= random(4); i++) request[random(request.length)] = random(256)
  return request.subarray(0, random(5) === 0 ? random(request.length) : request.length)
}
