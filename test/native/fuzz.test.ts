// Whatever bytes come as a request, the helper ends by itself with one report: no crash, no hang, and
// nothing outside the target is touched. Uses the sanitizer build when there is one.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FileEncoder } from '../../src/sys/file-wire.ts'
import type { FileOperation } from '../../src/sys/files.ts'
import { dist, withDirectory } from '../sys/native.ts'

const sanitized = join(dist, 'sanitize/slipway-helper')
const helper = existsSync(sanitized) ? sanitized : join(dist, 'slipway-helper')

interface Ended {
  code: number | null
  signal: string | null
  lines: Record<string, unknown>[]
  stderr: string
}

async function request(bytes: Uint8Array): Promise<Ended> {
  const child = spawn(helper, ['files', String(process.pid)], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    env: {},
    timeout: 20_000,
    killSignal: 'SIGKILL',
  })
  let status = ''
  let stderr = ''
  child.stdio[4]?.on('data', (chunk: Buffer) => {
    status += chunk.toString('latin1')
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const input = child.stdio[3] as Writable
  input.on('error', () => undefined)
  input.end(bytes)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  const lines = status.split('\n').slice(0, -1)
  return { code, signal, stderr, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

function expectOrderly(ended: Ended): void {
  expect(ended.stderr).toBe('')
  expect(ended.signal).toBeNull()
  const last = ended.lines.at(-1) ?? {}
  if (ended.code === 0) expect(last.done).toBe(true)
  else {
    expect(ended.code).toBe(1)
    expect(last.failed).toMatchObject({ stage: expect.any(String), text: expect.any(String) })
  }
  expect(ended.lines.filter((line) => line.failed !== undefined || line.done !== undefined)).toHaveLength(1)
}

const part = fc.constantFrom('a', 'b', 'c', '.', '..', '', 'l', '\xff', 'x'.repeat(255), 'x'.repeat(256))
const path = fc.array(part, { maxLength: 5 }).map((parts) => parts.join('/'))
const ids = { uid: 0, gid: 0 }
const operation = fc
  .tuple(fc.nat(9), path, fc.oneof(path, fc.constant('../../outside'), fc.constant('/../..')), fc.nat(0o7777))
  .map(([kind, at, other, mode]): FileOperation => {
    const common = { path: at, ...ids, mtimeNs: BigInt(mode) ** 5n }
    switch (kind) {
      case 0:
        return { op: 'directory', ...common, mode }
      case 1:
        return { op: 'symlink', ...common, target: other }
      case 2:
        return { op: 'hardlink', path: at, target: other }
      case 3:
        return { op: 'whiteout', path: at }
      case 4:
        return { op: 'opaque', path: at }
      case 5:
        return { op: 'remove', path: at }
      case 6:
        return { op: 'mkdirs', path: at, mode, ...ids }
      case 7:
        return { op: 'node', ...common, type: 'fifo', major: 0, minor: 0, mode }
      case 8:
        return { op: 'owner', path: at, uid: mode, gid: 0 }
      default:
        return {
          op: 'file',
          ...common,
          mode,
          source: { bytes: Buffer.alloc(mode, other) },
          xattrs: [['user.a', Buffer.from(other, 'latin1')]],
        }
    }
  })

function encode(directory: string, operations: readonly FileOperation[], withEnd = true): Buffer {
  const encoder = new FileEncoder()
  encoder.target({ kind: 'directory', path: directory }, { reportLinks: true })
  for (const one of operations) encoder.operation(one)
  if (withEnd) encoder.end()
  return Buffer.concat(encoder.take())
}

/** Runs `body` beside a canary that must survive. */
async function beside(body: (directory: string) => Promise<void>): Promise<void> {
  await withDirectory(async (base) => {
    mkdirSync(join(base, 'target'))
    writeFileSync(join(base, 'outside'), 'canary')
    await body(join(base, 'target'))
    expect(readdirSync(base).sort()).toEqual(['outside', 'target'])
    expect(readFileSync(join(base, 'outside'), 'utf8')).toBe('canary')
  })
}

describe(`requests to ${helper === sanitized ? 'the sanitized helper' : 'the helper (no sanitizer build)'}`, () => {
  test('random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) =>
        expectOrderly(await request(bytes)),
      ),
      { numRuns: 60 },
    )
  })

  test('random operations', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 30 }), (operations) =>
        beside(async (directory) => expectOrderly(await request(encode(directory, operations)))),
      ),
      { numRuns: 100 },
    )
  })

  test('damaged requests', async () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { minLength: 1, maxLength: 10 }),
        damage,
        fc.nat(),
        (operations, changes, cut) =>
          beside(async (directory) => {
            const bytes = encode(directory, operations)
            // The target's own path stays: a damaged one could name a real directory.
            const safe = 4 + 1 + 8 + 4 + directory.length + 4
            for (const [at, value] of changes) bytes[safe + (at % (bytes.length - safe))] = value
            const kept = cut % 3 === 0 ? bytes.subarray(0, safe + (cut % (bytes.length - safe))) : bytes
            expectOrderly(await request(kept))
          }),
      ),
      { numRuns: 100 },
    )
  })

  test('a request without its end is a failure', async () => {
    await beside(async (directory) => {
      const ended = await request(
        encode(directory, [{ op: 'mkdirs', path: 'a', mode: 0o755, ...ids }], false),
      )
      expect(ended.code).toBe(1)
      expect(ended.lines.at(-1)?.failed).toMatchObject({ kind: 'request-cut' })
    })
  })

  test('a parent that is not the parent is refused', async () => {
    const child = spawn(helper, ['files', '1'], { stdio: 'ignore', env: {} })
    expect(await once(child, 'exit')).toEqual([3, null])
    const bare = spawn(helper, [], { stdio: 'ignore', env: {} })
    expect(await once(bare, 'exit')).toEqual([2, null])
  })
})
