// A directory of image-like layers made from the host's static busybox, for tests that run real processes.
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const busybox = '/bin/busybox'

/** What tests that run containers need and is not here; undefined when they can run. */
export function containersMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync(busybox)) return 'needs busybox-static'
  return undefined
}

export interface Layers {
  /** Removed by `remove`. */
  readonly directory: string
  /** /bin with all of busybox, and an empty /etc, /proc, /sys, /dev and /tmp. */
  readonly base: string
  /** A new layer with these files (text; `null` makes a directory, `{ link }` a symbolic link, `{ whiteout }` hides). */
  layer(files: Readonly<Record<string, LayerFile>>): string
  /** A fresh upper directory, and a work directory with what an earlier process has left to be used again. */
  writable(): { readonly upper: string; readonly work: string }
  /** A process in this work directory has come to its end. */
  done(work: string): void
  remove(): void
}

export type LayerFile = string | null | { readonly link: string } | { readonly whiteout: true }

export function makeLayers(): Layers {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-sandbox-'))
  const done: string[] = []
  let count = 0
  const next = (): string => {
    const path = join(directory, String(count++))
    mkdirSync(path)
    return path
  }
  const layer = (files: Readonly<Record<string, LayerFile>>): string => {
    const path = next()
    for (const [name, content] of Object.entries(files)) writeEntry(join(path, name), content)
    return path
  }
  const base = layer({ bin: null, etc: null, proc: null, sys: null, dev: null, tmp: null })
  copyFileSync(busybox, join(base, 'bin/busybox'))
  for (const name of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n')) {
    if (name !== '' && name !== 'busybox') symlinkSync('busybox', join(base, 'bin', name))
  }
  return {
    directory,
    base,
    layer,
    writable() {
      const path = next()
      const [upper, work] = [join(path, 'fs'), join(path, 'work')]
      mkdirSync(upper)
      mkdirSync(work)
      const last = done.pop()
      if (last !== undefined) renameSync(last, join(work, 'kept'))
      return { upper, work }
    },
    done(work) {
      done.push(join(work, 'kept'))
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

function writeEntry(path: string, content: LayerFile): void {
  mkdirSync(dirname(path), { recursive: true })
  if (content === null) mkdirSync(path, { recursive: true })
  else if (typeof content === 'string') writeFileSync(path, content)
  else if ('link' in content) symlinkSync(content.link, path)
  else execFileSync('mknod', [path, 'c', '0', '0'])
}
