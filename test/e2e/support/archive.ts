// Image archives (docker save, type=docker) and tars read into values that can be compared: every entry with
// all its metadata, hard links as sets of names. What two builders may disagree on is comparable.ts's business.
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { finish } from './slipway.ts'

export interface Archive {
  readonly config: Record<string, unknown> & {
    readonly history: readonly Record<string, unknown>[]
    readonly rootfs: { readonly diff_ids: readonly string[] }
  }
  /** Bottom first. */
  readonly layers: readonly (readonly Entry[])[]
}

/** A tar entry; a further name of a file has the metadata of the first and all names in `names`. */
export interface Entry {
  readonly path: string
  readonly type: string
  readonly mode: number
  readonly owner: string
  /** Seconds since 1970. */
  readonly mtime: number
  /** A digest for a file that is not empty, a symlink's target, a device's numbers. */
  readonly content: string
  /** `name=hex`, sorted. */
  readonly xattrs: readonly string[]
  /** All names of a file with several, sorted; one array for all of them. */
  readonly names: readonly string[]
}

/** Reads archives, layers that several of them share once. */
export interface ArchiveReader {
  /** Reads a `docker save` archive, which is unpacked beside itself by tar. */
  archive(file: string): Promise<Archive>
  tar(file: string): Promise<readonly Entry[]>
}

export function archiveReader(): ArchiveReader {
  const known = new Map<string, Promise<Entry[]>>()
  return {
    async archive(file) {
      const directory = `${file}.d`
      await finish('mkdir', ['-p', directory])
      const { status, stderr } = await finish('tar', ['-xf', file, '-C', directory])
      if (status !== 0) throw new Error(`${file}: ${stderr}`)
      const [manifest] = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'))
      const config = JSON.parse(readFileSync(join(directory, manifest.Config), 'utf8'))
      // BuildKit writes null for none.
      const layers = (manifest.Layers ?? []).map((layer: string, index: number) => {
        const diffId: string = config.rootfs.diff_ids[index]
        const entries = known.get(diffId) ?? readTar(join(directory, layer))
        known.set(diffId, entries)
        return entries
      })
      return { config, layers: await Promise.all(layers) }
    },
    tar: readTar,
  }
}

/** The entries of a tar, gzipped or not, by name; the root is left out. */
export async function readTar(file: string): Promise<Entry[]> {
  const magic = readFileSync(file).subarray(0, 2)
  const raw: Readable = createReadStream(file)
  const body = magic[0] === 0x1f && magic[1] === 0x8b ? raw.pipe(createGunzip()) : raw
  const entries = new Map<string, Entry>()
  const groups = new Map<string, string[]>()
  const unpack = extract()
  body.pipe(unpack)
  for await (const stream of unpack) {
    const hash = createHash('sha256')
    for await (const chunk of stream) hash.update(chunk as Buffer)
    const header = stream.header
    const path = cleanName(header.name)
    if (path === '') continue
    if (header.type === 'link') {
      const first = cleanName(header.linkname ?? '')
      const group = groups.get(first) ?? [first]
      groups.set(path, group)
      groups.set(first, group)
      group.push(path)
      const entry = entries.get(first)
      if (!entry)
        throw new Error(`${file}: ${path} is a hard link to ${first}, which does not come before it`)
      entries.set(path, { ...entry, path })
      continue
    }
    const isDevice = header.type === 'character-device' || header.type === 'block-device'
    entries.set(path, {
      path,
      type: header.type ?? 'file',
      mode: (header.mode ?? 0) & 0o7777,
      owner: `${header.uid}:${header.gid}`,
      mtime: Math.floor((header.mtime?.getTime() ?? 0) / 1000),
      content: isDevice
        ? `${header.devmajor},${header.devminor}`
        : (header.linkname ?? ((header.size ?? 0) > 0 ? hash.digest('hex').slice(0, 12) : '')),
      xattrs: Object.entries(header.pax ?? {})
        .filter(([key]) => key.startsWith('SCHILY.xattr.'))
        .map(([key, value]) => `${key.slice(13)}=${Buffer.from(value).toString('hex')}`)
        .sort(),
      names: [],
    })
  }
  for (const group of groups.values()) group.sort()
  return [...entries.values()]
    .map((entry) => ({ ...entry, names: groups.get(entry.path) ?? entry.names }))
    .sort(byPath)
}

/** The file system that the layers make together (image-spec, layer.md): upper entries replace, whiteouts remove. */
export function mergeLayers(layers: Archive['layers']): Entry[] {
  const tree = new Map<string, Entry>()
  const removeBelow = (directory: string) => {
    for (const path of [...tree.keys()]) if (path.startsWith(`${directory}/`)) tree.delete(path)
  }
  for (const layer of layers) {
    for (const mark of layer.filter(isWhiteout)) {
      const parent = parentOf(mark.path)
      if (isOpaqueMark(mark)) {
        removeBelow(parent)
        continue
      }
      const name = mark.path.slice(mark.path.lastIndexOf('/') + '/.wh.'.length)
      const removed = parent === '' ? name : `${parent}/${name}`
      removeBelow(removed)
      tree.delete(removed)
    }
    for (const entry of layer.filter((other) => !isWhiteout(other))) {
      if (entry.type !== 'directory') removeBelow(entry.path)
      tree.set(entry.path, entry)
    }
  }
  // A name that a later layer replaced or removed is none any more.
  const alive = (entry: Entry) => entry.names.filter((name) => tree.get(name)?.names === entry.names)
  return [...tree.values()]
    .map((entry) => ({ ...entry, names: alive(entry).length > 1 ? alive(entry) : [] }))
    .sort(byPath)
}

/** Whether an entry only says that something of the layers below is gone. */
export function isWhiteout({ path }: Entry): boolean {
  return /(^|\/)\.wh\.[^/]*$/.test(path)
}

/** Whether an entry says that its directory hides what the layers below have in it. */
export function isOpaqueMark({ path }: Entry): boolean {
  return /(^|\/)\.wh\.\.wh\.\.opq$/.test(path)
}

/** The path of the directory an entry is in; the empty string for the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** `name` without `./` before and `/` behind it; of the root the empty string. */
function cleanName(name: string): string {
  const clean = name.replace(/^\.?\//, '').replace(/\/$/, '')
  return clean === '.' ? '' : clean
}

function byPath(a: Entry, b: Entry): number {
  return a.path < b.path ? -1 : Number(a.path > b.path)
}
