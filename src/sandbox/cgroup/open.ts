// A cgroup for one build container, from its making to its removal. A note on disk under a lock names its directories
// first, so that a later slipway can remove what a killed one left.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import { acquireLock, tryLock } from '../../sys/lock.ts'
import type { Native } from '../../sys/native.ts'
import type { Resources } from '../resources.ts'
import { type Hierarchy, readHierarchies } from './hierarchies.ts'
import { choosePlaces, type Place, passOn } from './places.ts'
import type { Setting } from './settings.ts'

export interface CgroupOptions {
  readonly native: Native
  /** Where the notes are; made with mode 0700 when missing. */
  readonly directory: string
  readonly resources: Resources
  readonly parent?: string
  /** For tests: another machine's. */
  readonly hierarchies?: readonly Hierarchy[]
}

/** A cgroup without processes. Disposed of when it has none again, which removes it. */
export interface Cgroup extends AsyncDisposable {
  /** The directories a process has to join. */
  readonly paths: readonly string[]
  /** `cgroup v1`, `cgroup v2` or both, for people. */
  readonly title: string
  /** How many of its processes the kernel killed for lack of memory. */
  oomKills(): number
  /** Undefined where memory is not limited or not told. */
  peakMemoryBytes(): number | undefined
}

/** Makes a cgroup with these limits. Throws ERR_LIMIT_UNSUPPORTED, ERR_LIMIT_REFUSED. */
export async function openCgroup(options: CgroupOptions): Promise<Cgroup> {
  const { native, directory, resources, parent, hierarchies = readHierarchies() } = options
  const name = `slipway-${randomBytes(8).toString('hex')}`
  const places = choosePlaces(hierarchies, resources, { name, ...(parent === undefined ? {} : { parent }) })
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const note = join(directory, name)
  // Another slipway that sweeps may hold it for a moment.
  const lock = await acquireLock(note, { native, signal: new AbortController().signal })
  const remove = async (): Promise<void> => {
    await using _lock = lock
    await removeAll(
      note,
      places.map((place) => place.directory),
    )
  }
  try {
    writeFileSync(note, JSON.stringify(places.map((place) => place.directory)))
    for (const place of places) make(place)
  } catch (thrown) {
    await remove()
    throw thrown
  }
  const memory = places.find(({ controllers }) => controllers.includes('memory'))
  const versions = [...new Set(places.map(({ version }) => version))].sort()
  return {
    paths: places.map((place) => place.directory),
    title: versions.map((version) => `cgroup v${version}`).join(' and '),
    oomKills: () => (memory === undefined ? 0 : oomKillsOf(memory)),
    peakMemoryBytes: () => (memory === undefined ? undefined : peakOf(memory)),
    [Symbol.asyncDispose]: remove,
  }
}

/** Removes the cgroups of processes that died, once those in them have. */
export async function sweepCgroups(directory: string, native: Native): Promise<void> {
  if (!existsSync(directory)) return
  for (const name of readdirSync(directory)) {
    const note = join(directory, name)
    const lock = await tryLock(note, { native })
    if (lock === undefined) continue
    await using _lock = lock
    await removeAll(note, pathsIn(note, name))
  }
}

/** What still has processes, or is not ours to remove, keeps its note: whoever comes next tries again. */
async function removeAll(note: string, paths: readonly string[]): Promise<void> {
  let isClean = true
  for (const path of paths) {
    try {
      await removeEmpty(path)
    } catch (thrown) {
      if (errnoOf(thrown) === undefined) throw thrown
      isClean = false
    }
  }
  if (isClean) rmSync(note, { force: true })
}

/** A note that was not finished names nothing: nothing had been made. */
function pathsIn(note: string, name: string): readonly string[] {
  const text = readFileSync(note, 'utf8')
  if (!text.endsWith(']')) return []
  const paths: unknown = JSON.parse(text)
  if (!Array.isArray(paths)) return []
  return paths.filter((path): path is string => typeof path === 'string' && path.endsWith(`/${name}`))
}

function make({ version, directory, controllers, parents, settings }: Place): void {
  for (const path of [...parents, directory]) {
    const above = dirname(path)
    if (version === 2 && parents.length > 0)
      acting('pass on controllers of', above, () => passOn(above, controllers))
    acting('make cgroup', path, () => {
      if (!existsSync(path)) mkdirSync(path)
    })
    if (version === 1) inheritCpuset(path)
  }
  for (const setting of settings) apply(directory, setting)
}

/** A new version 1 cpuset is empty, and nothing may join it before it has both. */
function inheritCpuset(path: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = join(path, file)
    if (!existsSync(own) || readFileSync(own, 'latin1').trim() !== '') continue
    acting('set up cgroup', own, () => writeFileSync(own, readFileSync(join(dirname(path), file), 'latin1')))
  }
}

function apply(directory: string, { file, value, optional }: Setting): void {
  const path = join(directory, file)
  if (!existsSync(path)) {
    if (optional === true) return
    throw new SlipwayError({
      code: 'ERR_LIMIT_UNSUPPORTED',
      message: `set limit ${file}: this kernel has no such limit`,
      ...(file.includes('swap') || file.includes('memsw')
        ? { hint: 'swap is accounted for with swapaccount=1 on the kernel command line' }
        : {}),
    })
  }
  acting(`set limit ${file}=${value}`, undefined, () => writeFileSync(path, value))
}

function acting(act: string, path: string | undefined, body: () => void): void {
  try {
    body()
  } catch (cause) {
    const errno = errnoOf(cause)
    if (errno === undefined) throw cause
    const reasons: Readonly<Record<string, string>> = {
      EACCES: 'permission denied',
      EPERM: 'permission denied',
      EROFS: 'the cgroup file system is read-only',
      EINVAL: 'the kernel does not accept this value',
      ERANGE: 'the kernel does not accept this value',
      EBUSY: 'the cgroup has processes of its own',
    }
    throw new SlipwayError({
      code: 'ERR_LIMIT_REFUSED',
      message: `${act}${path === undefined ? '' : ` ${path}`}: ${reasons[errno] ?? errno}`,
      data: { errno },
      cause,
    })
  }
}

/** The last process may need a moment to be gone for good. */
async function removeEmpty(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      rmdirSync(path)
      return
    } catch (thrown) {
      const errno = errnoOf(thrown)
      if (errno === 'ENOENT') return
      if (errno !== 'EBUSY' || attempt === 200) throw thrown
    }
    await sleep(10)
  }
}

function oomKillsOf({ version, directory }: Place): number {
  const file = version === 2 ? 'memory.events' : 'memory.oom_control'
  return Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(directory, file), 'latin1'))?.[1] ?? 0)
}

function peakOf({ version, directory }: Place): number | undefined {
  const path = join(directory, version === 2 ? 'memory.peak' : 'memory.max_usage_in_bytes')
  return existsSync(path) ? Number(readFileSync(path, 'latin1')) : undefined
}
