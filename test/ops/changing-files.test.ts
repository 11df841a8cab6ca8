// A file that is written to, replaced or taken away right before its bytes are read, or between two of its pieces: the
// build is told, and nobody gets the digest of two halves.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hashFiles } from '../../src/ops/copy/hash-files.ts'
import { localTree } from '../../src/ops/copy/local-tree.ts'
import type { SourceTree } from '../../src/ops/copy/source-tree.ts'
import type { Native } from '../../src/sys/native.ts'
import { testNative } from '../sys/native.ts'
import { writeTree } from './support/rig.ts'

/** Called before each piece of a file is read that is not read in one. */
const pieces = vi.hoisted(() => ({ before: (_nth: number): void => undefined }))
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>()
  const open: typeof fs.open = async (...args) => {
    const handle = await fs.open(...args)
    let nth = 0
    const read = (...what: unknown[]): unknown => {
      pieces.before(++nth)
      return Reflect.apply(handle.read, handle, what)
    }
    return new Proxy<FileHandle>(handle, {
      get: (_, key) => {
        if (key === 'read') return read
        const value: unknown = Reflect.get(handle, key, handle)
        return typeof value === 'function' ? value.bind(handle) : value
      },
    })
  }
  return { ...fs, open }
})

let context: string
let outside: string
beforeEach(() => {
  context = mkdtempSync(join(tmpdir(), 'slipway-changing-'))
  outside = mkdtempSync(join(tmpdir(), 'slipway-canary-'))
})
afterEach(() => {
  pieces.before = () => undefined
  for (const directory of [context, outside]) rmSync(directory, { recursive: true, force: true })
})

/** Lists the context, then digests and verifies its files; `change` happens right before the small ones are read. */
async function read(change: () => void): Promise<string> {
  const native = testNative()
  const addon = native.addon()
  const readFiles: typeof addon.readFiles = (items, into) => {
    change()
    return addon.readFiles(items, into)
  }
  const watched: Native = { ...native, addon: () => ({ ...addon, readFiles }) }
  const tree: SourceTree = localTree({ root: context, description: 'build context', native: watched })
  const top = await tree.find('', true)
  const entries = top === undefined ? [] : await tree.walk(top)
  try {
    await hashFiles(entries, { native: watched, signal: new AbortController().signal })
  } catch (thrown) {
    return `digest: ${(thrown as { code?: string }).code} ${(thrown as Error).message}`
  }
  try {
    await tree.verify(entries)
  } catch (thrown) {
    return `verify: ${(thrown as { code?: string }).code} ${(thrown as Error).message}`
  }
  return 'good'
}

const file = (): string => join(context, 'd/f')
const changes: readonly (readonly [how: string, by: 'digest' | 'verify', change: () => void])[] = [
  ['grows', 'digest', () => appendFileSync(file(), 'more')],
  ['shrinks', 'digest', () => truncateSync(file(), 1)],
  ['is emptied', 'digest', () => truncateSync(file(), 0)],
  // Read whole, but it is not what was listed.
  ['is overwritten', 'verify', () => writeFileSync(file(), 'B', { flag: 'r+' })],
  [
    'is replaced by one of the same size and times',
    'digest',
    () => {
      writeTree(context, { 'd/new': 'text' })
      renameSync(join(context, 'd/new'), file())
    },
  ],
  ['disappears', 'digest', () => unlinkSync(file())],
  [
    'becomes a pipe',
    'digest',
    () => {
      unlinkSync(file())
      execFileSync('mkfifo', [file()])
    },
  ],
  [
    'becomes a link to itself elsewhere',
    'digest',
    () => {
      linkSync(file(), join(outside, 'f'))
      unlinkSync(file())
      symlinkSync(join(outside, 'f'), file())
    },
  ],
  [
    'is behind a link',
    'digest',
    () => {
      renameSync(join(context, 'd'), join(outside, 'd'))
      symlinkSync(join(outside, 'd'), join(context, 'd'))
    },
  ],
  [
    'becomes a directory',
    'digest',
    () => {
      unlinkSync(file())
      mkdirSync(file())
    },
  ],
]

describe('a small file', () => {
  beforeEach(() => writeTree(context, { 'd/f': 'text', 'd/other': 'o' }))

  it.each(changes)('that %s', async (_, by, change) => {
    expect(await read(change)).toMatch(new RegExp(`^${by}: ERR_CONTEXT_CHANGED .*"d/f"`))
  })

  it('that nobody touches', async () => {
    expect(await read(() => undefined)).toBe('good')
  })
})

describe('a large file, between its pieces', () => {
  const size = 5 << 20
  beforeEach(() => writeTree(context, { 'd/f': 'A'.repeat(size) }))

  const once = (nth: number, change: () => void): void => {
    pieces.before = (n) => {
      if (n === nth) change()
    }
  }
  it.each([1, 3, 5, 6])('that changes before the read number %d', async (nth) => {
    for (const [how, change] of [
      ['grows', () => appendFileSync(file(), 'more')],
      ['shrinks', () => truncateSync(file(), 100)],
      [
        'shrinks and grows',
        () => {
          for (const length of [100, size]) truncateSync(file(), length)
        },
      ],
      ['is overwritten', () => writeFileSync(file(), 'B', { flag: 'r+' })],
    ] as const) {
      rmSync(context, { recursive: true })
      writeTree(context, { 'd/f': 'A'.repeat(size) })
      once(nth, change)
      expect([how, await read(() => undefined)]).toEqual([
        how,
        'digest: ERR_CONTEXT_CHANGED read "d/f": the file changed during the build',
      ])
    }
  })

  it('that grows as fast as it is read', async () => {
    let reads = 0
    pieces.before = () => {
      reads++
      appendFileSync(file(), Buffer.alloc(1 << 20))
    }
    expect(await read(() => undefined)).toMatch(/^digest: ERR_CONTEXT_CHANGED /)
    expect(reads).toBeGreaterThan(1)
    expect(reads).toBeLessThan(10)
  })

  it('that nobody touches', async () => {
    expect(await read(() => undefined)).toBe('good')
  })
})
