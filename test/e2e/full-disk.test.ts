// A build that runs out of blocks, inodes or quota, at every write it makes: each time one clear error, a store in which
// everything is whole, commands that still look at it and make room, and a build that succeeds when there is room.
// SLIPWAY_FULL_DISK_STEP is by how much more is left each time (1: nothing is left out); SLIPWAY_FULL_DISK_START with how
// much the first begins.
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { type FileSystem, loopMount, missingMount } from './support/loop-mount.ts'
import { missing, tool, type Workspace, workspace } from './support/slipway.ts'

const step = Number(process.env.SLIPWAY_FULL_DISK_STEP ?? 13)
const start = Number(process.env.SLIPWAY_FULL_DISK_START ?? Math.floor(Date.now() / 1000) % step)
const scratch = mkdtempSync(join(tmpdir(), 'slipway-full-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Something of which there is only so much. */
interface Scarcity {
  readonly kind: FileSystem
  readonly flags: readonly string[]
  /** Where in the file system it holds. */
  prepare(mount: string): string
  /** Postcondition: so much can still be had. */
  leave(mount: string, left: number): void
  release(mount: string): void
  /** In how many the file system gives it away. */
  readonly stride: number
}

const blocks: Scarcity = {
  kind: 'ext4',
  stride: 1,
  flags: ['-m', '0', '-b', '4096'],
  prepare: (mount) => mount,
  leave(mount, left) {
    const free = statfsSync(mount).bavail - left - 16
    if (free > 0) tool('fallocate', ['-l', String(free * 4096), join(mount, 'filler')])
    for (let more = 0; statfsSync(mount).bavail > left; more++) {
      tool('fallocate', ['-l', '4096', join(mount, `filler-${more}`)])
    }
  },
  release: (mount) => void tool('sh', ['-c', `rm -f ${mount}/filler*`]),
}

const inodes: Scarcity = {
  kind: 'ext4',
  stride: 1,
  flags: ['-m', '0', '-b', '4096', '-N', '6000'],
  prepare: (mount) => mount,
  leave(mount, left) {
    mkdirSync(join(mount, 'filler'))
    for (let made = 0; statfsSync(mount).ffree > left; made++) {
      closeSync(openSync(join(mount, 'filler', String(made)), 'w'))
    }
  },
  release: (mount) => rmSync(join(mount, 'filler'), { recursive: true, force: true }),
}

const quota: Scarcity = {
  kind: 'btrfs',
  // Nodes of its trees have 16 KiB.
  stride: 4,
  flags: [],
  prepare(mount) {
    tool('btrfs', ['subvolume', 'create', join(mount, 'limited')])
    tool('btrfs', ['quota', 'enable', mount])
    return join(mount, 'limited')
  },
  leave(mount, left) {
    tool('btrfs', ['filesystem', 'sync', mount])
    const used = /^0\/2\d\d\s+(\d+)/m.exec(tool('btrfs', ['qgroup', 'show', '--raw', mount]))?.[1]
    // With less than a few nodes of its trees left btrfs does not take the limit away again.
    tool('btrfs', ['qgroup', 'limit', String(Number(used) + (left + 8) * 4096), join(mount, 'limited')])
  },
  release(mount) {
    // What was not written down yet counts, even here.
    tool('btrfs', ['filesystem', 'sync', mount])
    tool('btrfs', ['qgroup', 'limit', 'none', join(mount, 'limited')])
  },
}

describe.each([
  ['blocks', blocks, 40 << 20],
  ['inodes', inodes, 60 << 20],
  ['quota', quota, 200 << 20],
] as const)('a disk without %s', (_what, scarcity, sizeBytes) => {
  const programs = missing('busybox', 'fallocate', ...(scarcity === quota ? ['btrfs'] : []))
  const needed = programs ?? missingMount(scarcity.kind, scratch)

  it.skipIf(needed !== undefined)(
    `ends a build in one error, at whatever it lacks (needs ${needed ?? 'nothing more'})`,
    () => {
      using mounted = loopMount(scarcity.kind, scratch, { sizeBytes, flags: scarcity.flags })
      const place = scarcity.prepare(mounted.path)
      using origin = workspace()
      imageFromTar(origin, 'base', busyboxTar())
      // What is unpacked already need not be written each time.
      origin.ok('build', '-q', origin.context('warm', { Dockerfile: 'FROM base\nRUN true\n' }))
      using ws = workspace({ SLIPWAY_ROOT: join(place, 'state'), SLIPWAY_GC: 'off' })
      const context = ws.context('project', {
        Dockerfile:
          'FROM base\nRUN echo one > /one\nCOPY files /files\nRUN mkdir /two && cat /one /files/a > /two/b\n',
        'files/a': 'a\n',
        'files/b': 'b'.repeat(20_000),
      })
      let isEnough = false
      let refused = 0
      for (let left = start; !isEnough; left += step * scarcity.stride) {
        rmSync(ws.root, { recursive: true, force: true })
        tool('cp', ['-a', '--reflink=never', origin.root, ws.root])
        scarcity.leave(mounted.path, left)
        try {
          isEnough = attempt(ws, context, left)
          if (!isEnough) refused++
        } finally {
          scarcity.release(mounted.path)
        }
        succeed(ws, context)
      }
      expect(refused).toBeGreaterThan(0)
    },
    3_600_000,
  )
})

/** A build with too little room; whether it had enough. */
function attempt(ws: Workspace, context: string, left: number): boolean {
  const { status, stderr } = ws.slipway('build', '--progress=plain', '-t', 'scarce', context)
  const errors = stderr.split('\n').filter((line) => line.startsWith('ERROR: '))
  const said = `with ${left} left: ${stderr}`
  expect([0, 1], said).toContain(status)
  expect(stderr, said).not.toMatch(/^ {4}at /m)
  if (status === 1) {
    expect(errors, said).toHaveLength(1)
    expect(stderr, said).toMatch(/no space left on device|disk quota exceeded/i)
  } else {
    expect(ws.ok('inspect', 'scarce').stdout, said).toContain('"Id"')
  }
  expect(ws.ok('store', 'verify').stdout, said).toMatch(/^\d images?, 0 problems\n$/)
  expect(ws.ok('images').stdout, said).toMatch(/^base /m)
  expect(ws.ok('du').stdout, said).toMatch(/^Total: /m)
  const pruned = ws.slipway('prune', '--force', '--all')
  expect([pruned.status, pruned.stderr], said).toEqual([0, ''])
  return status === 0
}

function succeed(ws: Workspace, context: string): void {
  ws.ok('build', '-q', '-t', 'scarce', context)
  expect(ws.ok('run', '--rm', 'scarce', 'cat', '/two/b').stdout).toBe('one\na\n')
  expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
}
