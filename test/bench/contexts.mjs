// The build contexts of the benchmark. Every round gets a directory of its own and nothing is deleted before the
// end: ext4 gives recently freed inodes out slowly, which would be charged to whoever writes next.
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './peers.mjs'

/** A new directory with a Dockerfile. */
export function context(directory, dockerfile) {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'Dockerfile'), dockerfile)
  return directory
}

/** `count` files of about `bytes` each, 100 a directory; half of the content compresses. */
export function manyFiles(directory, count, bytes) {
  const noise = randomBytes(1 << 20)
  const half = bytes >> 1
  for (let i = 0; i < count; i++) {
    const folder = join(directory, `d${Math.floor(i / 100)}`)
    if (i % 100 === 0) mkdirSync(folder, { recursive: true })
    const at = (i * 7919) % (noise.length - half)
    const content = [Buffer.from(`${i}\n`), noise.subarray(at, at + half), Buffer.alloc(bytes - half, 65)]
    writeFileSync(join(folder, `f${i}`), Buffer.concat(content))
  }
}

/** A copy of a context that no builder has seen: another directory, and one file that is different. */
export function variant(directory, copy, turn) {
  run(['cp', '-a', directory, copy])
  writeFileSync(join(copy, 'turn'), `${turn}\n`)
  run(['sync'])
  return copy
}
