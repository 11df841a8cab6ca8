import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ConvertOptions, convertLayer } from '../../src/layer/convert-layer.ts'
import type { TarEntry } from '../../src/layer/tar-entry.ts'
import { readTar } from '../../src/layer/tar-read.ts'
import { writeLayer } from '../../src/layer/write-layer.ts'
import { openMemoryStore } from '../../src/store/memory-store.ts'
import { writeHint } from '../support/write-hint.ts'
import { isRoot, testNative } from '../sys/native.ts'

const native = testNative()
const signal = new AbortController().signal

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'slipway-write-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

function made(name: string, script: string): string {
  const path = join(base, name)
  mkdirSync(path)
  execFileSync('bash', ['-ec', script], { cwd: path })
  return path
}

async function layerOf(
  upper: string,
  options: { lower?: readonly string[]; latestMtimeNs?: bigint } = {},
): Promise<TarEntry[]> {
  const store = openMemoryStore()
  const { descriptor } = await writeLayer(upper, { lower: [], store, native, signal, ...options })
  const entries: TarEntry[] = []
  for await (const member of readTar(Readable.from([await store.read(descriptor, 1 << 28)])))
    entries.push(member.entry)
  return entries
}

describe.skipIf(!isRoot)('an upper directory as a layer (needs root)', () => {
  test('names, order, whiteouts, links; no root, no sockets', async () => {
    const upper = made(
      'u',
      'mkdir -p b/c; touch a b/z b/c/f b-a; mknod b/gone c 0 0; ln b/z b/y; ln -s ../x s; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\'sock\')"; mkfifo p; mknod n c 1 3',
    )
    expect(
      (await layerOf(upper)).map((e) =>
        [e.path, e.type, e.linkTarget].filter((word) => word !== undefined).join(' '),
      ),
    ).toEqual([
      'a file',
      'b directory',
      'b/c directory',
      'b/c/f file',
      'b/.wh.gone file',
      'b/y file',
      'b/z hardlink b/y',
      'b-a file',
      'n char',
      'p fifo',
      's symlink ../x',
    ])
  })

  test('an opaque directory is marked only where it hides something', async () => {
    const lower = made('l', 'mkdir d; touch d/f e; ln -s d s')
    const upper = made(
      'u',
      'mkdir d e f s; for i in d e f s; do setfattr -n trusted.overlay.opaque -v y $i; done',
    )
    const names = (await layerOf(upper, { lower: [lower] })).map((e) => e.path)
    expect(names).toEqual(['d', 'd/.wh..wh..opq', 'e', 'f', 's'])
  })

  test('no opaque mark for an attribute that a step can set', async () => {
    const lower = made('l', 'mkdir d; touch d/f')
    const upper = made('u', 'mkdir d; setfattr -n user.overlay.opaque -v y d')
    expect((await layerOf(upper, { lower: [lower] })).map((e) => e.path)).toEqual(['d'])
  })

  test('attributes: content travels, bookkeeping does not', async () => {
    const upper = made(
      'u',
      'touch f; for n in trusted.overlay.origin trusted.x user.x user.overlay.y; do setfattr -n $n -v 1 f; done; setfattr -n security.capability -v 0x0100000280ff00fe000000000000000000000000 f',
    )
    expect([...((await layerOf(upper))[0]?.xattrs.keys() ?? [])].sort()).toEqual([
      'security.capability',
      'user.x',
    ])
  })

  test('times can be held to a latest one', async () => {
    const upper = made('u', 'touch -d @100 old; touch -d @300.5 new; mknod gone c 0 0')
    const times = Object.fromEntries(
      (await layerOf(upper, { latestMtimeNs: 200_000_000_000n })).map((e) => [e.path, e.mtimeNs]),
    )
    expect(times).toEqual({ '.wh.gone': 0n, new: 200_000_000_000n, old: 100_000_000_000n })
  })

  test.each(['.wh.x', '.wh..wh..opq'])('a file called %s cannot be stored', async (name) => {
    const upper = made('u', `touch ${name}`)
    await expect(layerOf(upper)).rejects.toMatchObject({ code: 'ERR_LAYER_NAME_RESERVED' })
  })
})

describe('another compression', () => {
  const text = 'layer '.repeat(300_000)
  const setUp = async () => {
    const store = openMemoryStore()
    const plain = await store.put({ mediaType: 'application/vnd.oci.image.layer.v1.tar' }, Buffer.from(text))
    const options: ConvertOptions = {
      store,
      variants: join(base, 'variants'),
      writeHint,
      compression: 'gzip',
      signal,
    }
    return { store, plain, options }
  }

  test('is made once and remembered per compression and level', async () => {
    const { store, plain, options } = await setUp()
    let puts = 0
    const counting = {
      ...store,
      put: (...args: Parameters<typeof store.put>) => {
        puts++
        return store.put(...args)
      },
    }
    const first = await convertLayer(plain, { ...options, store: counting })
    expect(first.mediaType).toBe('application/vnd.oci.image.layer.v1.tar+gzip')
    expect(gunzipSync(await store.read(first, 1 << 28)).toString()).toBe(text)
    expect(await convertLayer(plain, { ...options, store: counting })).toEqual(first)
    expect(puts).toBe(1)
    expect((await convertLayer(plain, { ...options, store: counting, level: 1 })).digest).not.toBe(
      first.digest,
    )
    expect(puts).toBe(2)
    expect(await convertLayer(plain, { ...options, compression: 'uncompressed' })).toBe(plain)
  })

  test('a lost blob or a damaged note is made again', async () => {
    const { store, plain, options } = await setUp()
    const first = await convertLayer(plain, options)
    const empty = openMemoryStore()
    await empty.put(plain, Buffer.from(text))
    expect(await convertLayer(plain, { ...options, store: empty })).toEqual(first)
    expect(await empty.has(first)).toBe(true)
    for (const name of readdirSync(options.variants))
      writeFileSync(join(options.variants, name), '{"digest":1')
    expect(await convertLayer(plain, { ...options, store })).toEqual(first)
  })
})

test('the digest is that of the bytes', async () => {
  const upper = made('u', 'echo hello > f; touch -d @1 f')
  const store = openMemoryStore()
  const { descriptor, diffId } = await writeLayer(upper, { lower: [], store, native, signal })
  const bytes = await store.read(descriptor, 1 << 20)
  expect(diffId).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  expect(descriptor).toEqual({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: diffId,
    size: bytes.length,
  })
})
