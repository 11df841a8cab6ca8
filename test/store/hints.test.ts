// Hints: whole or not there, and nothing of them left by who was killed.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hintWriter, type WriteHint } from '../../src/store/hints.ts'
import { openContentStore } from '../../src/store/layout-store.ts'
import { tryLock } from '../../src/sys/lock.ts'
import { testNative } from '../sys/native.ts'

const native = testNative()
let root: string
let write: WriteHint
const ingest = (): string[] => readdirSync(join(root, 'ingest'))
const lockOfTemps = (shared: boolean) => tryLock(join(root, 'locks/ingest'), { native, shared })

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'slipway-hints-'))
  await openContentStore(root, native)
  write = hintWriter(root, native)
  mkdirSync(join(root, 'some'))
})
afterEach(() => rmSync(root, { recursive: true }))

describe('hintWriter', () => {
  const path = (): string => join(root, 'some/hint')

  it('replaces a file, which only its owner may read', () => {
    write(path(), 'first')
    write(path(), Buffer.from('second'))
    expect(readFileSync(path(), 'utf8')).toBe('second')
    expect(statSync(path()).mode & 0o777).toBe(0o600)
    expect(ingest()).toEqual([])
  })

  it('writes beside others that write, and nothing while somebody sweeps', async () => {
    {
      await using _other = await lockOfTemps(true)
      write(path(), 'beside')
    }
    {
      await using _sweep = await lockOfTemps(false)
      write(path(), 'swept away')
    }
    expect(readFileSync(path(), 'utf8')).toBe('beside')
    await using free = await lockOfTemps(false)
    expect(free).toBeDefined()
  })

  it('throws the errno of the disk and leaves nothing', () => {
    expect(() => write(join(root, 'none/hint'), 'x')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    expect(() => write(join(root, 'some'), 'x')).toThrow(expect.objectContaining({ code: 'EISDIR' }))
    expect(ingest()).toEqual([])
    rmSync(join(root, 'locks'), { recursive: true })
    expect(() => write(path(), 'x')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  })

  it('leaves a draft where the next one who opens the store removes it', async () => {
    writeFileSync(join(root, 'ingest/half'), 'ha')
    await openContentStore(root, native)
    expect(ingest()).toEqual([])
  })
})
