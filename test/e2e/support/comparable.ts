// What slipway and dockerd 20.10's BuildKit (0.8) must agree on, as plain values. A difference is levelled here
// only where newer BuildKit decided as slipway does; the version that changed it is named (moby/buildkit's tags).
import { type Archive, type Entry, isOpaqueMark, isWhiteout, mergeLayers, parentOf } from './archive.ts'

/** The config without times and docker's bookkeeping of containers; settings that say nothing are left out. */
export function comparableConfig({ config }: Archive): unknown {
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
      // 0.25 prints a list instead of a Go map.
      .replace(/^EXPOSE map\[(.*)\]$/, (_, ports: string) => `EXPOSE [${ports.replaceAll(':{}', '')}]`)
      // 0.12 added the start interval, 0.30 names the fields: before, they were quoted, retries as a character.
      .replace(/^(HEALTHCHECK \{.*) StartInterval:\S+/s, '$1')
      .replace(/^HEALTHCHECK &\{\[(.*)\] "(\S+)" "(\S+)" "(\S+)" '\\x(..)'\}$/s, namedHealthcheck)
      // 0.13 shows the flags.
      .replace(/^((?:COPY|ADD)) (?:--(?:chown|chmod)=\S+ )+/, '$1 ')
  )
}

/** What a layer says, one line an entry. `below` are the layers under it. */
export function comparableLayer(
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
        type === 'directory' && options.directoryTimes !== true ? '' : mtime >= options.since ? 'now' : mtime,
        content,
        ...xattrs,
        names.length > 0 ? `= ${names.map((name) => JSON.stringify(name)).join(' ')}` : '',
      ]
        .filter((part) => part !== '')
        .join(' '),
    )
}
