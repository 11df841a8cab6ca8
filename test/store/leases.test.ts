import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LayoutPaths, layoutPaths } from '../../src/store/layout-paths.ts'
import { dropDeadLeases, openLease, readPins, tryCollect } from '../../src/store/leases.ts'
import { testNative } from '../sys/native.ts'

const native = testNative()
let root: string
let paths: LayoutPaths
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'slipway-leases-'))
  paths = layoutPaths(root)
  mkdirSync(paths.locks)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('a lease', () => {
  it('makes nothing before something is pinned', async () => {
    const lease = openLease(paths, native)
    await lease[Symbol.asyncDispose]()
    expect(readdirSync(root)).toEqual(['locks'])
  })

  it('names what is pinned until it ends', async () => {
    const [one, other] = [openLease(paths, native), openLease(paths, native)]
    one.pin(['snapshot:a', 'blob:b'])
    one.pin(['snapshot:a'])
    other.pin(['blob:c'])
    await dropDeadLeases(paths, native)
    expect([...readPins(paths)].sort()).toEqual(['blob:b', 'blob:c', 'snapshot:a'])
    await one[Symbol.asyncDispose]()
    expect([...readPins(paths)]).toEqual(['blob:c'])
    await other[Symbol.asyncDispose]()
    expect(readdirSync(paths.leases)).toEqual([])
  })

  it('waits for no gate that is never opened, and pins when it is', () => {
    const gate = openSync(paths.gateLock, 'a', 0o600)
    try {
      expect(native.addon().flock(gate, 1, false)).toBe(true)
      const lease = openLease(paths, native, 1)
      expect(() => lease.pin(['snapshot:a'])).toThrow(expect.objectContaining({ code: 'ERR_LOCK_FAILED' }))
      expect([...readPins(paths)]).toEqual([])
      native.addon().flock(gate, 2, false)
      lease.pin(['snapshot:a'])
      expect([...readPins(paths)]).toEqual(['snapshot:a'])
    } finally {
      closeSync(gate)
    }
  })

  it('of a dead command counts until somebody begins to collect; a line cut off names nothing', async () => {
    mkdirSync(paths.leases)
    writeFileSync(`${paths.leases}/dead`, 'snapshot:a\nsnapshot:b\nsnapsh')
    expect([...readPins(paths)]).toEqual(['snapshot:a', 'snapshot:b'])
    await dropDeadLeases(paths, native)
    expect([...readPins(paths)]).toEqual([])
  })

  it('that ends while somebody collects keeps its names until the next one begins', async () => {
    const lease = openLease(paths, native)
    lease.pin(['snapshot:a'])
    const collecting = await tryCollect(paths, native)
    expect(await tryCollect(paths, native)).toBeUndefined()
    await lease[Symbol.asyncDispose]()
    expect([...readPins(paths)]).toEqual(['snapshot:a'])
    await collecting?.[Symbol.asyncDispose]()
    await dropDeadLeases(paths, native)
    expect(readdirSync(paths.leases)).toEqual([])
  })
})
