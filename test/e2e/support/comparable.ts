// What slipway must agree on with other builders, as plain values: with the newest BuildKit everything that has a
// meaning; with dockerd 20.10's (0.8), what newer versions did not decide otherwise. Each levelling of a difference
// with that one names the version that changed it (moby/buildkit's tags).
import { type Archive, type Entry, isOpaqueMark, isWhiteout, mergeLayers, parentOf } from './archive.ts'

/** The whole config but for the layers' digests and, unless a build pinned them, times. */
export function exactConfig({ config }: Archive, hasPinnedTimes: boolean): unknown {
  const { rootfs: _, created, history, ...rest } = config
  const steps = history.map(({ created: made, ...entry }) =>
    // The base's steps have times of their own.
    hasPinnedTimes && made === created ? { ...entry, created: made } : entry,
  )
  return hasPinnedTimes ? { ...rest, created, history: steps } : { ...rest, history: steps }
}

/** The config as 0.8 agrees: without times and docker's bookkeeping of containers; settings that say nothing are left out. */
export function olderConfig({ config }: Archive): unknown {
  const settings = Object.entries((config.config ?? {}) as Record<string, unknown>)
  return {
    architecture: config.architecture,
    os: config.os,
    author: config.author,
    config: Object.fromEntries(settings.filter(([, value]) => says(value))),
    history: config.history.map(({ created: _, created_by, ...entry }) => ({
      ...entry,
      created_by: typeof created_by === 'string' ? commonText(created_by) : created_by,
    })),
  }
}

function says(value: unknown): boolean {
  return !['null', '""', 'false', '{}', '[]'].includes(JSON.stringify(value))
}

