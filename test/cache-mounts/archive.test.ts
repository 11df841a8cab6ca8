import { execFileSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exportCaches, importCaches, sizeOf } from '../../src/cache-mounts/archive.ts'
import { type Caches, openCaches } from '../../src/cache-mounts/caches.ts'
import { cacheName } from '../../src/cache-mounts/name.ts'
import type { TarEntry } from '../../src/layer/tar-entry.ts'
import { type TarInput, writeTar } from '../../src/layer/tar-write.ts'
import { openOverlaySnapshotter } from '../../src/snapshot/overlay-snapshotter.ts'
import { openNative } from '../../src/sys/native.ts'

const native = openNative(resolve(import.meta.dirname, '../../dist'))
const identity = { id: '//c' }
const name = cacheName(identity)

async function open(root: string) {
  const snapshotter = await openOverlaySnapshotter(root, native)
  const options = { root, native, snapshotter, signal: new AbortController().signal }
  return { options, caches: openCaches(options) }
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = []
  for await (const chunk of chunks) copies.push(Buffer.from(chunk))
  return Buffer.concat(copies)
}

async function* streamOf(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
}

/** An archive of members as somebody else may write them. */
function archiveOf(
  ...members: readonly (Partial<TarEntry> & { readonly path: string; readonly text?: string })[]
) {
  const inputs = members.map(({ text = '', ...entry }): TarInput => {
    const body = Buffer.from(text)
    const standard = {
      type: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtimeNs: 0n,
      devMajor: 0,
      devMinor: 0,
    } as const
    return { entry: { ...standard, xattrs: new Map(), size: body.length, ...entry }, body }
  })
  return bytesOf(writeTar(inputs))
}

