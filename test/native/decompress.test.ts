// The helper's decoders: whatever bytes come, they end by themselves with one report, and read all that the
// formats' own programs write.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { missing } from '../support/missing.ts'
import '../support/property-seed.ts'
import { dist } from '../sys/native.ts'

const sanitized = join(dist, 'sanitize/slipway-helper')
const helper = existsSync(sanitized) ? sanitized : join(dist, 'slipway-helper')

interface Decoded {
  readonly status: number | null
  readonly plain: Buffer
  readonly kind?: string
  readonly text?: string
}

function decode(format: string, input: Buffer): Decoded {
  const { status, stdout, output } = spawnSync(helper, ['decompress', String(process.pid), format], {
    input,
    env: {},
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  })
  const report = (output as readonly (Buffer | null)[])[4]?.toString('latin1') ?? ''
  const failed =
    report === '' ? {} : (JSON.parse(report) as { failed: { kind: string; text: string } }).failed
  return { status, plain: stdout, ...failed }
}

/** What a compressor finds something to do with: text, runs, repetitions near and far, and noise. */
function sample(): Buffer {
  let seed = 11
  const next = (): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed >> 8
  }
  const noise = Buffer.from(Array.from({ length: 30_000 }, () => next() % 256))
  const text = Buffer.from(Array.from({ length: 40_000 }, () => `${next() % 97} `).join(''))
  // As in a program: call instructions with near targets.
  const calls = Buffer.alloc(50_000, Buffer.from('e8001200000000eb0000009412f000f8', 'hex'))
  const numbers = Buffer.alloc(60_000)
  for (let at = 0; at < numbers.length; at += 4) numbers.writeUInt32LE(at * 7, at)
  return Buffer.concat([text, noise, calls, Buffer.alloc(300_000), numbers, text, noise, Buffer.alloc(9, 1)])
}
const plain = sample()

function pack(program: string, flags: readonly string[], input: Buffer = plain): Buffer {
  return execFileSync(program, ['-c', ...flags], {
    input,
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
}
const lacks = (program: string): boolean => missing(program) !== undefined

const filters = ['--x86', '--arm', '--armthumb', '--arm64', '--powerpc', '--sparc', '--delta=dist=4']
const ways: readonly (readonly [string, readonly string[]])[] = [
  ...['-1', '-9'].map((level) => ['bzip2', [level]] as const),
  ...['-0', '-3', '-6e'].map((level) => ['xz', [level]] as const),
  ...['none', 'crc32', 'crc64', 'sha256'].map((check) => ['xz', [`--check=${check}`]] as const),
  ...filters.map((filter) => ['xz', [filter, '--lzma2=preset=1']] as const),
  ['xz', ['--delta', '--x86', '--lzma2=lc=1,lp=3,pb=1']],
  ['xz', ['-T2', '--block-size=100000']],
  ...['-1', '-9', '-19', '--fast=5'].map((level) => ['zstd', ['-q', level]] as const),
  ['zstd', ['-q', '--ultra', '-22']],
  ['zstd', ['-q', '--long=27', '--check']],
  ['zstd', ['-q', '-T2', '-B100KB', '--no-check']],
]

describe(`decoders of ${helper === sanitized ? 'the sanitized helper' : 'the helper (no sanitizer build)'}`, () => {
  for (const [program, flags] of ways) {
    test.skipIf(lacks(program))(`read what ${program} ${flags.join(' ')} writes (needs ${program})`, () => {
      const packed = pack(program, flags)
      expect(packed.length).toBeLessThan(plain.length)
      const decoded = decode(program, packed)
      expect(decoded).toMatchObject({ status: 0 })
      expect(decoded.plain.equals(plain)).toBe(true)
    })
  }

  for (const program of ['bzip2', 'xz', 'zstd']) {
    test.skipIf(lacks(program))(`${program}: damage ends in one report (needs ${program})`, () => {
      const small = Buffer.concat([plain.subarray(0, 60_000), plain.subarray(100_000, 130_000)])
      const whole = [[], ['-1']].map((flags) => pack(program, flags, small))
      const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 })
      fc.assert(
        fc.property(fc.constantFrom(...whole), damage, fc.nat(), (packed, changes, cut) => {
          const bytes = Buffer.from(packed)
          // Most of what can go wrong is said in the first bytes.
          for (const [at, value] of changes) bytes[at % (at % 3 === 0 ? bytes.length : 200)] = value
          const { status, kind } = decode(
            program,
            cut % 4 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes,
          )
          expect([0, 1]).toContain(status)
          if (status === 1) expect(['corrupt', 'trailing', 'unsupported']).toContain(kind)
        }),
        { numRuns: 60 },
      )
    })

    test.skipIf(lacks(program))(
      `${program}: what is behind the end is told apart from damage (needs ${program})`,
      () => {
        const decoded = decode(program, Buffer.concat([pack(program, []), Buffer.from('rubbish behind it')]))
        expect(decoded).toMatchObject({ status: 1, kind: 'trailing' })
        expect(decoded.plain.equals(plain)).toBe(true)
      },
    )
  }

  const zstd = (frame: string): Buffer => Buffer.from(`28b52ffd${frame}`, 'hex')
  test.each([
    ['a window of 2 TiB', 'zstd', zstd('00f8010000'), 'unsupported', /window of more than 512 MiB/],
    ['a window of 513 MiB and nothing in it', 'zstd', zstd('0099010000'), 'unsupported', /window of more/],
    ['content of 4 EiB in one segment', 'zstd', zstd('e00000000000000040010000'), 'unsupported', /window/],
    ['a dictionary', 'zstd', zstd('01580701000'.padEnd(12, '0')), 'unsupported', /dictionary/],
    ['a block of 2 MiB', 'zstd', zstd('0058ffffff'), 'corrupt', /too long/],
    ['another magic number', 'zstd', Buffer.from('27b52ffd'), 'corrupt', /header/],
    [
      'a skippable frame without its content',
      'zstd',
      Buffer.from('502a4d18ffffffff00', 'hex'),
      'corrupt',
      /cut off/,
    ],
    ['nothing', 'zstd', Buffer.alloc(0), 'corrupt', /cut off/],
    ['nothing', 'bzip2', Buffer.alloc(0), 'corrupt', /cut off/],
    ['a block size of 0', 'bzip2', Buffer.from('BZh0aaaaaaaaaaa'), 'corrupt', /header/],
    [
      'a randomised block',
      'bzip2',
      Buffer.from('425a68393141592653590000000080', 'hex'),
      'unsupported',
      /randomised/,
    ],
    ['nothing', 'xz', Buffer.alloc(0), 'corrupt', /cut off/],
  ])('%s is refused (%s)', (_what, format, bytes, kind, text) => {
    expect(decode(format, bytes)).toMatchObject({ status: 1, kind, text: expect.stringMatching(text) })
  })

  test.skipIf(lacks('zstd'))('a window of 512 MiB costs nothing where it is not used (needs zstd)', () => {
    expect(decode('zstd', zstd('0098010000'))).toMatchObject({ status: 0 })
  })

  test.skipIf(lacks('xz'))('zeros by fours may follow an xz stream (needs xz)', () => {
    const packed = pack('xz', [])
    expect(decode('xz', Buffer.concat([packed, Buffer.alloc(4), packed, Buffer.alloc(8)]))).toMatchObject({
      status: 0,
    })
    expect(decode('xz', Buffer.concat([packed, Buffer.alloc(3)]))).toMatchObject({ status: 1 })
  })

  test('another format is refused', () => {
    expect(decode('lzip', Buffer.alloc(0))).toMatchObject({ status: 1, kind: 'malformed' })
  })
})
