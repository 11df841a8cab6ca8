// Directories that live as long as their process, in places that no store watches over. Whoever makes the next one removes
// what processes of the same user left that died.

import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../core/error.ts'
import { tryLockOnDisk } from './lock.ts'
import type { Native } from './native.ts'

export interface Temporary extends Disposable {
  /** Absolute if the parent is; mode 0700. */
  readonly path: string
}

/** An empty directory `<parent>/<prefix>…`, removed with all in it when it is disposed of. Throws the errno of the disk. */
export function openTemporary(parent: string, prefix: string, native: Native): Temporary {
  sweep(parent, prefix, native)
  const name = `${prefix}${randomBytes(8).toString('hex')}`
  const lockPath = join(parent, `${name}.lock`)
  // Before there is anything to remove: a name whose lock is free belongs to nobody.
  const lock = tryLockOnDisk(lockPath, { native })
  const path = join(parent, name)
  const dispose = (): void => {
    rmSync(path, { recursive: true, force: true })
    rmSync(lockPath, { force: true })
    lock?.[Symbol.dispose]()
  }
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (thrown) {
    dispose()
    throw thrown
  }
  return { path, [Symbol.dispose]: dispose }
}

/** In a directory that everybody may write to, others may have made what looks alike. */
function sweep(parent: string, prefix: string, native: Native): void {
  const pattern = /^(.*[0-9a-f]{16})\.lock$/
  for (const file of readdirSync(parent).filter((name) => name.startsWith(prefix))) {
    const name = pattern.exec(file)?.[1]
    if (name === undefined || !isOwn(join(parent, file))) continue
    try {
      using lock = tryLockOnDisk(join(parent, file), { native })
      if (lock === undefined) continue
      rmSync(join(parent, name), { recursive: true, force: true })
      rmSync(join(parent, file), { force: true })
    } catch (thrown) {
      // Another process sweeps, too, or somebody else's directory has the name.
      if (errnoOf(thrown) === undefined) throw thrown
    }
  }
}

function isOwn(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found?.isFile() === true && found.uid === process.getuid?.()
}
