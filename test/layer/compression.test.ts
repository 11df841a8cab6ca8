import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { compress } from '../../src/layer/compression.ts'
import { plainBytes } from '../compression/plain-bytes.ts'
import { wordsOf } from '../compression/words.ts'
import { missing } from '../support/missing.ts'
import { collect, inPieces } from './tar-fixture.ts'

const hasZstd = missing('zstd') === undefined
const unpack = (bytes: Buffer): Promise<Buffer> => collect(plainBytes(inPieces(bytes, 65536)))

describe('gzip', () => {
  test.each([0, 1, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 5_000_000])(
    '%d bytes come back, also through gzip(1)',
    async (size) => {
      const plain = wordsOf(size)
      const packed = await collect(compress(inPieces(plain, 70_001), 'gzip'))
      expect(gunzipSync(packed).equals(plain)).toBe(true)
      expect(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 1 << 30 }).equals(plain)).toBe(true)
      expect((await unpack(packed)).equals(plain)).toBe(true)
    },
  )

  test('is one member, and the same however the input is cut', async () => {
    const plain = wordsOf(3_000_000)
    const a = await collect(compress(inPieces(plain, 1000), 'gzip', { level: 1 }))
    const b = await collect(compress(inPieces(plain, 999_999), 'gzip', { level: 1 }))
    expect(a.equals(b)).toBe(true)
    // A member's trailer holds the size of what it expands to.
    expect(a.readUInt32LE(a.length - 4)).toBe(plain.length)
  })

  test('costs little for being cut into blocks', async () => {
    const plain = wordsOf(6_000_000)
    const packed = await collect(compress(inPieces(plain, 65536), 'gzip', { level: 6 }))
    expect(packed.length).toBeLessThan(gzipSync(plain, { level: 6 }).length * 1.02)
  })

  test('a failing source is reported as it is', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield gzipSync(randomBytes(100_000)).subarray(0, 50_000)
      throw new Error('the wire broke')
    }
    await expect(collect(compress(broken(), 'gzip'))).rejects.toThrow('the wire broke')
  })
})

describe('zstd', () => {
  test.skipIf(!hasZstd).each([0, 1, 5_000_000])('%d bytes come back (needs zstd)', async (size) => {
    const plain = wordsOf(size)
    const packed = await collect(compress(inPieces(plain, 70_001), 'zstd'))
    expect((await unpack(packed)).equals(plain)).toBe(true)
    expect(execFileSync('zstd', ['-dcq'], { input: packed, maxBuffer: 1 << 30 }).equals(plain)).toBe(true)
  })

  test.skipIf(!hasZstd)('a failing source is reported as it is (needs zstd)', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield execFileSync('zstd', ['-cq'], { input: randomBytes(300_000) }).subarray(0, 100_000)
      throw new Error('the wire broke')
    }
    await expect(collect(compress(broken(), 'zstd'))).rejects.toThrow('the wire broke')
  })
})

test('compressing 1 GiB keeps little in memory', async () => {
  const chunk = wordsOf(1 << 20)
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
