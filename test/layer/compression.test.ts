import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LayerCompression } from '../../src/core/media-type.ts'
import { compress, decompress, sniffCompression } from '../../src/layer/compression.ts'
import { unzstdInScript } from '../../src/layer/zstd.ts'
import { collect, inPieces } from './tar-fixture.ts'

const hasZstd = existsSync('/usr/bin/zstd')
const text = (size: number): Buffer => {
  const words = ['layer', 'blob', 'digest', 'whiteout', '\n', '\0\0\0']
  let seed = 7
  const parts: string[] = []
  for (let length = 0; length < size; length += parts.at(-1)?.length ?? 0) {
    seed = (seed * 1103515245 + 12345) % 2147483648
    parts.push(words[seed % words.length] ?? '')
  }
  return Buffer.from(parts.join('')).subarray(0, size)
}
const unpack = (bytes: Buffer, piece = 65536): Promise<Buffer> => collect(decompress(inPieces(bytes, piece)))

describe('gzip', () => {
  test.each([0, 1, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 5_000_000])(
    '%d bytes come back, also through gzip(1)',
    async (size) => {
      const plain = text(size)
      const packed = await collect(compress(inPieces(plain, 70_001), 'gzip'))
      expect(gunzipSync(packed).equals(plain)).toBe(true)
      expect(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 1 << 30 }).equals(plain)).toBe(true)
      expect((await unpack(packed)).equals(plain)).toBe(true)
    },
  )

  test('is one member, and the same however the input is cut', async () => {
    const plain = text(3_000_000)
    const a = await collect(compress(inPieces(plain, 1000), 'gzip', { level: 1 }))
    const b = await collect(compress(inPieces(plain, 999_999), 'gzip', { level: 1 }))
    expect(a.equals(b)).toBe(true)
    // A member's trailer holds the size of what it expands to.
    expect(a.readUInt32LE(a.length - 4)).toBe(plain.length)
  })

  test('costs little for being cut into blocks', async () => {
    const plain = text(6_000_000)
    const packed = await collect(compress(inPieces(plain, 65536), 'gzip', { level: 6 }))
    expect(packed.length).toBeLessThan(gzipSync(plain, { level: 6 }).length * 1.02)
  })

  test('several members, cut anywhere, and zeros behind them are read on', async () => {
    const members = Buffer.concat([gzipSync('one '), gzipSync('two '), gzipSync('three'), Buffer.alloc(700)])
    for (const piece of [1, 2, 7, gzipSync('one ').length, 10_000]) {
      expect((await unpack(members, piece)).toString()).toBe('one two three')
    }
  })

  test('anything but zeros behind the last member is an error', async () => {
    const member = gzipSync('one ')
    for (const rest of [
      Buffer.from('junk'),
      Buffer.concat([Buffer.alloc(700), Buffer.from('x')]),
      Buffer.concat([Buffer.alloc(9), member]),
    ]) {
      for (const piece of [1, 3, member.length, 10_000]) {
        await expect(unpack(Buffer.concat([member, rest]), piece)).rejects.toMatchObject({
          code: 'ERR_LAYER_CORRUPT',
        })
      }
    }
  })

  test('a cut-off or changed stream is an error, never a shorter file', async () => {
    const packed = gzipSync(randomBytes(300_000))
    for (const length of [3, 9, 11, 5000, packed.length - 9, packed.length - 8, packed.length - 1]) {
      await expect(unpack(packed.subarray(0, length)), `cut at ${length}`).rejects.toMatchObject({
        code: 'ERR_LAYER_CORRUPT',
      })
    }
    for (const at of [packed.length - 1, packed.length - 6, 150_000]) {
      const damaged = Buffer.from(packed)
      damaged[at] = (damaged[at] ?? 0) ^ 0x10
      await expect(unpack(damaged), `bit flipped at ${at}`).rejects.toMatchObject({
        code: 'ERR_LAYER_CORRUPT',
      })
    }
  })

  test('a failing source is reported as it is, whether read or written', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield gzipSync(randomBytes(100_000)).subarray(0, 50_000)
      throw new Error('the wire broke')
    }
    await expect(collect(decompress(broken()))).rejects.toThrow('the wire broke')
    await expect(collect(compress(broken(), 'gzip'))).rejects.toThrow('the wire broke')
  })

  test('whoever stops early releases the source', async () => {
    let released = false
    async function* source(): AsyncGenerator<Buffer> {
      try {
        const packed = gzipSync(randomBytes(3_000_000))
        yield* inPieces(packed, 65536)
      } finally {
        released = true
      }
    }
    for await (const _ of decompress(source())) break
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(released).toBe(true)
  })
})

