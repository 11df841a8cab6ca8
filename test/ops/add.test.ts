// ADD: which files count as archives, how they are extracted, and that nothing in them leaves the destination.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Result } from '../../src/solve/types.ts'
import { makeTar } from '../support/tar-maker.ts'
import { type CopyInput, copy, openRig, type Rig, writeTree } from './support/rig.ts'

const isRoot = process.getuid?.() === 0

/** A ustar member, the bytes Node would not write for us. */
function member(name: string, type: string, body = '', link = ''): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0, 'latin1')
  header.write('0000644\0', 100)
  header.write('0000003\0', 108)
  header.write('0000004\0', 116)
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000001\0', 136)
  header.write('        ', 148)
  header.write(type, 156)
  header.write(link, 157, 'latin1')
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const data = Buffer.alloc(Math.ceil(body.length / 512) * 512)
  data.write(body, 'latin1')
  return Buffer.concat([header, data])
}
const archive = (...members: Buffer[]): Buffer => Buffer.concat([...members, Buffer.alloc(1024)])

describe.skipIf(!isRoot)('ADD (needs root)', () => {
  let rig: Rig
  let base: Result
  beforeAll(async () => {
    rig = await openRig()
    base = await rig.layer({
      'etc/passwd': 'app:x:9:9::/:\n',
      'dst/old/file': 'old',
      'dst/old/': ['', 0o711],
      'dst/link': '-> /etc',
    })
  })
  afterAll(() => rig.dispose())
  beforeEach(() => {
    rmSync(rig.context, { recursive: true })
    mkdirSync(rig.context)
  })
  const write = (name: string, bytes: Buffer): void => writeFileSync(join(rig.context, name), bytes)
  const add = (input: Partial<CopyInput>, on: Result | null = null): Promise<Result> =>
    rig.run(
      on,
      [rig.local()],
      [copy({ sources: ['a'], destination: '/d', unpack: true, instruction: 'ADD', ...input })],
    )

  it.each([
    ['tar', 'cf'],
    ['gzip', 'czf'],
    ['bzip2', 'cjf'],
    ['xz', 'cJf'],
    ['zstd', '--zstd -cf'],
  ])('extracts %s by content, whatever the name', async (_name, flags) => {
    writeTree(rig.root, { 'tree/x/y': ['y', 0o4755, 3, 4], 'tree/x/z': '= tree/x/y', 'tree/l': '-> x/y' })
    execFileSync('tar', [...flags.split(' '), join(rig.context, 'a'), '-C', join(rig.root, 'tree'), '.'])
    rmSync(join(rig.root, 'tree'), { recursive: true })
    const result = await add({})
    expect(rig.list(result, 'd')).toEqual([
      'd/l link 0:0 -> x/y',
      'd/x/ 755 0:0',
      'd/x/y 4755 3:4 y',
      'd/x/z 4755 3:4 y',
    ])
    expect(rig.entry(result, 'd')).toMatchObject({ mode: 0o755, uid: 0 })
    expect(rig.entry(result, 'd/x/y')?.linkGroup).toBe(rig.entry(result, 'd/x/z')?.linkGroup)
  })

  it.each([
    ['text', Buffer.from('hello')],
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(2048)],
    ['compressed text', gzipSync('hello'.repeat(500))],
    ['a broken gzip', Buffer.from('1f8b08ffffff', 'hex')],
    [
      'an archive with a wrong checksum',
      archive(Buffer.from(member('x', '0', 'x').map((b, i) => (i === 3 ? 65 : b)))),
    ],
  ])('copies %s as it is', async (_what, bytes) => {
    write('a', bytes)
    expect(rig.entry(await add({}), 'd')).toMatchObject({ type: 'file', size: bytes.length })
  })

  it('copies an archive as it is when told so, and with COPY', async () => {
    write('a', archive(member('x', '0', 'x')))
    expect(rig.entry(await add({ unpack: false }), 'd')).toMatchObject({ type: 'file' })
  })

  it('gives everything to the owner of --chown', async () => {
    write('a', archive(member('s/x', '0', 'x')))
    expect(rig.list(await add({ owner: '7:8' }))).toEqual(['d/ 755 7:8', 'd/s/ 755 0:0', 'd/s/x 644 7:8 x'])
  })

  it('merges directories and replaces everything else', async () => {
    write('a', archive(member('old/', '5'), member('old/new', '0', 'n'), member('link', '0', 'plain')))
    expect(rig.list(await add({ destination: '/dst' }, base), 'dst')).toEqual([
      'dst/link 644 3:4 plain',
      'dst/old/ 644 3:4',
      'dst/old/file 644 0:0 old',
      'dst/old/new 644 3:4 n',
    ])
    write('a', archive(member('old', '0', 'file now')))
    expect(rig.list(await add({ destination: '/dst' }, base), 'dst')).toEqual([
      'dst/link link 0:0 -> /etc',
      'dst/old 644 3:4 file now',
    ])
  })

  it('keeps whatever an archive names inside the destination', async () => {
    const members = [
      member('../../up', '0', 'u'),
      member('/abs', '0', 'a'),
      member('etc/', '5'),
      member('out', '2', '', '/etc'),
      member('out/passwd', '0', 'evil'),
      member('rel', '2', '', '../../..'),
      member('rel/top', '0', 't'),
      member('link/passwd', '0', 'evil'),
    ]
    // The first names dst/dst/up, which is not there.
    write('a', archive(...members, member('hard', '1', '', '../../../dst/up')).subarray(0, -1024))
    await expect(add({ destination: '/dst' }, base)).rejects.toMatchObject({
      code: 'ERR_ADD_ARCHIVE_INVALID',
    })
    write('a', archive(...members, member('hard', '1', '', '../up')))
    const result = await add({ destination: '/dst' }, base)
    expect(rig.list(result)).toEqual([
      'dst/ 755 0:0',
      'dst/abs 644 3:4 a',
      'dst/etc/ 644 3:4',
      'dst/etc/passwd 644 3:4 evil',
      'dst/hard 644 3:4 u',
      'dst/link link 0:0 -> /etc',
      'dst/old/ 711 0:0',
      'dst/old/file 644 0:0 old',
      'dst/out link 3:4 -> /etc',
      'dst/rel link 3:4 -> ../../..',
      'dst/top 644 3:4 t',
      'dst/up 644 3:4 u',
      'etc/ 755 0:0',
      'etc/passwd 644 0:0 app:x:9:9::/:\n',
    ])
  })

  it.each([
    ['a whiteout', member('.wh.x', '0'), 'ERR_COPY_RESERVED_NAME'],
    ['a whiteout device', member('w', '3'), 'ERR_FILES_DEVICE_RESERVED'],
    [
      'a link through which nothing is',
      Buffer.concat([member('l', '2', '', '/no'), member('l/x', '0')]),
      'ERR_COPY_NOT_DIRECTORY',
    ],
    [
      'a file as a directory',
      Buffer.concat([member('f', '0'), member('f/x', '0')]),
      'ERR_COPY_NOT_DIRECTORY',
    ],
    ['a file in place of the destination', member('..', '0', 'x'), 'ERR_ADD_ARCHIVE_INVALID'],
    [
      'a hard link to itself',
      Buffer.concat([member('x', '0'), member('x', '1', '', 'x')]),
      'ERR_ADD_ARCHIVE_INVALID',
    ],
    ['an unknown type first', member('x', 'Q'), 'ERR_TAR_UNSUPPORTED'],
    ['owners that no file can have', makeTar([{ name: 'x', uid: -1 }]), 'ERR_TAR_INVALID'],
    ['owners beyond 32 bits', makeTar([{ name: 'x', pax: { uid: '4294967296' } }]), 'ERR_TAR_INVALID'],
    ['a window beyond memory', Buffer.from('28b52ffd00f8010000', 'hex'), 'ERR_DECOMPRESS_UNSUPPORTED'],
    ['a cut-off archive', member('x', '0', 'x'.repeat(5000)).subarray(0, 1024), 'ERR_TAR_TRUNCATED'],
  ])('refuses %s', async (_what, bytes, code) => {
    write('a', bytes.length === 1024 || bytes[0] === 0x28 ? bytes : archive(bytes))
    await expect(add({}, base)).rejects.toMatchObject({ code })
  })
})
