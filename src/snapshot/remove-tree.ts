// Removing a directory tree of any size and depth. Only for directories nobody else can reach.
import { randomBytes } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { errnoOf } from '../core/error.ts'

/** A path longer than this is about to become too long for the kernel (4096). */
const longPath = 2048
const batch = 500

/** Postcondition: `path` does not exist; missing is fine. The event loop gets its turn during the work. */
export async function removeTree(path: string): Promise<void> {
  const root = Buffer.from(path)
  // Directories are emptied on the way down and removed on the way back.
  const stack: { readonly path: Buffer; readonly entries: Dirent<Buffer>[] }[] = []
  const enter = (directory: Buffer): void => {
    stack.push({
      path: directory,
      entries: readdirSync(directory, { withFileTypes: true, encoding: 'buffer' }),
    })
  }
  try {
    enter(root)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return
    throw thrown
  }
  let work = 0
  for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
    if (++work % batch === 0) await setImmediate()
    const entry = at.entries.pop()
    if (entry === undefined) {
      stack.pop()
      rmdirSync(at.path)
      continue
    }
    const child = Buffer.concat([at.path, slash, entry.name])
    if (!entry.isDirectory()) {
      unlinkSync(child)
    } else if (child.length < longPath) {
      enter(child)
    } else {
      // Moved to the top, where its path is short again, and done after everything else there.
      const top = Buffer.from(`${path}/.deep-${randomBytes(16).toString('hex')}`)
      renameSync(child, top)
      const first = stack[0]
      if (first !== undefined)
        first.entries.unshift(Object.assign(entry, { name: Buffer.from(top.subarray(root.length + 1)) }))
    }
  }
}

const slash = Buffer.from('/')
