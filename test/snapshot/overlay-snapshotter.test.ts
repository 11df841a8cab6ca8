import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openOverlaySnapshotter } from '../../src/snapshot/overlay-snapshotter.ts'
import { removeTree } from '../../src/snapshot/remove-tree.ts'
import { describeSnapshotter } from '../contract/snapshotter.ts'
import { dist, isRoot, testNative } from '../sys/native.ts'

const native = testNative()
const never = new AbortController().signal

let base: string
let root: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'slipway-snapshots-'))
  root = join(base, 'store')
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const leftovers = (): string[] => readdirSync(join(root, 'active'))

for (const copies of [false, true]) {
  describeSnapshotter(`the overlay snapshotter${copies ? ' that copies' : ''}`, async () => {
    const snapshotter = await openOverlaySnapshotter(root, native, { copies })
    return {
      snapshotter,
      again: () => openOverlaySnapshotter(root, native, { copies }),
      async leftovers() {
        await snapshotter.flush()
        await snapshotter[Symbol.asyncDispose]()
        return leftovers()
      },
      close: async () => undefined,
    }
  })
}

describe('other processes', () => {
  let program: string
  beforeAll(() => {
    program = join(mkdtempSync(join(tmpdir(), 'slipway-peer-')), 'peer.cjs')
    const source = new URL('peer.ts', import.meta.url).pathname
    buildSync({ entryPoints: [source], bundle: true, platform: 'node', target: 'node20', outfile: program })
  })
  afterAll(() => rmSync(join(program, '..'), { recursive: true, force: true }))

  const peer = (mode: string): ChildProcess => fork(program, [root, dist, mode, join(base, 'log')])

  test('several make one layer once', async () => {
    writeFileSync(join(base, 'log'), '')
    await openOverlaySnapshotter(root, native)
    const peers = [peer('make'), peer('make'), peer('make')]
    await Promise.all(peers.map((child) => once(child, 'exit')))
    expect(execFileSync('cat', [join(base, 'log')]).toString()).toBe('made\n')
    expect(leftovers()).toEqual([])
  })

  test('a killed one leaves nothing visible, its lock is free, and its remains are swept', async () => {
    const mine = await openOverlaySnapshotter(root, native)
    const child = peer('hang')
    await once(child, 'message')
    expect(await mine.has('shared')).toBe(false)
    // While it lives nobody touches its work.
    await mine.sweep()
    // The directory and its lock. Of another one there is only the lock.
    expect(readdirSync(join(root, 'active'))).toHaveLength(2)
    writeFileSync(join(root, 'active', `${'a'.repeat(32)}.lock`), '')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await mine.has('shared')).toBe(false)
    await mine.ensure('shared', never, async (active) => writeFileSync(`${active.upper}/file`, 'by me'))
    expect(await mine.has('shared')).toBe(true)
    await (await openOverlaySnapshotter(root, native)).sweep()
    expect(leftovers()).toEqual([])
  })
})

describe('power cuts', () => {
  test('a snapshot not yet synced counts only until the machine goes down', async () => {
    const snapshotter = await openOverlaySnapshotter(root, native)
    await snapshotter.ensure('base', never, async (active) => writeFileSync(`${active.upper}/f`, 'x'))
    const mark = join(root, 'snapshots/base/unsynced')
    expect(await snapshotter.has('base')).toBe(true)
    // As if it had been made before the last boot.
    unlinkSync(mark)
    symlinkSync('another-boot', mark)
    expect(await snapshotter.has('base')).toBe(false)
    let runs = 0
    await snapshotter.ensure('base', never, async () => void runs++)
    expect(runs).toBe(1)
    expect(await snapshotter.has('base')).toBe(true)
    await snapshotter.flush()
    expect(existsSync(mark)).toBe(false)
  })

  test('whoever relies on another process’s unsynced snapshot makes it durable', async () => {
    await (await openOverlaySnapshotter(root, native)).ensure('base', never, async () => undefined)
    const other = await openOverlaySnapshotter(root, native)
    await other.has('base')
    await other.flush()
    expect(readdirSync(join(root, 'snapshots/base'))).toEqual(['fs'])
  })

  test('doubtful snapshots are swept', async () => {
    const snapshotter = await openOverlaySnapshotter(root, native)
    await snapshotter.ensure('base', never, async () => undefined)
    unlinkSync(join(root, 'snapshots/base/unsynced'))
    symlinkSync('another-boot', join(root, 'snapshots/base/unsynced'))
    await (await openOverlaySnapshotter(root, native)).sweep()
    expect(readdirSync(join(root, 'snapshots'))).toEqual([])
  })

  test('the first layer after the machine came up sweeps them, later ones need not look', async () => {
    const doubt = async (): Promise<void> => {
      await (await openOverlaySnapshotter(root, native)).ensure('base', never, async () => undefined)
      unlinkSync(join(root, 'snapshots/base/unsynced'))
      symlinkSync('another-boot', join(root, 'snapshots/base/unsynced'))
    }
    const prepare = async (): Promise<void> => {
      await using _active = await (await openOverlaySnapshotter(root, native)).prepare([])
    }
    await doubt()
    await prepare()
    expect(readdirSync(join(root, 'snapshots'))).toEqual(['base'])
    expect(await (await openOverlaySnapshotter(root, native)).has('base')).toBe(false)
    unlinkSync(join(root, 'locks/swept'))
    symlinkSync('another-boot', join(root, 'locks/swept'))
    await prepare()
    expect(readdirSync(join(root, 'snapshots'))).toEqual([])
    await doubt()
    await prepare()
    expect(readdirSync(join(root, 'snapshots'))).toEqual(['base'])
  })
})