describe('archives of caches', () => {
  let directory: string
  let from: Awaited<ReturnType<typeof open>>
  let to: Awaited<ReturnType<typeof open>>
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'slipway-caches-'))
    from = await open(join(directory, 'from'))
    to = await open(join(directory, 'to'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const make = async (caches: Caches, id: string, write: (path: string) => void): Promise<string> => {
    const request = { identity: { id }, sharing: 'shared', fill: async () => undefined } as const
    await using cache = await caches.use(request, from.options.signal)
    write(cache.directory)
    return cache.directory
  }
  const exported = async (): Promise<Buffer> =>
    await bytesOf(exportCaches(await from.caches.list(), from.options))
  const content = join('cache-mounts', name, '0/fs')

  it('bring everything from one state directory to another', async () => {
    await make(from.caches, '//c', (path) => {
      mkdirSync(join(path, 'd'), { mode: 0o700 })
      writeFileSync(join(path, 'd/large'), Buffer.alloc(700_000, 'x'))
      writeFileSync(join(path, 'd/f'), 'f', { mode: 0o4755 })
      linkSync(join(path, 'd/f'), join(path, 'second'))
      symlinkSync('../../etc/passwd', join(path, 'l'))
      writeFileSync(join(path, '.wh.not-a-whiteout'), 'w')
      execFileSync(
        'sh',
        ['-ec', 'chown 5:6 d d/large; mkfifo p; mknod z c 0 0; chmod 4755 d/f; touch -d @5.000000007 d', '0'],
        { cwd: path },
      )
      execFileSync('chmod', ['1777', path])
      utimesSync(path, 9, 9)
    })
    await make(from.caches, 'ns//other', (path) => writeFileSync(join(path, 'o'), 'o'))
    const archive = await exported()
    const made = await importCaches(streamOf(gzipSync(archive)), to.options)
    expect(made.map(({ id }) => id).sort()).toEqual(['//c', 'ns//other'])
    const path = join(directory, 'to', content)
    expect(readdirSync(path).sort()).toEqual(['.wh.not-a-whiteout', 'd', 'l', 'p', 'second'])
    const facts = (name: string) => {
      const { mode, uid, gid, nlink, mtimeMs } = lstatSync(join(path, name))
      return [mode.toString(8), uid, gid, nlink, mtimeMs]
    }
    const { mtimeNs } = lstatSync(join(path, 'd'), { bigint: true })
    expect([facts('').slice(0, 3), facts('').at(-1), mtimeNs]).toEqual([
      ['41777', 0, 0],
      9000,
      5_000_000_007n,
    ])
    expect(facts('d').slice(0, 3)).toEqual(['40700', 5, 6])
    expect(facts('d/f').slice(0, 4)).toEqual(['104755', 0, 0, 2])
    expect(lstatSync(join(path, 'd/f')).ino).toBe(lstatSync(join(path, 'second')).ino)
    expect(readFileSync(join(path, 'd/large')).equals(Buffer.alloc(700_000, 'x'))).toBe(true)
    expect(readlinkSync(join(path, 'l'))).toBe('../../etc/passwd')
    expect(await sizeOf(path, native)).toEqual({ sizeBytes: 700_002, files: 3 })
    expect(readdirSync(join(directory, 'to/active'))).toEqual([])
    // Times aside, which say when a cache was used, it is the same again.
    expect((await bytesOf(exportCaches(await to.caches.list(), to.options))).equals(archive)).toBe(true)
  })

  it('take the place of what was there', async () => {
    await make(from.caches, '//c', (path) => writeFileSync(join(path, 'new'), ''))
    await make(to.caches, '//c', (path) => writeFileSync(join(path, 'old'), ''))
    await importCaches(streamOf(await exported()), to.options)
    expect(readdirSync(join(directory, 'to', content))).toEqual(['new'])
    expect(readdirSync(join(directory, 'to/active'))).toEqual([])
  })

  it('wait for who uses a cache', async () => {
    await make(from.caches, '//c', () => undefined)
    const request = { identity, sharing: 'shared', fill: async () => undefined } as const
    const used = await from.caches.use(request, from.options.signal)
    let archive: Buffer | undefined
    const exporting = exported().then((bytes) => {
      archive = bytes
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(archive).toBeUndefined()
    writeFileSync(join(used.directory, 'last'), 'last')
    await used[Symbol.asyncDispose]()
    await exporting
    expect(archive?.includes('/fs/last')).toBe(true)
  })

  const about = { path: `${name}/cache.json`, text: JSON.stringify({ version: 1, id: '//c' }) }
  const other = cacheName({ id: '//d' })

  it.each([
    ['nothing but files', [{ path: 'f' }], /"f" is where a cache has to begin/],
    [
      'a name that its id does not give',
      [{ ...about, path: `${other}/cache.json` }],
      /does not say which cache it is/,
    ],
    ['an id that is none', [{ ...about, text: '{"version":1,"id":7}' }], /does not say which cache it is/],
    ['no JSON', [{ ...about, text: '{' }], /does not say which cache it is/],
    [
      'a directory in the place of what it is',
      [{ ...about, text: '', type: 'directory' as const }],
      /has to begin/,
    ],
    [
      'a way out',
      [about, { path: `${name}/fs/../../../canary` }],
      /"[^"]*canary" is where a cache has to begin/,
    ],
    ['files of another cache', [about, { path: `${other}/fs/x` }], /is where a cache has to begin/],
    [
      'a hard link that leads out',
      [about, { path: `${name}/fs/h`, type: 'hardlink' as const, linkTarget: '/etc/passwd' }],
      /the hard link .* leads to "\/etc\/passwd"/,
    ],
    [
      'a hard link through a link',
      [
        about,
        { path: `${name}/fs/etc`, type: 'symlink' as const, linkTarget: '/etc' },
        { path: `${name}/fs/h`, type: 'hardlink' as const, linkTarget: `${name}/fs/etc/passwd` },
      ],
      /ERR_FILES_LINK_TARGET_MISSING|hard link/i,
    ],
    ['a file for a root', [about, { path: `${name}/fs` }], /replaces the root/],
  ])('with %s are refused', async (_what, members, message) => {
    const archive = await archiveOf(...members)
    await expect(importCaches(streamOf(archive), to.options)).rejects.toThrow(message)
    expect(existsSync(join(directory, 'to', content))).toBe(false)
    expect(readdirSync(join(directory, 'to/active'))).toEqual([])
    expect(existsSync(join(directory, 'canary'))).toBe(false)
  })

  it('with links out of the cache write nothing through them', async () => {
    const outside = join(directory, 'outside')
    mkdirSync(outside)
    const archive = await archiveOf(
      about,
      { path: `${name}/fs/out`, type: 'symlink', linkTarget: outside },
      { path: `${name}/fs/out/f`, text: 'f' },
      { path: `${name}/fs/up`, type: 'symlink', linkTarget: '../../../../outside' },
      { path: `${name}/fs/up/g`, text: 'g' },
    )
    await importCaches(streamOf(archive), to.options).catch(() => undefined)
    expect(readdirSync(outside)).toEqual([])
  })

  it('that are cut off make nothing of the cache they end in', async () => {
    await make(from.caches, '//c', (path) => writeFileSync(join(path, 'f'), Buffer.alloc(5000)))
    const archive = await exported()
    await expect(importCaches(streamOf(archive.subarray(0, 4000)), to.options)).rejects.toThrow(/tar/)
    expect(existsSync(join(directory, 'to', content))).toBe(false)
    expect(readdirSync(join(directory, 'to/active'))).toEqual([])
  })
})
