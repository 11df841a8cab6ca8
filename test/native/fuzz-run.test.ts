// Requests to run a process or to write through mounted layers, damaged at random after they were made for a real root file system: operations dropped,
// doubled, put elsewhere, with other numbers. Whatever they ask for, the helper ends by itself with one report. In
// namespaces and a root directory of their own, because what such a request sets up is anybody's guess. Uses the
// sanitizer build when there is one. SLIPWAY_FUZZ_MINUTES goes on for so long.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { networkFiles } from '../../src/sandbox/network-files.ts'
import { prepareRoot } from '../../src/sandbox/prepare-root.ts'
import { encodeRunRequest } from '../../src/sandbox/run-request.ts'
import { stepFilter } from '../../src/sandbox/seccomp/step-filter.ts'
import type { ProcessSpec } from '../../src/sandbox/types.ts'
import { FileEncoder } from '../../src/sys/file-wire.ts'
import { openNative } from '../../src/sys/native.ts'
import { containersMissing, type Layers, makeLayers } from '../sandbox/busybox-root.ts'
import { missing } from '../support/missing.ts'

const dist = new URL('../../dist', import.meta.url).pathname
const sanitized = join(dist, 'sanitize/slipway-helper')
const helper = existsSync(sanitized) ? sanitized : join(dist, 'slipway-helper')
const lacking = containersMissing() ?? missing('unshare', 'ldd')
const minutes = Number(process.env.SLIPWAY_FUZZ_MINUTES ?? 0)
const seed = Number(process.env.SLIPWAY_FUZZ_SEED ?? 20241121)

describe.skipIf(lacking !== undefined)(
  `damaged requests to run and to write${lacking === undefined ? '' : ` (${lacking})`}`,
  () => {
    let layers: Layers
    beforeAll(() => {
      layers = makeLayers()
      furnish(layers.directory)
    })
    afterAll(() => layers.remove())

    test('end in one report', { timeout: 60_000 * (minutes + 1) }, async () => {
      const random = generator(seed)
      const end = performance.now() + minutes * 60_000
      let ran = 0
      for (let round = 0; round < 30 || performance.now() < end; round++) {
        const place = layers.writable()
        const request = damaged(validRequest(layers.base, place, round), random)
        const { code, signal, reports, stderr } = await runDamaged(layers.directory, 'run', request)
        const where = `seed ${seed}, round ${round}: ${request.toString('base64')}`
        // What the process itself writes is its own; a report of the sanitizers has a word of theirs.
        expect(stderr, where).not.toMatch(/Sanitizer|runtime error/)
        expect([code, signal], where).toEqual([reports.includes('exit') ? 0 : 1, null])
        expect(reports.filter((name) => name !== 'started').length, where).toBeGreaterThan(0)
        if (reports.includes('exit')) ran++
        rmSync(dirname(place.upper), { recursive: true })
      }
      // Not all of them are so damaged that nothing is ever run.
      expect(ran).toBeGreaterThan(0)
    })

    test('of files end in one report', { timeout: 60_000 * (minutes + 1) }, async () => {
      const random = generator(seed)
      const end = performance.now() + minutes * 60_000
      let wrote = 0
      for (let round = 0; round < 30 || performance.now() < end; round++) {
        const place = layers.writable()
        const request = damaged(validWrite(layers.base, place), random)
        const { code, signal, reports, stderr } = await runDamaged(layers.directory, 'files', request)
        const where = `seed ${seed}, round ${round}: ${request.toString('base64')}`
        expect(stderr, where).not.toMatch(/Sanitizer|runtime error/)
        expect([code, signal], where).toEqual([reports.includes('done') ? 0 : 1, null])
        expect(reports.filter((name) => name === 'done' || name === 'failed').length, where).toBe(1)
        if (reports.includes('done')) wrote++
        rmSync(dirname(place.upper), { recursive: true })
      }
      expect(wrote).toBeGreaterThan(0)
    })
  },
)

/** Makes the directory a root in which the helper runs: with its libraries, and itself under its path outside. */
function furnish(root: string): void {
  copyFileSync(helper, join(root, 'slipway-helper'))
  mkdirSync(join(root, 'proc'))
  mkdirSync(join(root, 'sys'))
  mkdirSync(join(root, dirname(root)), { recursive: true })
  symlinkSync('/', join(root, root))
  const libraries = execFileSync('ldd', [helper], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)
  for (const [, library = ''] of libraries) {
    mkdirSync(join(root, dirname(library)), { recursive: true })
    copyFileSync(library, join(root, library))
  }
}

