// Merging a finished directory into an existing one by renames: either nothing happens, because something is in
// the way, or all of it, quickly. Names are bytes.
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { chmod, lstat, readdir, rename, utimes } from 'node:fs/promises'
import { errnoOf, SlipwayError } from '../core/error.ts'

interface Move {
  readonly from: Buffer
  readonly to: Buffer
}

/** A name no build output has, for a directory beside its final place. */
export function stagingName(): string {
  return `.slipway-${randomBytes(8).toString('hex')}`
}

/** Moves everything inside `from` into `to` (same file system); directories merge, other things replace what has their name. Throws ERR_OUTPUT_EXISTS, before anything was moved, where a directory and something else would have to replace each other. */
export async function moveInto(from: string, to: string): Promise<void> {
  const moves: Move[] = []
  const merged: { readonly path: Buffer; readonly like: Stats }[] = []
  await plan(Buffer.from(from), Buffer.from(to), moves, merged)
  for (const move of moves) await rename(move.from, move.to)
  // Innermost first: entering a directory does not change its times, renaming into it does.
  for (const { path, like } of merged.reverse()) {
    await chmod(path, like.mode & 0o7777)
    await utimes(path, like.atimeMs / 1000, like.mtimeMs / 1000)
  }
}

async function plan(
  from: Buffer,
  to: Buffer,
  moves: Move[],
  merged: { readonly path: Buffer; readonly like: Stats }[],
): Promise<void> {
  for (const name of await readdir(from, { encoding: 'buffer' })) {
    const move = { from: below(from, name), to: below(to, name) }
    const [source, target] = [await lstat(move.from), await statOf(move.to)]
    if (target === undefined) moves.push(move)
    else if (source.isDirectory() && target.isDirectory()) {
      merged.push({ path: move.to, like: source })
      await plan(move.from, move.to, moves, merged)
    } else if (!source.isDirectory() && !target.isDirectory()) moves.push(move)
    else {
      throw new SlipwayError({
        code: 'ERR_OUTPUT_EXISTS',
        message: `write ${JSON.stringify(move.to.toString())}: ${
          target.isDirectory() ? 'a directory is in the way of a file' : 'a file is in the way of a directory'
        }`,
        hint: 'remove it, or export to an empty directory',
      })
    }
  }
}

function below(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name])
}

async function statOf(path: Buffer): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}
