// Where the bytes of copied files are: on file systems that can share them a copy takes no space, on others it is a true copy.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FileSystem, type LoopMount, loopMount, missingMount } from './support/loop-mount.ts'
import { missing, tool, type Workspace, workspace } from './support/slipway.ts'

const scratch = mkdtempSync(join(tmpdir(), 'slipway-reflink-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const fileBytes = 24 << 20

describe.each<readonly [FileSystem, boolean]>([
  ['xfs', true],
  ['btrfs', true],
  ['ext4', false],
])('copies on %s', (kind, shares) => {
  const needed = missing('filefrag') ?? missingMount(kind, scratch)
  const skipped = needed === undefined ? '' : ` (needs ${needed})`
  let mount: LoopMount
  let ws: Workspace
  let context: string
  const content = randomBytes(fileBytes)

  beforeEach(() => {
    mount = loopMount(kind, scratch)
    ws = workspace({ SLIPWAY_ROOT: join(mount.path, 'state') })
    context = join(mount.path, 'context')
    tool('mkdir', ['-p', join(context, 'd')])
    writeFileSync(join(context, 'big'), content)
    writeFileSync(join(context, 'd/small'), content.subarray(0, 5000))
    writeFileSync(join(context, 'd/tiny'), 'x')
  })

  afterEach(() => {
    ws?.[Symbol.dispose]()
    mount?.[Symbol.dispose]()
  })

  /** How many more bytes the file system has in use after `act`. */
  function grownBy(act: () => void): number {
    const used = (): number => {
      tool('sync', ['-f', mount.path])
      const { blocks, bfree, bsize } = statfsSync(mount.path)
      return (blocks - bfree) * bsize
    }
    const before = used()
    act()
    return used() - before
  }

  /** Where on the device the file is. */
  function extents(path: string): string[] {
    return Array.from(
      tool('filefrag', ['-v', path]).matchAll(/^ *\d+: +(\d+\.\. +\d+): +(\d+\.\. +\d+):/gm),
      ([, , physical = '']) => physical.replaceAll(' ', ''),
    )
  }

  function inSnapshots(name: string): string[] {
    const directory = join(mount.path, 'state/store-v1/snapshots')
    return readdirSync(directory)
      .map((id) => join(directory, id, 'fs', name))
      .filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)
  }

  const build = (dockerfile: string, ...args: readonly string[]): void => {
    writeFileSync(join(context, 'Dockerfile'), dockerfile)
    writeFileSync(join(context, '.dockerignore'), 'Dockerfile\n.dockerignore\n')
    ws.ok('build', ...args, context)
  }

  const slack = 6 << 20

  it.skipIf(needed !== undefined)(`into a first layer, onto other layers and out of stages${skipped}`, () => {
    const dest = join(mount.path, 'out')
    const grown = grownBy(() =>
      build(
        [
          'FROM scratch AS a',
          'COPY big /first',
          // Onto a layer, through a link of it, in place of a file of it, with a mode and an owner.
          'COPY d /d',
          'COPY big /d/second',
          'COPY --chmod=640 --chown=3:4 big /first',
          'ADD big /third/',
          'FROM scratch',
          'COPY d /',
          'COPY --from=a /d/second /third/big /',
          'COPY --link big /linked',
          '',
        ].join('\n'),
        '-o',
        `type=local,dest=${dest}`,
      ),
    )
    for (const name of ['second', 'big', 'linked']) {
      expect(readFileSync(join(dest, name)).equals(content), name).toBe(true)
    }
    expect(readFileSync(join(dest, 'small')).equals(content.subarray(0, 5000))).toBe(true)
    const [first = '', replaced = ''] = inSnapshots('first').toSorted(
      (a, b) => statSync(a).uid - statSync(b).uid,
    )
    expect([statSync(first).mode & 0o777, statSync(replaced).mode & 0o777, statSync(replaced).gid]).toEqual([
      0o644, 0o640, 4,
    ])
    const copies = [
      first,
      replaced,
      ...inSnapshots('d/second'),
      ...inSnapshots('third/big'),
      ...['second', 'big', 'linked'].map((name) => join(dest, name)),
    ]
    expect(copies).toHaveLength(7)
    const own = extents(join(context, 'big'))
    expect(own).not.toEqual([])
    if (shares) {
      for (const copy of copies) expect(extents(copy), copy).toEqual(own)
      expect(grown).toBeLessThan(slack)
    } else expect(grown).toBeGreaterThan(copies.length * fileBytes)
  })

  it.skipIf(needed !== undefined)(
    `leaves holes and what is written afterwards to each copy alone${skipped}`,
    () => {
      tool('truncate', ['-s', '200M', join(context, 'sparse')])
      const grown = grownBy(() =>
        build('FROM scratch\nCOPY d /\nCOPY big sparse /\n', '-o', `type=local,dest=${mount.path}/out`),
      )
      expect(grown).toBeLessThan((shares ? 0 : 2 * fileBytes) + slack)
      expect(statSync(join(mount.path, 'out/sparse')).size).toBe(200 << 20)
      writeFileSync(join(context, 'big'), 'changed', { flag: 'r+' })
      for (const copy of [join(mount.path, 'out/big'), ...inSnapshots('big')]) {
        expect(readFileSync(copy).equals(content), copy).toBe(true)
      }
    },
  )
})
