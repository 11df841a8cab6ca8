// Mounting layer directories as one file system: what is written down for native/steps.h to perform.
import { existsSync, rmdirSync, unlinkSync } from 'node:fs'
import { release } from 'node:os'
import { SlipwayError } from '../core/error.ts'
import { flags, type Step, slots } from './steps.ts'

export interface Overlay {
  /** Bottom first; there is one. */
  readonly lower: readonly string[]
  readonly upper: string
  readonly work: string
  /** The directory it is mounted on. */
  readonly target: string
}

export interface OverlayUse {
  /** Whether this process is in the machine's own user namespace. */
  readonly isInitial: boolean
  /** The slot that holds the target, and the one for the mount. */
  readonly onto: number
  readonly into: number
  /** What is in the slot already will do where overlayfs cannot be mounted. */
  readonly mayFail?: boolean
}

/** Mounts the overlay on its target, which was opened before. Throws ERR_SANDBOX_UNSUPPORTED when an old kernel has no words for so many layers. */
export function overlaySteps(
  overlay: Overlay,
  { isInitial, onto, into, mayFail = false }: OverlayUse,
  add: (step: Step) => void,
  kernel: string = release(),
): void {
  const bits = (mayFail ? flags.mayFail : 0) | flags.writable
  if (!takesLayersSingly(kernel)) {
    mountByText(overlay, { isInitial, into, bits }, add)
    return
  }
  const { lower, upper, work } = overlay
  const layers = lower.flatMap((path) => [path, 'lowerdir+']).reverse()
  const directories = ['upperdir', upper, 'workdir', work]
  const options = optionsIn(isInitial).flat()
  add({
    ...{ op: 'mount', act: 'mount', path: 'overlay', flags: bits, into, onto },
    rest: [...layers, ...directories, ...options],
  })
}

/** A volatile mount marks its work directory so that it is not mounted again after a crash. Nothing here outlives a crash unchecked, and one step may follow another on the same directories. */
export function dropVolatileMark(work: string): void {
  const mark = `${work}/work/incompat`
  if (!existsSync(mark)) return
  // A step waits for this: going through directories would take several times as long.
  unlinkSync(`${mark}/volatile/dirty`)
  rmdirSync(`${mark}/volatile`)
  rmdirSync(mark)
}

/** Since Linux 6.5 layers are named one by one; before, all options had to fit in a page. */
function takesLayersSingly(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(Number.parseFloat)
  return major > 6 || (major === 6 && minor >= 5)
}

/**
 * Off: features that would make the upper directory more than plain files, whiteouts and opaque marks. Without `volatile`
 * every fsync inside and every unmount would write the whole disk's caches back; what must be durable is synced by the
 * snapshot's owner. Where root is an ordinary user's, overlayfs may not write trusted.* attributes; `userxattr` has the last
 * two off by itself, and is refused together with redirect_dir=off.
 */
function optionsIn(isInitial: boolean): (readonly [string, string])[] {
  const off = ['index', 'xino', ...(isInitial ? ['redirect_dir', 'metacopy'] : [])]
  const set = ['volatile', ...(isInitial ? [] : ['userxattr'])]
  return [...off.map((name) => [name, 'off'] as const), ...set.map((name) => [name, ''] as const)]
}

const pageBytes = 4096

/** Lower directories are named relative to what they share. */
function mountByText(
  { lower, upper, work, target }: Overlay,
  { isInitial, into, bits }: { readonly isInitial: boolean; readonly into: number; readonly bits: number },
  add: (step: Step) => void,
): void {
  const shared = sharedDirectory(lower)
  const layers = lower.map((path) => escaped(path.slice(shared.length) || '.')).reverse()
  const directories = [`upperdir=${escaped(upper)}`, `workdir=${escaped(work)}`]
  const options = optionsIn(isInitial).map(([name, value]) => (value === '' ? name : `${name}=${value}`))
  const text = [`lowerdir=${layers.join(':')}`, ...directories, ...options].join(',')
  if (Buffer.byteLength(text) >= pageBytes) throw tooManyLayers()
  add({ op: 'open', act: 'open layers', path: shared, into: slots.shown })
  add({
    ...{ op: 'mountText', act: 'mount', path: 'overlay', flags: bits, base: slots.shown, into },
    rest: [target, text],
  })
}

/** With a slash at its end. */
function sharedDirectory(paths: readonly string[]): string {
  const [first = '', ...others] = paths
  let shared = first.slice(0, first.lastIndexOf('/') + 1)
  while (!others.every((path) => path.startsWith(shared))) {
    shared = shared.slice(0, shared.lastIndexOf('/', shared.length - 2) + 1)
  }
  return shared
}

/** These separate in option texts. */
function escaped(path: string): string {
  return path.replace(/[:,\\]/g, '\\$&')
}

function tooManyLayers(): SlipwayError {
  return new SlipwayError({
    code: 'ERR_SANDBOX_UNSUPPORTED',
    message:
      "mount overlay: too many layers for this kernel's mount call (Linux 6.5 or newer has no such limit)",
  })
}
