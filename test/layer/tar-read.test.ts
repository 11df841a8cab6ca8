import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { TarEntry } from '../../src/layer/tar-entry.ts'
import { beginsAsTar, defaultTarLimits, readTar } from '../../src/layer/tar-read.ts'
import { makeTar, paxRecord } from '../support/tar-maker.ts'
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

  test('sparse files of old GNU tar are refused by name, as Go does, not unpacked as rubbish', async () => {
    await expect(entriesOf(fixture('gnu-sparse'))).rejects.toMatchObject({
      code: 'ERR_TAR_UNSUPPORTED',
      message: expect.stringContaining('sparse'),
    })
  })

  test.each([1, 700, 1 << 20])(
    'a sparse file of pax is read with its holes, in pieces of %d',
    async (piece) => {
      const members: string[] = []
      for await (const member of readTar(inPieces(fixture('pax-sparse'), piece))) {
        const content = await collect(member.chunks())
        const digest = createHash('sha256').update(content).digest('hex')
        members.push(`${member.entry.path} ${member.entry.size} ${content.length} ${digest}`)
      }
      // What GNU tar makes of it.
      const digest = '707f670607ede364f38f5abe09e895fa610069c9b83e7d7a87d5a9e33043be41'
      expect(members).toEqual([`sparse 1100000 1100000 ${digest}`])
    },
  )

  test('what is not read of a sparse file is passed over', async () => {
    const body = `1\n1024\n512\n`.padEnd(512, '\0') + 'x'.repeat(512)
    const pax = {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': 's',
      'GNU.sparse.realsize': '9000',
    }
    const entries = await entriesOf(
      makeTar([
        { name: 'GNUSparseFile.0/s', body, pax },
        { name: 'b', body: 'b' },
      ]),
    )
    expect(entries.map(({ path, size }) => `${path} ${size}`)).toEqual(['s 9000', 'b 1'])
  })

  test.each<[string, Record<string, string>, string]>([
    ['a piece behind the end', { map: '100,2', size: '101' }, 'xx'],
    ['pieces that overlap', { map: '0,2,1,2', numblocks: '2', size: '9' }, 'xxyy'],
    ['less than the map says', { map: '0,3', size: '9' }, 'xx'],
    ['a count that is wrong', { map: '0,2', numblocks: '2', size: '9' }, 'xx'],
    ['numbers that are none', { map: '-1,2', size: '9' }, 'xx'],
    ['a length without an offset', { numbytes: '2' }, 'xx'],
  ])('a sparse file with %s is refused', async (_what, records, body) => {
    const all = Object.entries({ numblocks: '1', ...records }).map(([key, value]) => [
      `GNU.sparse.${key}`,
      value,
    ])
    const archive = makeTar([{ name: 's', body, pax: Object.fromEntries(all) }])
    await expect(entriesOf(archive)).rejects.toMatchObject({ code: 'ERR_TAR_INVALID' })
  })

  test.each(['0\n', '1\n0\n', `${'9'.repeat(15)}\n`, 'x\n', '\n', '1\n0\n2\n'])(
    'a sparse file whose body begins with %j as its map is refused',
    async (map) => {
      const pax = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9000' }
      const archive = makeTar([{ name: 's', body: map.padEnd(513, '\0'), pax }])
      const read = async (): Promise<void> => {
        for await (const member of readTar(inPieces(archive, 700))) await collect(member.chunks())
      }
      await expect(read()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_TAR_/) })
    },
  )

  test('holes of more than the limit are refused before any of them is read', async () => {
    const pax = { 'GNU.sparse.map': '0,1', 'GNU.sparse.numblocks': '1', 'GNU.sparse.size': String(2 ** 50) }
    const archive = makeTar([{ name: 's', body: 'x', pax }])
    await expect(entriesOf(archive)).rejects.toMatchObject({ code: 'ERR_TAR_LIMIT' })
  })

  test('a slash behind the name makes a directory only of what was written before ustar', async () => {
    const entries = await entriesOf(
      makeTar([
        { name: 'a/', type: '\0' },
        { name: 'b/', body: 'b' },
      ]),
    )
    expect(entries.map(({ path, type }) => `${path} ${type}`)).toEqual(['a directory', 'b file'])
  })

  test('a comment for all entries says nothing about any, and may stand alone', async () => {
    const comment = { name: 'g', type: 'g', body: paxRecord('path', 'all') }
    expect((await entriesOf(makeTar([comment, { name: 'a' }]))).map(({ path }) => path)).toEqual(['a'])
    expect(await entriesOf(makeTar([comment]))).toEqual([])
  })
})

describe('what begins as an archive', () => {
  test.each<[string, boolean, Buffer]>([
    ['a file', true, makeTar([{ name: 'a' }])],
    ['a comment for all', true, makeTar([{ name: 'g', type: 'g', body: paxRecord('comment', 'x') }])],
    ['a member that cannot be', true, makeTar([{ name: '', type: 'Q', uid: -1 }])],
    [
      'a good header before a bad one',
      true,
      Buffer.concat([makeTar([{ name: 'a' }], { end: '' }), Buffer.alloc(512, 1)]),
    ],
    ['nothing', false, Buffer.alloc(0)],
    ['zeros', false, Buffer.alloc(4096)],
    ['less than a header', false, makeTar([{ name: 'a' }]).subarray(0, 511)],
    ['text', false, Buffer.alloc(4096, 'text ')],
    ['a pax header alone', false, makeTar([{ name: 'x', type: 'x', body: paxRecord('path', 'x') }])],
    ['a damaged pax header', false, makeTar([{ name: 'x', type: 'x', body: 'rubbish' }, { name: 'a' }])],
  ])('%s: %s', async (_what, begins, bytes) => {
    for (const piece of [1, 512, 1 << 20]) expect(await beginsAsTar(inPieces(bytes, piece))).toBe(begins)
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
