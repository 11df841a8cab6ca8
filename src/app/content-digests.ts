// BuildKit's digests of files in the layers of steps, remembered: to have them a step's files must be read.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Selector } from '../buildkit/vertex.ts'
import { digestOfJson } from '../core/canonical-json.ts'
import { type Digest, hexOf, isDigest } from '../core/digest.ts'
import { errnoOf } from '../core/error.ts'
import type { Result } from '../solve/types.ts'
import type { Host } from './host.ts'

/** Reads files, which are here. */
export type ReadDigest = (selectors: readonly Selector[]) => Promise<readonly Digest[]>

/** The memory of a state directory; local directories are remembered elsewhere, file by file. */
export function rememberDigests(host: Host) {
  const directory = join(host.directory, 'layers')
  return {
    /** The digests of what is selected of a result, read if they are not known and `read` is given. */
    async digests(
      input: Result | undefined,
      selectors: readonly Selector[],
      read: ReadDigest | undefined,
    ): Promise<readonly Digest[]> {
      const layers = input?.layers ?? []
      if (input === undefined || layers.some(({ kind }) => kind === 'directory'))
        return (await read?.(selectors)) ?? []
      const names = layers.map((layer) => {
        if (layer.kind === 'snapshot') return layer.id
        return layer.kind === 'directory' ? layer.name : layer.diffId
      })
      // With the top layer goes what was noted of it.
      const path = join(
        directory,
        `${hexIn(names.at(-1))}.content-${hexOf(digestOfJson({ names, selectors }))}`,
      )
      const known = (await readIfThere(path))?.split('\n').filter(isDigest) ?? []
      if (known.length > 0) return known
      const digests = (await read?.(selectors)) ?? []
      if (digests.length === 0) return []
      await mkdir(directory, { recursive: true, mode: 0o700 })
      // Need not survive a power cut: without it the files are read once more.
      await writeFile(path, digests.join('\n'), { mode: 0o600 })
      return digests
    },
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}

function hexIn(name = ''): string {
  return name.slice(name.indexOf(':') + 1)
}
