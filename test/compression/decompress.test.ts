// Reading compressed data: every format, cut anywhere, damaged anywhere, in members and frames, and bombs.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DecompressOptions, decompress } from '../../src/compression/decompress.ts'
import { type Compression, sniffCompression } from '../../src/compression/format.ts'
import { collect, inPieces } from '../layer/tar-fixture.ts'
import { missing } from '../support/missing.ts'
import '../support/property-seed.ts'
import { testNative } from '../sys/native.ts'
import { wordsOf } from './words.ts'

const native = testNative()
const read = (bytes: Buffer, piece = 65536, options: Partial<DecompressOptions> = {}): Promise<Buffer> =>
  collect(decompress(inPieces(bytes, piece), { native, what: 'it', ...options }))
const corrupt = { code: 'ERR_DECOMPRESS_CORRUPT' }

/** The formats with the programs that write them. */
const writers = {
  gzip: ['gzip', '-c'],
  bzip2: ['bzip2', '-c'],
  xz: ['xz', '-c', '-T1'],
  zstd: ['zstd', '-cq', '--check'],
} as const
type Format = keyof typeof writers

function packed(format: Format, plain: Buffer, ...flags: string[]): Buffer {
  const [program, ...given] = writers[format]
  return execFileSync(program, [...given, ...flags], { input: plain, maxBuffer: 1 << 30 })
}

for (const format of Object.keys(writers) as Format[]) {
  describe.skipIf(missing(format) !== undefined)(`${format} (needs ${format})`, () => {
    test.each([0, 1, 65536, 3_000_000])('%d bytes come back, cut anywhere', async (size) => {
      const plain = wordsOf(size)
      const bytes = packed(format, plain)
      expect(sniffCompression(bytes)).toBe(format)
      for (const piece of [333, 65536, 1 << 24]) expect((await read(bytes, piece)).equals(plain)).toBe(true)
    })

    test.each(['-1', '-9'])('level %s', async (level) => {
      const plain = Buffer.concat([wordsOf(1_000_000), randomBytes(500_000), Buffer.alloc(700_000)])
      expect((await read(packed(format, plain, level))).equals(plain)).toBe(true)
    })

    test('several in a row are one', async () => {
      const bytes = Buffer.concat(
        ['one ', '', 'two ', 'three'].map((part) => packed(format, Buffer.from(part))),
      )
      for (const piece of [1, 2, 7, 10_000]) expect(`${await read(bytes, piece)}`).toBe('one two three')
    })

    test('cut off it is an error, never a shorter file', async () => {
      const bytes = packed(format, randomBytes(300_000))
      const lengths = [10, 13, 5000, 150_000, bytes.length - 13, bytes.length - 5, bytes.length - 1]
      for (const length of lengths) {
        await expect(read(bytes.subarray(0, length)), `cut at ${length}`).rejects.toMatchObject(corrupt)
      }
    })

    test('a flipped bit is an error', async () => {
      const bytes = packed(format, wordsOf(400_000))
      for (let at = 20; at < bytes.length; at += Math.ceil(bytes.length / 23)) {
        const damaged = Buffer.from(bytes)
        damaged[at] = (damaged[at] ?? 0) ^ 0x10
        await expect(read(damaged), `flipped at ${at}`).rejects.toMatchObject(corrupt)
      }
    })

    test('a failing source is reported as it is', async () => {
      const bytes = packed(format, randomBytes(300_000))
      async function* broken(): AsyncGenerator<Buffer> {
        yield bytes.subarray(0, 50_000)
        throw new Error('the wire broke')
      }
      await expect(collect(decompress(broken(), { native, what: 'it' }))).rejects.toThrow('the wire broke')
    })

    test('whoever stops early releases the source', async () => {
      const bytes = packed(format, randomBytes(3_000_000))
      let release: (() => void) | undefined
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      async function* source(): AsyncGenerator<Buffer> {
        try {
          yield* inPieces(bytes, 65536)
        } finally {
          release?.()
        }
      }
      for await (const _ of decompress(source(), { native, what: 'it' })) break
      await released
    })

    test('a bomb ends at the limit, and costs no memory', async () => {
      const bytes = packed(format, Buffer.alloc(64 << 20))
      expect(bytes.length).toBeLessThan(200_000)
      await expect(read(bytes, 65536, { maxBytes: 10_000_000, what: '"/bomb"' })).rejects.toMatchObject({
        code: 'ERR_DECOMPRESS_LIMIT',
        message: 'decompress "/bomb": it expands to more than 10000000 bytes',
      })
    })
  })
}

describe('gzip', () => {
  test('zeros behind it are padding', async () => {
    const members = Buffer.concat([gzipSync('one '), gzipSync('two'), Buffer.alloc(700)])
    for (const piece of [1, 2, 7, 10_000]) expect(`${await read(members, piece)}`).toBe('one two')
  })

  test('anything but zeros behind the last member is an error', async () => {
    const member = gzipSync('one ')
    const behind = [Buffer.from('junk'), Buffer.concat([Buffer.alloc(700), Buffer.from('x')])]
    for (const rest of [...behind, Buffer.concat([Buffer.alloc(9), member])]) {
      for (const piece of [1, 3, member.length, 10_000]) {
        await expect(read(Buffer.concat([member, rest]), piece)).rejects.toMatchObject(corrupt)
      }
    }
  })
})

describe('zstd', () => {
  test.skipIf(missing('zstd') !== undefined)('skippable frames are passed over (needs zstd)', async () => {
    const frame = packed('zstd', Buffer.from('hello '))
    const skippable = Buffer.from([0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
    expect(`${await read(Buffer.concat([skippable, frame, skippable, frame]))}`).toBe('hello hello ')
  })
})

describe('which compression it is', () => {
  test.each<[Compression, string]>([
    ['gzip', '1f8b0800'],
    ['zstd', '28b52ffd'],
    ['zstd', '5f2a4d1803000000'],
    ['bzip2', '425a68'],
    ['xz', 'fd377a585a00'],
    ['uncompressed', '5f2a4d180300'],
    ['uncompressed', '1f8b'],
    ['uncompressed', '1f8b07'],
    ['uncompressed', 'fd377a585a'],
    ['uncompressed', ''],
  ])('%s: %s', (compression, start) => {
    expect(sniffCompression(Buffer.from(start, 'hex'))).toBe(compression)
  })

  test('plain bytes come through as they are, cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.integer({ min: 1, max: 100 }),
        async (bytes, piece) => {
          fc.pre(sniffCompression(bytes) === 'uncompressed')
          expect((await read(Buffer.from(bytes), piece)).equals(Buffer.from(bytes))).toBe(true)
        },
      ),
    )
  })
})