describe('directories', () => {
  test('nobody else can look inside, and the root of a layer carries on what the one below has', async () => {
    const snapshotter = await openOverlaySnapshotter(root, native)
    for (const name of ['snapshots', 'active', 'locks'])
      expect(lstatSync(join(root, name)).mode & 0o777).toBe(0o700)
    await using first = await snapshotter.prepare([])
    expect(lstatSync(first.upper).mode & 0o7777).toBe(0o755)
    execFileSync('chmod', ['1711', first.upper])
    const id = await first.commit()
    await using second = await snapshotter.prepare([id])
    expect(lstatSync(second.upper).mode & 0o7777).toBe(0o1711)
  })

  test.skipIf(!isRoot)('an overlay’s work directory and odd files are removed (needs root)', async () => {
    const snapshotter = await openOverlaySnapshotter(root, native)
    await using active = await snapshotter.prepare([])
    const script = `mkdir -p ${base}/m ${base}/l && mount -t overlay o -o lowerdir=${base}/l,upperdir=${active.upper},workdir=${active.work} ${base}/m && cd ${base}/m && touch a && mkfifo p && mknod c c 1 3 && mkdir -m 0 locked && ln -s / up`
    execFileSync('unshare', ['-m', 'sh', '-c', script])
    const id = await active.commit()
    await snapshotter.remove(id)
    await snapshotter.flush()
    expect(leftovers()).toEqual([])
    expect(readdirSync(join(root, 'snapshots'))).toEqual([])
  })

  test('trees deeper than any path may be long are removed', async () => {
    const deep = join(base, 'deep')
    mkdirSync(deep)
    const name = 'n'.repeat(200)
    execFileSync(
      'bash',
      ['-ec', `for i in $(seq 1 100); do mkdir ${name} y; touch y/f; cd ./${name}; done; touch leaf`],
      { cwd: deep },
    )
    await removeTree(deep)
    expect(existsSync(deep)).toBe(false)
    await removeTree(deep)
  })
})

describe('directories that serve one layer after the other', () => {
  test('show nothing of the one before but what it kept', async () => {
    await using snapshotter = await openOverlaySnapshotter(root, native)
    const work = async (parents: readonly string[] = []): Promise<string> => {
      await using active = await snapshotter.prepare(parents)
      expect(readdirSync(active.upper)).toEqual([])
      expect(readdirSync(active.work).filter((name) => name !== 'kept')).toEqual([])
      mkdirSync(join(active.work, 'kept/by'), { recursive: true })
      mkdirSync(join(active.work, 'gone/with'), { recursive: true })
      writeFileSync(join(active.work, 'log'), '')
      writeFileSync(join(active.upper, 'file'), '')
      execFileSync('chmod', ['1711', active.upper])
      await active.commit()
      return active.work
    }
    const first = await work()
    await snapshotter.flush()
    expect(readdirSync(first)).toEqual(['kept'])
    expect(await work()).toBe(first)
    await snapshotter.flush()
    await using third = await snapshotter.prepare([])
    expect(third.work).toBe(first)
    expect(readdirSync(join(third.work, 'kept'))).toEqual(['by'])
    expect(lstatSync(third.upper).mode & 0o7777).toBe(0o755)
    // Two at the same time have two.
    await using fourth = await snapshotter.prepare([])
    expect(fourth.work).not.toBe(first)
  })

  test('are not those of a layer that was not committed, or whose maker is not done with it', async () => {
    await using snapshotter = await openOverlaySnapshotter(root, native)
    const failed = await snapshotter.prepare([])
    await failed[Symbol.asyncDispose]()
    expect(leftovers()).toEqual([])
    const held = await snapshotter.prepare([])
    await held.commit()
    await snapshotter.flush()
    expect(leftovers()).toEqual([])
    await held[Symbol.asyncDispose]()
    await using next = await snapshotter.prepare([])
    expect([failed.work, held.work]).not.toContain(next.work)
  })

  test('are out of reach for whoever had them before', async () => {
    await using snapshotter = await openOverlaySnapshotter(root, native)
    const first = await snapshotter.prepare([])
    await first.commit()
    await first[Symbol.asyncDispose]()
    await snapshotter.flush()
    await first[Symbol.asyncDispose]()
    await using second = await snapshotter.prepare([])
    expect(second.work).toBe(first.work)
    await first[Symbol.asyncDispose]()
    await expect(first.commit('late')).rejects.toThrow('only before it is disposed')
    expect(await snapshotter.has('late')).toBe(false)
    writeFileSync(join(second.upper, 'file'), '')
    expect(readdirSync(snapshotter.path(await second.commit()))).toEqual(['file'])
  })

  test('are locked all the time, and go with the snapshotter', async () => {
    const snapshotter = await openOverlaySnapshotter(root, native)
    {
      await using active = await snapshotter.prepare([])
      await active.commit()
    }
    await snapshotter.flush()
    await (await openOverlaySnapshotter(root, native)).sweep()
    expect(leftovers()).toHaveLength(2)
    await snapshotter[Symbol.asyncDispose]()
    expect(leftovers()).toEqual([])
    // What ends later goes, too.
    {
      await using active = await snapshotter.prepare([])
      await active.commit()
    }
    await snapshotter.flush()
    expect(leftovers()).toEqual([])
  })
})
