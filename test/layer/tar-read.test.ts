import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { TarEntry } from '../../src/layer/tar-entry.ts'
import { defaultTarLimits, readTar } from '../../src/layer/tar-read.ts'
import { collect, inPieces, tarBlock } from './tar-fixture.ts'

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../fixtures/tar/${name}.tar`, import.meta.url))

async function entriesOf(archive: Buffer, piece = 700, limits = defaultTarLimits): Promise<TarEntry[]> {
  const entries: TarEntry[] = []
  for await (const member of readTar(inPieces(archive, piece), limits)) entries.push(member.entry)
  return entries
}

const end = Buffer.alloc(1024)

describe('archives of real tar programs', () => {
  test('v7: no magic, directories by their trailing slash', async () => {
    const [file, directory] = await entriesOf(fixture('v7'))
    expect(file).toMatchObject({ path: 'f', type: 'file', size: 6, mode: 0o644 })
    expect(directory).toMatchObject({ path: 'd', type: 'directory', size: 0 })
  })

  test('GNU base-256: owners above 2^21, times before 1970 and after 2242', async () => {
    const [file, directory] = await entriesOf(fixture('gnu-base256'))
    expect(file).toMatchObject({ uid: 3_000_000, gid: 4_000_000 })
    expect(file?.mtimeNs).toBe(-10n * 1_000_000_000n)
    expect(directory?.mtimeNs).toBe(8_589_934_599n * 1_000_000_000n)
  })

  test('GNU long names and link targets', async () => {
    const long = 'long-'.repeat(30)
    const entries = await entriesOf(fixture('gnu-long-names'))
    expect(entries.map((e) => [e.type, e.path, e.linkTarget])).toEqual([
      ['directory', long, undefined],
      ['file', `${long}/${long}`, undefined],
      ['symlink', 'lnk', `${long}/${long}`],
    ])
  })

  test('pax: attribute values and names are bytes, keys are unescaped, times have nanoseconds', async () => {
    const [file, odd] = await entriesOf(fixture('pax-xattrs'))
    expect(file?.uid).toBe(3_000_000)
    expect(file?.mtimeNs).toBe(-9_750_000_000n)
    const hex = [...(file?.xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString('hex')])
    expect(Object.fromEntries(hex)).toEqual({
      'security.capability': '0100000280ff00fe0000000000000000000000ff',
      'user.bin': '00ff0a3d80fe',
      'user.a=b%c': '61',
    })
    expect(odd?.path).toBe('bad\xff\xfename')
  })

  test('fifos, devices and hard links', async () => {
    expect(await entriesOf(fixture('ustar-special'))).toMatchObject([
      { path: 'p', type: 'fifo' },
      { path: 'c', type: 'char', devMajor: 5, devMinor: 1 },
      { path: 'b', type: 'block', devMajor: 7, devMinor: 300 },
    ])
    expect((await entriesOf(fixture('ustar-hardlink')))[1]).toMatchObject({
      type: 'hardlink',
      linkTarget: 'f',
    })
  })

  test.each(['gnu-sparse', 'pax-sparse'])('%s is refused by name, not unpacked as rubbish', async (name) => {
    await expect(entriesOf(fixture(name))).rejects.toMatchObject({
      code: 'ERR_TAR_UNSUPPORTED',
      message: expect.stringContaining('sparse'),
    })
  })
})

describe('how it is cut does not matter', () => {
  test.each([1, 511, 512, 513, 100_000])('pieces of %d bytes', async (piece) => {
    const archive = Buffer.concat([
      tarBlock({ name: 'a', size: 600 }),
      Buffer.alloc(1024, 'x'),
      tarBlock({ name: 'b', size: 3 }),
      Buffer.alloc(512, 'y'),
      end,
    ])
    const bodies: string[] = []
    for await (const member of readTar(inPieces(archive, piece))) {
      bodies.push(
        member.entry.path === 'a'
          ? (await collect(member.chunks())).toString()
          : (await member.bytes()).toString(),
      )
    }
    expect(bodies).toEqual(['x'.repeat(600), 'yyy'])
  })

  test('unread and half-read bodies are skipped', async () => {
    const archive = Buffer.concat([
      tarBlock({ name: 'a', size: 600 }),
      Buffer.alloc(1024, 'x'),
      tarBlock({ name: 'b' }),
      end,
    ])
    const names: string[] = []
    for await (const member of readTar(inPieces(archive, 100))) {
      names.push(member.entry.path)
      for await (const _ of member.chunks()) break
    }
    expect(names).toEqual(['a', 'b'])
  })

  test('the source is read to its end behind the end mark, and released when the reader stops early', async () => {
    let read = 0
    let released = false
    async function* source(): AsyncGenerator<Buffer> {
      try {
        for (const part of [tarBlock({ name: 'a' }), end, Buffer.alloc(5000, 1), Buffer.alloc(7)]) {
          read += part.length
          yield part
        }
      } finally {
        released = true
      }
    }
    for await (const member of readTar(source())) expect(member.entry.path).toBe('a')
    expect(read).toBe(512 + 1024 + 5007)
    released = false
    for await (const _ of readTar(source())) break
    expect(released).toBe(true)
  })
})

describe('damaged or hostile archives', () => {
  const file = tarBlock({ name: 'a', size: 600 })
  const pax = (text: string): Buffer => {
    const payload = Buffer.from(text, 'latin1')
    const padded = Buffer.alloc(Math.ceil(payload.length / 512) * 512)
    payload.copy(padded)
    return Buffer.concat([tarBlock({ name: 'x', size: payload.length, typeflag: 'x' }), padded])
  }
  const flipped = Buffer.from(tarBlock({ name: 'a' }))
  flipped[0] = 0x62

  test.each<[string, Buffer, string]>([
    ['a header cut off', file.subarray(0, 100), 'ERR_TAR_TRUNCATED'],
    ['a body cut off', Buffer.concat([file, Buffer.alloc(599)]), 'ERR_TAR_TRUNCATED'],
    ['the padding cut off', Buffer.concat([file, Buffer.alloc(1000)]), 'ERR_TAR_TRUNCATED'],
    ['a pax header with no entry', pax('6 a=b\n'), 'ERR_TAR_TRUNCATED'],
    ['a pax payload cut off', tarBlock({ name: 'x', size: 600, typeflag: 'x' }), 'ERR_TAR_TRUNCATED'],
    ['a flipped bit', flipped, 'ERR_TAR_INVALID'],
    ['something that is no tar', Buffer.alloc(2048, 'hello '), 'ERR_TAR_INVALID'],
    ['a header behind a zero block', Buffer.concat([Buffer.alloc(512), file]), 'ERR_TAR_INVALID'],
    ['a size that is no number', tarBlock({ name: 'a', rawSize: '12x45678901' }), 'ERR_TAR_INVALID'],
    ['a negative size', tarBlock({ name: 'a', rawSize: `${'\xff'.repeat(11)}\x01` }), 'ERR_TAR_INVALID'],
    [
      'a size beyond 2^53',
      tarBlock({ name: 'a', rawSize: '\x80\x00\x00\x00\x01'.padEnd(12, '\x7f') }),
      'ERR_TAR_INVALID',
    ],
    ['an entry without a name', tarBlock({ name: '' }), 'ERR_TAR_INVALID'],
    ['a link without a target', tarBlock({ name: 'a', typeflag: '2' }), 'ERR_TAR_INVALID'],
    ['a pax record that lies about its length', Buffer.concat([pax('9 a=b\n'), file]), 'ERR_TAR_INVALID'],
    ['a pax record without =', Buffer.concat([pax('5 ab\n'), file]), 'ERR_TAR_INVALID'],
    [
      'a pax name with NUL',
      Buffer.concat([pax('12 path=a\0b\n'), tarBlock({ name: 'a' })]),
      'ERR_TAR_INVALID',
    ],
    ['a negative pax size', Buffer.concat([pax('11 size=-1\n'), tarBlock({ name: 'a' })]), 'ERR_TAR_INVALID'],
    [
      'a pax time that is no time',
      Buffer.concat([pax('13 mtime=1e9\n'), tarBlock({ name: 'a' })]),
      'ERR_TAR_INVALID',
    ],
    ['an unknown type', tarBlock({ name: 'a', typeflag: 'Q' }), 'ERR_TAR_UNSUPPORTED'],
    ['a multi-volume archive', tarBlock({ name: 'a', typeflag: 'M' }), 'ERR_TAR_UNSUPPORTED'],
    [
      'a pax header beyond 1 MiB',
      tarBlock({ name: 'x', size: 1024 * 1024 + 1, typeflag: 'x' }),
      'ERR_TAR_LIMIT',
    ],
    [
      '2000 pax headers for one entry',
      Buffer.concat(Array.from({ length: 2000 }, () => pax('6 a=b\n'))),
      'ERR_TAR_LIMIT',
    ],
  ])('%s', async (_name, archive, code) => {
    await expect(entriesOf(archive)).rejects.toMatchObject({ name: 'SlipwayError', code })
  })

  test('more entries than allowed', async () => {
    const archive = Buffer.concat([tarBlock({ name: 'a' }), tarBlock({ name: 'b' }), end])
    await expect(entriesOf(archive, 700, { ...defaultTarLimits, entries: 1 })).rejects.toMatchObject({
      code: 'ERR_TAR_LIMIT',
    })
  })

  test('a huge size reserves nothing', async () => {
    const archive = tarBlock({ name: 'a', rawSize: '77777777777\0' })
    await expect(entriesOf(archive)).rejects.toMatchObject({ code: 'ERR_TAR_TRUNCATED' })
  })

  test('links and directories have no body, whatever their size says (as in Go, so nothing can hide there)', async () => {
    const archive = Buffer.concat([
      tarBlock({ name: 'l', typeflag: '1', linkName: 't', size: 512 }),
      tarBlock({ name: 'd', typeflag: '5', size: 512 }),
      tarBlock({ name: 'seen' }),
      end,
    ])
    expect((await entriesOf(archive)).map((e) => e.path)).toEqual(['l', 'd', 'seen'])
  })

  test('a missing end mark is tolerated', async () => {
    expect(await entriesOf(tarBlock({ name: 'a' }))).toHaveLength(1)
  })

  test('a failure of the source comes through as it is', async () => {
    async function* source(): AsyncGenerator<Buffer> {
      yield file
      throw new Error('the wire broke')
    }
    const read = async (): Promise<void> => {
      for await (const _ of readTar(source())) await _.bytes()
    }
    await expect(read()).rejects.toThrow('the wire broke')
  })
})