function validRequest(base: string, place: ReturnType<Layers['writable']>, round: number): Buffer {
  const native = openNative(dist)
  const spec: ProcessSpec = {
    root: { lower: [base], ...place },
    args: ['/bin/echo', 'ran'],
    env: ['PATH=/bin', 'A=b'],
    cwd: '/srv/app',
    user: round % 2 === 0 ? '' : '5:6',
    hostname: 'h',
    network: round % 3 === 0 ? 'default' : 'none',
    security: round % 5 === 0 ? 'insecure' : 'sandbox',
    mounts: [
      { kind: 'tmpfs', target: '/t/u', sizeBytes: 1 << 20 },
      { kind: 'bind', source: base, target: '/b', readOnly: true },
      { kind: 'layers', lower: [base], source: '/bin', target: '/t/u/v', readOnly: false },
    ],
    hosts: [],
  }
  const whole = { ...spec, mounts: [...networkFiles(spec), ...spec.mounts] }
  const prepared = prepareRoot(whole, native)
  const filter = spec.security === 'insecure' ? {} : { filter: stepFilter }
  return encodeRunRequest(whole, { stdio: 'pipe', namespace: native.userNamespace(), prepared, ...filter })
}

function validWrite(base: string, place: ReturnType<Layers['writable']>): Buffer {
  const encoder = new FileEncoder()
  encoder.target({ kind: 'overlay', lower: [base, base], ...place }, { reportLinks: true })
  const owner = { uid: 0, gid: 0 }
  encoder.operation({ op: 'mkdirs', path: 'x/y', mode: 0o755, ...owner })
  encoder.operation({ op: 'hardlink', path: 'x/echo', target: 'bin/echo' })
  encoder.operation({ op: 'owner', path: 'x/y', uid: 1, gid: 1 })
  encoder.end()
  return Buffer.concat(encoder.take())
}

type Random = (limit: number) => number

function damaged(request: Buffer, random: Random): Buffer {
  const records = recordsOf(request)
  for (let i = random(3); i >= 0; i--) damageRecord(records, random)
  const whole = Buffer.concat(records)
  return random(12) === 0 ? whole.subarray(0, random(whole.length)) : whole
}

function damageRecord(records: Buffer[], random: Random): void {
  const index = random(records.length)
  const record = Buffer.from(records[index] ?? Buffer.alloc(0))
  switch (random(7)) {
    case 0:
      records.splice(index, 1)
      break
    case 1:
      records.splice(random(records.length), 0, record)
      break
    case 2:
      records.splice(index, 1)
      records.splice(random(records.length), 0, record)
      break
    case 3:
      if (record.length > 4) record[4] = random(24)
      records[index] = record
      break
    case 4: {
      // A whole number: flags, slots and what the operation calls number are the first five.
      const at = 5 + 8 * random(5)
      const values = [0n, 1n, 2n, 15n, 16n, 17n, 255n, 1n << 31n, (1n << 32n) - 1n, (1n << 64n) - 1n]
      if (record.length >= at + 8) record.writeBigUInt64LE(values[random(values.length)] ?? 0n, at)
      records[index] = record
      break
    }
    default:
      for (let i = random(4); i >= 0; i--) record[random(record.length)] = random(256)
      records[index] = record
  }
}

function recordsOf(request: Buffer): Buffer[] {
  const records: Buffer[] = []
  for (let at = 0; at < request.length; ) {
    const end = at + 4 + request.readUInt32LE(at)
    records.push(request.subarray(at, end))
    at = end
  }
  return records
}

async function runDamaged(root: string, mode: 'run' | 'files', request: Buffer): Promise<Ended> {
  const flags = ['-m', '-u', '-i', '-n', '-p', '-f', '--kill-child']
  const enter =
    'mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && exec chroot "$0" /slipway-helper "$1" 0'
  const child = spawn('unshare', [...flags, 'sh', '-c', enter, root, mode], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    // What looks for leaks is a process of its own, and waits for ever once the helper has left its pid namespace.
    env: { PATH: process.env.PATH, ASAN_OPTIONS: 'detect_leaks=0' },
    timeout: 20_000,
    killSignal: 'SIGKILL',
  })
  let [status, stderr] = ['', '']
  child.stdio[4]?.on('data', (chunk: Buffer) => {
    status += chunk.toString('latin1')
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('latin1')
  })
  const input = child.stdio[3] as Writable
  input.on('error', () => undefined)
  input.end(request)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  const lines = status.split('\n').slice(0, -1)
  const reports = lines.map((line) => Object.keys(JSON.parse(line) as object)[0] ?? '')
  return { code, signal, reports, stderr }
}

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  /** What each line of the status stream is. */
  readonly reports: readonly string[]
  readonly stderr: string
}

// A fixed sequence, so that a failing round can be repeated.
function generator(start: number): Random {
  let state = start
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
