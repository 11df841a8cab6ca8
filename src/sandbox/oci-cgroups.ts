// The cgroups of runtimes that insist on making some: each has a lock file with its name, so that those of a killed
// slipway are recognised and removed. Their processes are gone by then: they die with the pid namespace.
import { mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf } from '../core/error.ts'
import { acquireLock, type Lock, tryLock } from '../sys/lock.ts'
import type { Native } from '../sys/native.ts'

export interface RuntimeCgroup extends AsyncDisposable {
  /** For `linux.cgroupsPath`. */
  readonly path: string
}

export interface RuntimeCgroups {
  /** Takes the name `id` for a cgroup; disposing removes what was made under it. The first one also removes what dead processes left. */
  name(id: string): Promise<RuntimeCgroup>
}

const idPattern = /^slipway-[0-9a-f]{16}$/

/** The cgroups noted in `directory`, which is made when missing. */
export function openRuntimeCgroups(directory: string, native: Native): RuntimeCgroups {
  let swept: Promise<void> | undefined
  return {
    async name(id) {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      swept ??= sweep(directory, native)
      await swept
      const note = join(directory, id)
      const lock = await acquireLock(note, { native, signal: new AbortController().signal })
      return {
        path: `/${id}`,
        async [Symbol.asyncDispose]() {
          await clear(id, note, lock)
        },
      }
    },
  }
}

async function sweep(directory: string, native: Native): Promise<void> {
  for (const id of readdirSync(directory).filter((name) => idPattern.test(name))) {
    const note = join(directory, id)
    const lock = await tryLock(note, { native })
    if (lock === undefined) continue
    await clear(id, note, lock)
  }
}

/** A note stays with a cgroup that does, for a later process to find. */
async function clear(id: string, note: string, held: Lock): Promise<void> {
  await using _lock = held
  if (await removeCgroups(id)) unlinkSync(note)
}

/** Of every hierarchy; false when one is left. A cgroup stays busy for a moment after its last process was killed. */
async function removeCgroups(id: string): Promise<boolean> {
  let areRemoved = true
  for (const hierarchy of hierarchies()) {
    const path = join(hierarchy, id)
    let isGone = isRemoved(path)
    for (let tries = 0; tries < 50 && !isGone; tries++) {
      await sleep(10)
      isGone = isRemoved(path)
    }
    areRemoved &&= isGone
  }
  return areRemoved
}

function hierarchies(): string[] {
  const top = '/sys/fs/cgroup'
  try {
    const names = readdirSync(top, { withFileTypes: true })
    return [top, ...names.filter((entry) => entry.isDirectory()).map((entry) => join(top, entry.name))]
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return []
    throw thrown
  }
}

/** True when there is nothing to remove, or nothing that can be. */
function isRemoved(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch (thrown) {
    return errnoOf(thrown) !== 'EBUSY'
  }
}
