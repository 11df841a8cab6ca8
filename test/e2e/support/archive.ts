// What a docker archive says: its config, and each layer as a listing that two builders can be compared by.
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { tool } from './slipway.ts'

export interface Archive {
  readonly config: Record<string, unknown> & { readonly history: readonly Record<string, unknown>[] }
  /** One line an entry, sorted: `type mode uid:gid name [-> target] [sha of content] [xattrs]`. */
  readonly layers: readonly (readonly string[])[]
}

/** Reads a `docker save` archive that was unpacked into `directory` by tar. */
export async function readArchive(file: string, directory: string): Promise<Archive> {
  tool('mkdir', ['-p', directory])
  tool('tar', ['-xf', file, '-C', directory])
  const [manifest] = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'))
  const config = JSON.parse(readFileSync(join(directory, manifest.Config), 'utf8'))
  const layers = []
  for (const layer of manifest.Layers) layers.push(await listTar(join(directory, layer)))
  return { config, layers }
}

/** The entries of a tar, gzipped or not, without times. */
export async function listTar(file: string): Promise<string[]> {
  const magic = readFileSync(file).subarray(0, 2)
  const raw: Readable = createReadStream(file)
  const body = magic[0] === 0x1f && magic[1] === 0x8b ? raw.pipe(createGunzip()) : raw
  const lines: string[] = []
  const unpack = extract()
  body.pipe(unpack)
  for await (const entry of unpack) {
    const hash = createHash('sha256')
    for await (const chunk of entry) hash.update(chunk as Buffer)
    const h = entry.header
    const name = h.name.replace(/^\.\//, '').replace(/\/$/, '')
    if (name === '' || name === '.') continue
    const xattrs = Object.entries(h.pax ?? {})
      .filter(([key]) => key.startsWith('SCHILY.xattr.'))
      .map(([key, value]) => ` ${key.slice(13)}=${Buffer.from(value).toString('hex')}`)
    const content = h.type === 'file' && (h.size ?? 0) > 0 ? ` ${hash.digest('hex').slice(0, 12)}` : ''
    const link = h.linkname ? ` -> ${h.linkname.replace(/^\.\//, '')}` : ''
    const mode = ((h.mode ?? 0) & 0o7777).toString(8).padStart(4, '0')
    lines.push(`${h.type} ${mode} ${h.uid}:${h.gid} ${name}${link}${content}${xattrs.sort().join('')}`)
  }
  return lines.sort()
}