/** A history text of either builder, reduced to what both say. */
function commonText(text: string): string {
  return (
    text
      // 0.14 shows the value in use, be it from the command line or global; older ones the default as written.
      .replace(/^(ARG \w+)=.*$/s, '$1')
      // 0.25 prints the list as written instead of a Go map.
      .replace(/^EXPOSE (?:map)?\[(.*)\]$/, (_, ports: string) => {
        const each = new Set(ports.replaceAll(':{}', '').split(' '))
        return `EXPOSE [${[...each].sort().join(' ')}]`
      })
      // 0.12 added the start interval, 0.30 names the fields: before, they were quoted, retries as a character.
      .replace(/^(HEALTHCHECK \{.*) StartInterval:\S+/s, '$1')
      .replace(/^HEALTHCHECK &\{\[(.*)\] "(\S+)" "(\S+)" "(\S+)" '\\x(..)'\}$/s, namedHealthcheck)
      // 0.13 shows the flags.
      .replace(/^((?:COPY|ADD)) (?:--(?:chown|chmod)=\S+ )+/, '$1 ')
  )
}

/** A layer's own results: what it removes and adds, and the digest of the archive where its very bytes are defined. */
export interface ExactLayer {
  readonly removed?: readonly string[]
  readonly entries: readonly string[]
  readonly diffId?: string
}

/**
 * The layers over the shared bases, bottom first: what each one changes, and its digest if no time in it is one of the
 * build, as a step's own files and missing parents of a destination have.
 *
 * Levelled, because slipway says more: the new time of a directory that is otherwise as it was; the other names of a
 * hard link, when they are in a layer below (BuildKit makes two files of it); attributes other than `security.*`
 * (containerd drops them). And because it is the same: an opaque directory is a whiteout for each name below it.
 */
export function exactLayers(
  { config, layers }: Archive,
  bases: readonly Archive[],
  options: ComparableOptions,
): ExactLayer[] {
  const local = new Set(
    bases
      .flatMap((base) => base.layers.flat())
      .flatMap(({ path, content }) => (path === 'bin/busybox' ? content : [])),
  )
  return layers.flatMap((layer, index) => {
    const diffId = config.rootfs.diff_ids[index]
    if (diffId === undefined || bases.some((base) => base.config.rootfs.diff_ids[index] === diffId)) return []
    const lower = new Map(mergeLayers(layers.slice(0, index)).map((entry) => [entry.path, entry]))
    const upper = new Set(mergeLayers(layers.slice(0, index + 1)).map(({ path }) => path))
    const parents = new Set(layer.map(({ path }) => parentOf(path)))
    const changed = layer.filter((entry) => !isWhiteout(entry) && !isUnchanged(entry, lower, parents))
    const own = new Set(changed.map(({ path }) => path))
    const named = changed.map((entry) => ({
      ...entry,
      names: entry.names.every((name) => own.has(name)) ? entry.names : [],
      xattrs: entry.xattrs.filter((text) => text.startsWith('security.')),
      // The machine's own busybox is not part of the result.
      content: local.has(entry.content) ? 'busybox' : entry.content,
    }))
    const isFixed =
      changed.length === layer.length &&
      changed.every(
        ({ path, type, mtime, content, xattrs }, at) =>
          mtime < options.since &&
          !(type === 'directory' && options.received?.test(path) === true) &&
          !local.has(content) &&
          options.apart?.test(path) !== true &&
          xattrs.length === named[at]?.xattrs.length,
      )
    const removed = [...lower.keys()].filter((path) => !upper.has(path) && upper.has(parentOf(path)))
    return [
      {
        ...(removed.length === 0 ? {} : { removed: removed.sort() }),
        entries: comparableEntries(named, { ...options, directoryTimes: true }),
        ...(isFixed ? { diffId } : {}),
      },
    ]
  })
}

/** Whether an entry says nothing but the time of a directory in which nothing is, or the names of a file below. */
function isUnchanged(entry: Entry, lower: ReadonlyMap<string, Entry>, parents: ReadonlySet<string>): boolean {
  const before = lower.get(entry.path)
  if (before === undefined || parents.has(entry.path)) return false
  if (entry.type === 'directory') return isSameDirectory(entry, before)
  const same = entry.mode === before.mode && entry.owner === before.owner && entry.mtime === before.mtime
  return same && entry.type === before.type && entry.content === before.content && entry.names.length > 0
}

/** What a layer says as 0.8 agrees, one line an entry. `below` are the layers under it. */
export function olderLayer(
  layer: readonly Entry[],
  below: Archive['layers'],
  options: ComparableOptions,
): string[] {
  const lower = new Map(mergeLayers(below).map((entry) => [entry.path, entry]))
  const parents = new Set(layer.map(({ path }) => parentOf(path)))
  const said = layer
    .filter((entry) => !isOpaqueMark(entry) || lower.get(parentOf(entry.path))?.type === 'directory')
    .filter((entry) => parents.has(entry.path) || !isSameDirectory(entry, lower.get(entry.path)))
    // dockerd's archive package gives whiteouts the mode 0600 or 0755, containerd's gives them none.
    .map((entry) => (isWhiteout(entry) ? { ...entry, mode: 0, mtime: 0 } : entry))
    // Of the attributes neither package writes any but the capability into layers; `-o type=tar` has them all.
    .map((entry) => ({ ...entry, xattrs: entry.xattrs.filter((text) => text.startsWith('security.')) }))
  return comparableEntries(said, options)
}

/**
 * Whether a directory says nothing: the layer has nothing in it, and it is as in the layers below. dockerd's
 * overlay2 lists every directory of the upper directory (/etc, in which mount points for hosts and resolv.conf
 * were made), BuildKit's own differ and slipway only those that changed.
 */
function isSameDirectory(entry: Entry, lower: Entry | undefined): boolean {
  if (entry.type !== 'directory' || lower?.type !== 'directory') return false
  return entry.mode === lower.mode && entry.owner === lower.owner
}

function namedHealthcheck(_: string, test: string, ...figures: readonly string[]): string {
  const [interval, timeout, startPeriod, retries = ''] = figures
  const words = [...test.matchAll(/"(?:[^"\\]|\\.)*"/gs)].map(([word]) => JSON.parse(word))
  return `HEALTHCHECK {Test:[${words.join(' ')}] Interval:${interval} Timeout:${timeout} StartPeriod:${startPeriod} Retries:${Number.parseInt(retries, 16)}}`
}

export interface ComparableOptions {
  /** Seconds since 1970: a later time is one of the build, which two builds cannot share. */
  readonly since: number
  /** Paths that are left out. */
  readonly apart?: RegExp
  /** Directories without a time. */
  readonly received?: RegExp
  /** Whether directories have times. 0.8 lost those of a context's when it wrote what is in them (kept since 0.11). */
  readonly directoryTimes?: boolean
}

/** Files as lines. */
export function comparableEntries(entries: readonly Entry[], options: ComparableOptions): string[] {
  return entries
    .filter(({ path }) => !options.apart?.test(path))
    .map(({ path, type, mode, owner, mtime, content, xattrs, names }) =>
      [
        JSON.stringify(path),
        type,
        mode.toString(8).padStart(4, '0'),
        owner,
        type === 'directory' && (options.directoryTimes !== true || options.received?.test(path) === true)
          ? ''
          : mtime >= options.since
            ? 'now'
            : mtime,
        content,
        ...xattrs,
        names.length > 0 ? `= ${names.map((name) => JSON.stringify(name)).join(' ')}` : '',
      ]
        .filter((part) => part !== '')
        .join(' '),
    )
}