describe('zstd', () => {
  test.skipIf(!hasZstd).each([0, 1, 5_000_000])(
    '%d bytes come back (needs the zstd program)',
    async (size) => {
      const plain = text(size)
      const packed = await collect(compress(inPieces(plain, 70_001), 'zstd'))
      expect((await unpack(packed)).equals(plain)).toBe(true)
      expect(execFileSync('zstd', ['-dcq'], { input: packed, maxBuffer: 1 << 30 }).equals(plain)).toBe(true)
    },
  )

  test.skipIf(!hasZstd)('skippable frames and several frames are read (needs the zstd program)', async () => {
    const frame = execFileSync('zstd', ['-cq'], { input: 'hello ' })
    const skippable = Buffer.from([0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
    expect((await unpack(Buffer.concat([skippable, frame, frame]))).toString()).toBe('hello hello ')
  })

  test.skipIf(!hasZstd)('a cut-off or changed stream is an error (needs the zstd program)', async () => {
    const packed = execFileSync('zstd', ['-cq', '--check'], { input: randomBytes(300_000) })
    const damaged = Buffer.from(packed)
    damaged[150_000] = (damaged[150_000] ?? 0) ^ 0x10
    for (const bytes of [packed.subarray(0, 5), packed.subarray(0, 150_000), damaged]) {
      await expect(unpack(bytes)).rejects.toMatchObject({ code: 'ERR_LAYER_CORRUPT' })
    }
  })

  test.skipIf(!hasZstd)('a failing source is reported as it is (needs the zstd program)', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield execFileSync('zstd', ['-cq'], { input: randomBytes(300_000) }).subarray(0, 100_000)
      throw new Error('the wire broke')
    }
    await expect(collect(decompress(broken()))).rejects.toThrow('the wire broke')
  })
})

describe.skipIf(!hasZstd)('zstd without the program (which the test needs to make its input)', () => {
  const packed = (plain: Buffer): Buffer => execFileSync('zstd', ['-cq', '--check'], { input: plain })

  test.each([0, 1, 2_000_000])('%d bytes come back, cut anywhere', async (size) => {
    const plain = text(size)
    for (const piece of [333, 65536]) {
      expect((await collect(unzstdInScript(inPieces(packed(plain), piece)))).equals(plain)).toBe(true)
    }
  })

  test('a cut-off stream is an error', async () => {
    const bytes = packed(randomBytes(300_000))
    for (const length of [5, 100, 150_000]) {
      const read = collect(unzstdInScript(inPieces(bytes.subarray(0, length), 65536)))
      await expect(read, `cut at ${length}`).rejects.toMatchObject({ code: 'ERR_LAYER_CORRUPT' })
    }
  })
})

describe('which compression it is', () => {
  test.each<[LayerCompression, number[]]>([
    ['gzip', [0x1f, 0x8b, 8, 0]],
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
    ['uncompressed', [0x1f]],
    ['uncompressed', []],
  ])('%s', (compression, start) => {
    expect(sniffCompression(Buffer.from(start))).toBe(compression)
  })

  test('plain bytes come through as they are, cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.integer({ min: 1, max: 100 }),
        async (bytes, piece) => {
          fc.pre(sniffCompression(bytes) === 'uncompressed')
          expect((await unpack(Buffer.from(bytes), piece)).equals(Buffer.from(bytes))).toBe(true)
        },
      ),
    )
  })
})

test('compressing 1 GiB keeps little in memory', async () => {
  const chunk = text(1 << 20)
  async function* source(): AsyncGenerator<Buffer> {
    for (let i = 0; i < 1024; i++) yield Buffer.from(chunk)
  }
  const before = process.memoryUsage.rss()
  let peak = 0
  const hash = createHash('sha256')
  for await (const part of compress(source(), 'gzip', { level: 1 })) {
    hash.update(part)
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  expect((peak - before) / 2 ** 20).toBeLessThan(150)
}, 60_000)
