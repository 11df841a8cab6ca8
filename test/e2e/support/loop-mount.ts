// File systems of a test's own, in a file that is mounted.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { missing, tool } from './slipway.ts'

export type FileSystem = 'xfs' | 'btrfs' | 'ext4'

export interface LoopMount extends Disposable {
  readonly path: string
}

/** What is missing here for file systems of this kind, or undefined. */
export function missingMount(kind: FileSystem, directory: string): string | undefined {
  if (process.getuid?.() !== 0) return 'root'
  const program = missing(`mkfs.${kind}`, 'losetup')
  if (program !== undefined) return program
  try {
    loopMount(kind, directory)[Symbol.dispose]()
    return undefined
  } catch (thrown) {
    return `${kind} on a loop device (${thrown instanceof Error ? thrown.message.trim().split('\n').at(-1) : thrown})`
  }
}

export interface LoopMountOptions {
  /** 600 MB if absent. */
  readonly sizeBytes?: number
  /** Further flags of mkfs. */
  readonly flags?: readonly string[]
}

/** A new file system, mounted in `directory`. */
export function loopMount(
  kind: FileSystem,
  directory: string,
  { sizeBytes = 600 << 20, flags = [] }: LoopMountOptions = {},
): LoopMount {
  const image = join(directory, `${kind}.img`)
  const path = join(directory, kind)
  mkdirSync(path, { recursive: true })
  writeFileSync(image, '')
  truncateSync(image, sizeBytes)
  tool(`mkfs.${kind}`, ['-q', ...flags, image])
  tool('mount', ['-o', 'loop', image, path])
  return {
    path,
    [Symbol.dispose]() {
      // What has just ended may still be closing its files.
      if (spawnSync('umount', [path]).status !== 0) tool('umount', ['-l', path])
      rmSync(image)
      rmSync(path, { recursive: true })
    },
  }
}
