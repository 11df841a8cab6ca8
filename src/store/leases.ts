// What a running command uses of a store, written down so that no collector takes it away. `leases/<random>` lists it,
// locked by its process: a lock dies with its process, whatever the clock says. The names are written while nobody
// removes anything (the gate), so who looks for a thing after naming it finds it, or finds it gone, for good.
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { type Digest, hexOf } from '../core/digest.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { type Lock, tryLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'
import type { LayoutPaths } from './layout-paths.ts'
import { ifUnlocked } from './locks.ts'
import { storageFailure } from './storage-failure.ts'

/** A thing that can be collected: a snapshot by its id, or a blob by its hex digest. */
export type Part = `snapshot:${string}` | `blob:${string}`

/** The part that is a snapshot. */
export function snapshotPart(id: string): Part {
  return `snapshot:${id}`
}

/** The part that is a blob. */
export function blobPart(digest: Digest): Part {
  return `blob:${hexOf(digest)}`
}

/** Postcondition: until the command ends or dies, whichever of the parts are there now stay. */
export type Pin = (parts: readonly Part[]) => void

export interface Lease extends AsyncDisposable {
  readonly pin: Pin
}

/** The lease of this command on a store; its file is made when something is pinned for the first time. */
export function openLease(paths: LayoutPaths, native: Native, gateMs = 20_000): Lease {
  const pinned = new Set<Part>()
  let held: HeldLease | undefined
  let isReadOnly = false
  return {
    pin(parts) {
      const fresh = parts.filter((part) => !pinned.has(part))
      if (fresh.length === 0 || isReadOnly) return
      try {
        held ??= makeLease(paths, native)
        const text = fresh.map((part) => `${part}\n`).join('')
        // Waits for as long as somebody removes what was chosen before: the time of a few hundred renames.
        passGate(held.gate, { paths, native, gateMs })
        try {
          writeAll(held.fd, text)
        } finally {
          native.addon().flock(held.gate, unlock, false)
        }
      } catch (thrown) {
        // Who may not write here only reads; nothing is kept for readers of a store that is somebody else's.
        isReadOnly = ['EROFS', 'EACCES', 'EPERM'].includes(errnoOf(thrown) ?? '')
        if (!isReadOnly) throw storageFailure('write', paths.leases, thrown)
        return
      }
      for (const part of fresh) pinned.add(part)
    },
    async [Symbol.asyncDispose]() {
      if (held === undefined) return
      const { fd, gate, path } = held
      held = undefined
      // Whoever collects now chose without what this command has published meanwhile: its names have to stay that long.
      const quiet = await tryLock(paths.collectLock, { native, shared: true }).catch(() => undefined)
      if (quiet !== undefined) removeIfThere(path)
      closeSync(fd)
      closeSync(gate)
      await quiet?.[Symbol.asyncDispose]()
    },
  }
}

const shared = 0
const exclusive = 1
const unlock = 2

interface GateOptions {
  readonly paths: LayoutPaths
  readonly native: Native
  /** Longer than any removal keeps the gate: whoever has it still was stopped (Ctrl-Z), and would be waited for in vain. */
  readonly gateMs: number
}

const longestPauseMs = 20

/** On this thread, as all of `pin` is: signals are not heard meanwhile, so that it must end. Throws ERR_LOCK_FAILED. */
function passGate(gate: number, { paths, native, gateMs }: GateOptions): void {
  const limit = performance.now() + gateMs
  for (let pauseMs = 1; !native.addon().flock(gate, shared, false); ) {
    if (performance.now() > limit) {
      throw new SlipwayError({
        code: 'ERR_LOCK_FAILED',
        message: `lock ${paths.gateLock}: another slipway has held it for ${gateMs / 1000} s`,
        hint: 'is there a stopped slipway prune or build? let it go on (fg), or end it',
        data: { path: paths.gateLock },
      })
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
    pauseMs = Math.min(2 * pauseMs, longestPauseMs)
  }
}

interface HeldLease {
  readonly path: string
  readonly fd: number
  readonly gate: number
}

function makeLease(paths: LayoutPaths, native: Native): HeldLease {
  for (;;) {
    const path = `${paths.leases}/${randomBytes(16).toString('hex')}`
    const fd = openNew(path)
    // A collector may have taken the file, which nobody had locked yet, for a dead command's.
    if (native.addon().flock(fd, exclusive, false) && fstatSync(fd).nlink > 0) {
      try {
        return { path, fd, gate: openSync(paths.gateLock, 'a', 0o600) }
      } catch (thrown) {
        closeSync(fd)
        removeIfThere(path)
        throw thrown
      }
    }
    closeSync(fd)
  }
}

function openNew(path: string): number {
  try {
    return openSync(path, 'ax', 0o600)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown
    // Stores of before have no such directory.
    mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true, mode: 0o700 })
    return openSync(path, 'ax', 0o600)
  }
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
}

/** Everything that commands have pinned which run, or have ended since `dropDeadLeases`. The caller holds the gate. */
export function readPins(paths: LayoutPaths): Set<Part> {
  const pins = new Set<Part>()
  for (const name of leaseNames(paths)) {
    const text = readIfThere(`${paths.leases}/${name}`)
    // Behind the last end of a line is nothing, or what a full disk has cut off.
    for (const part of text.split('\n').slice(0, -1)) pins.add(part as Part)
  }
  return pins
}

/** Removes the leases of commands that have died. The caller is the only collector, and has chosen nothing yet. */
export async function dropDeadLeases(paths: LayoutPaths, native: Native): Promise<void> {
  for (const name of leaseNames(paths)) {
    const path = `${paths.leases}/${name}`
    await ifUnlocked(native, path, async () => removeIfThere(path))
  }
}

/** Keeps other collectors out; undefined when there is one. While it is held, no lease of a command that ends is removed. */
export async function tryCollect(paths: LayoutPaths, native: Native): Promise<Lock | undefined> {
  return await tryLock(paths.collectLock, { native })
}

function leaseNames(paths: LayoutPaths): readonly string[] {
  try {
    return readdirSync(paths.leases)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw storageFailure('list', paths.leases, thrown)
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return ''
    throw storageFailure('read', path, thrown)
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw storageFailure('remove', path, thrown)
  }
}
