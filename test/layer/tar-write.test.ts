import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TarEntry, TarEntryType } from '../../src/layer/tar-entry.ts'
import { readTar } from '../../src/layer/tar-read.ts'
import { type TarInput, writeTar } from '../../src/layer/tar-write.ts'
import { isRoot, testNative } from '../sys/native.ts'
import { collect, inPieces } from './tar-fixture.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-tar-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function entry(path: string, fields: Partial<TarEntry> = {}): TarEntry {
  return {
    path,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeNs: 1_000_000_000n * 1_000_000_000n,
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
    ...fields,
  }
}

describe('write then read', () => {
  const byteString = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
    fc
      .array(
        fc.oneof(
          { weight: 4, arbitrary: fc.constantFrom(...'abc/é') },
          { weight: 1, arbitrary: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)) },
        ),
        { minLength, maxLength },
      )
      .map((parts) => Buffer.from(parts.join(''), 'latin1').toString('latin1'))
  const path = fc
    .oneof(byteString(1, 8), byteString(90, 110), byteString(150, 300))
    .map((text) => `p${text.replace(/\/+$/, '')}`)
  const anyEntry = fc
    .record({
      type: fc.constantFrom<TarEntryType>(
        'file',
        'directory',
        'symlink',
        'hardlink',
        'char',
        'block',
        'fifo',
      ),
      path,
      linkTarget: fc.oneof(byteString(1, 20), byteString(98, 130)),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 2_097_150, max: 4_294_967_294 })),
      gid: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 2_097_150, max: 4_294_967_294 })),
      mtimeNs: fc.oneof(
        fc.bigInt(-(10n ** 19n), 10n ** 19n),
        fc.bigInt(0n, 9_000_000_000n).map((s) => s * 1_000_000_000n),
      ),
      device: fc.tuple(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 0, max: 1_048_575 })),
      body: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 500, maxLength: 1100 })),
      xattrs: fc.array(
        fc.tuple(
          byteString(1, 8).map((name) => `user.${name}`),
          fc.uint8Array({ maxLength: 30 }),
        ),
        { maxLength: 3 },
      ),
    })
    .map((r): TarInput => {
      const isDevice = r.type === 'char' || r.type === 'block'
      return {
        entry: entry(r.path, {
          type: r.type,
          mode: r.mode,
          uid: r.uid,
          gid: r.gid,
          mtimeNs: r.mtimeNs,
          size: r.type === 'file' ? r.body.length : 0,
          ...(r.type === 'symlink' || r.type === 'hardlink' ? { linkTarget: r.linkTarget } : {}),
          devMajor: isDevice ? r.device[0] : 0,
          devMinor: isDevice ? r.device[1] : 0,
          xattrs: new Map(r.xattrs),
        }),
        body: Buffer.from(r.body),
      }
    })

  test('is the identity', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyEntry, { maxLength: 8 }),
        fc.integer({ min: 1, max: 3000 }),
        async (inputs, piece) => {
          const archive = await collect(writeTar(inputs))
          expect(archive.length % 512).toBe(0)
          const back: unknown[] = []
          for await (const member of readTar(inPieces(archive, piece))) {
            back.push([comparable(member.entry), (await member.bytes()).toString('hex')])
          }
          expect(back).toEqual(
            inputs.map((i) => [
              comparable(i.entry),
              i.entry.type === 'file' && Buffer.isBuffer(i.body) ? i.body.toString('hex') : '',
            ]),
          )
        },
      ),
      { numRuns: 300 },
    )
  })

  const comparable = (e: TarEntry): unknown => ({
    ...e,
    mtimeNs: String(e.mtimeNs),
    xattrs: [...e.xattrs].map(([key, value]) => [key, Buffer.from(value).toString('hex')]).sort(),
  })
})

describe('what is written', () => {
  test('a plain entry is a bare ustar header; a fraction of a second costs a pax header', async () => {
    const plain = await collect(writeTar([{ entry: entry('a') }]))
    expect(plain.length).toBe(512 + 1024)
    expect(plain.toString('latin1', 257, 265)).toBe('ustar\x0000')
    expect(plain.subarray(265, 329).every((byte) => byte === 0)).toBe(true)
    const precise = await collect(writeTar([{ entry: entry('a', { mtimeNs: 1_000_000_000_000_000_001n }) }]))
    expect(precise.toString('latin1', 512, 542)).toBe('30 mtime=1000000000.000000001\n')
  })

  test('many small and a few large bodies come out right across chunk borders', async () => {
    const big = Buffer.alloc(3_500_001, 'z')
    writeFileSync(join(directory, 'big'), big)
    const inputs: TarInput[] = []
    for (let i = 0; i < 3000; i++)
      inputs.push({ entry: entry(`f${i}`, { size: i }), body: Buffer.alloc(i, i) })
    inputs.splice(1500, 0, {
      entry: entry('big', { size: big.length }),
      body: { path: join(directory, 'big') },
    })
    let index = 0
    for await (const member of readTar(writeTar(inputs))) {
      const body = await member.bytes()
      const expected = inputs[index++]
      expect(member.entry.path).toBe(expected?.entry.path)
      expect(body.equals(Buffer.isBuffer(expected?.body) ? expected.body : big)).toBe(true)
    }
    expect(index).toBe(3001)
  })

  test('a file shorter than announced is an error, a longer one is cut', async () => {
    const path = join(directory, 'f')
    writeFileSync(path, 'hello')
    await expect(
      collect(writeTar([{ entry: entry('f', { size: 6 }), body: { path } }])),
    ).rejects.toMatchObject({ code: 'ERR_TAR_SOURCE' })
    const cut = await collect(writeTar([{ entry: entry('f', { size: 4 }), body: { path } }]))
    expect(cut.toString('latin1', 512, 520)).toBe('hell\0\0\0\0')
  })

  test('is the same by native reads, file by file and from memory', async () => {
    const sizes = [1, 511, 512, 513, 8000, 256 * 1024, 256 * 1024 + 1, 1024 * 1024, 2_500_000]
    const bodies = [...sizes, 0, ...Array.from({ length: 400 }, (_, i) => 40 * i + 1)].map((size, i) =>
      Buffer.alloc(size, `${i} `),
    )
    const inputs = (bodyOf: (bytes: Buffer, i: number) => TarInput['body']): TarInput[] =>
      bodies.map((bytes, i) => {
        const body = bytes.length === 0 ? undefined : bodyOf(bytes, i)
        return { entry: entry(`f${i}`, { size: bytes.length }), ...(body ? { body } : {}) }
      })
    bodies.forEach((bytes, i) => {
      writeFileSync(join(directory, `f${i}`), bytes)
    })
    const path = (i: number) => join(directory, `f${i}`)
    const state = (i: number) => {
      const { dev, ino, mtimeNs, ctimeNs } = lstatSync(path(i), { bigint: true })
      return { dev, ino, times: { mtimeNs, ctimeNs } }
    }
    const fromMemory = await collect(writeTar(inputs((bytes) => bytes)))
    const byFile = await collect(writeTar(inputs((_, i) => ({ path: path(i) }))))
    const native = testNative()
    const checked = inputs((_, i) => ({ path: path(i), state: state(i) }))
    expect(fromMemory.equals(byFile)).toBe(true)
    expect(fromMemory.equals(await collect(writeTar(checked, { native })))).toBe(true)
    expect(fromMemory.equals(await collect(writeTar(checked)))).toBe(true)
    // Small and large ones alike must be what they were.
    for (const i of [3, 8]) {
      appendFileSync(path(i), '!')
      for (const options of [{}, { native }]) {
        await expect(collect(writeTar(checked.slice(i, i + 1), options))).rejects.toMatchObject({
          code: 'ERR_TAR_SOURCE',
          data: { path: `f${i}` },
        })
      }
    }
  })

  test('a link in place of the file is not followed', async () => {
    execFileSync('ln', ['-s', '/etc/passwd', join(directory, 'l')])
    const path = join(directory, 'l')
    await expect(
      collect(writeTar([{ entry: entry('l', { size: 1 }), body: { path } }])),
    ).rejects.toMatchObject({ code: 'ERR_TAR_SOURCE', data: { path: 'l', errno: 'ELOOP' } })
  })
})

describe.skipIf(!isRoot)('GNU tar reads it to the byte (needs root)', () => {
  test('modes, owners, times, links, devices, attributes, odd names', async () => {
    const capability = Buffer.from('0100000280ff00fe0000000000000000000000ff', 'hex')
    const value = Buffer.from([0, 0xff, 0x0a, 0x3d, 0x80, 0xfe])
    const odd = 'odd \xff\xfe\n"\'é'
    const deep = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(200)}`
    const inputs: TarInput[] = [
      { entry: entry('d', { type: 'directory', mode: 0o1777, mtimeNs: -1_500_000_000n }) },
      {
        entry: entry('d/f', {
          size: 5,
          mode: 0o4755,
          uid: 300_000,
          gid: 3_000_000,
          xattrs: new Map([
            ['security.capability', capability],
            ['user.v=%', value],
          ]),
          mtimeNs: 8_589_934_600_123_456_789n,
        }),
        body: Buffer.from('hello'),
      },
      { entry: entry('d/h', { type: 'hardlink', linkTarget: 'd/f' }) },
      { entry: entry(odd, { size: 1 }), body: Buffer.from('x') },
      { entry: entry('s', { type: 'symlink', linkTarget: `../${'t'.repeat(120)}\xff`, mode: 0o777 }) },
      { entry: entry('c', { type: 'char', devMajor: 300, devMinor: 70_000, mode: 0o600 }) },
      { entry: entry('p', { type: 'fifo' }) },
      { entry: entry(deep, { size: 2 }), body: Buffer.from('ok') },
    ]
    writeFileSync(join(directory, 'a.tar'), await collect(writeTar(inputs)))
    const out = join(directory, 'out')
    mkdirSync(out)
    execFileSync('tar', [
      '--numeric-owner',
      '--xattrs',
      '--xattrs-include=*',
      '-xpf',
      join(directory, 'a.tar'),
      '-C',
      out,
    ])
    const stat = (path: string) => lstatSync(Buffer.from(`${out}/${path}`, 'latin1'), { bigint: true })
    expect(stat('d')).toMatchObject({ mode: BigInt(0o041777), mtimeNs: -1_500_000_000n })
    expect(stat('d/f')).toMatchObject({
      mode: BigInt(0o104755),
      uid: 300_000n,
      gid: 3_000_000n,
      mtimeNs: 8_589_934_600_123_456_789n,
      nlink: 2n,
    })
    expect(stat('d/h').ino).toBe(stat('d/f').ino)
    expect(stat(odd).size).toBe(1n)
    expect(readlinkSync(`${out}/s`, 'latin1')).toBe(`../${'t'.repeat(120)}\xff`)
    expect(
      execFileSync('stat', ['-c', '%t:%T', `${out}/c`])
        .toString()
        .trim(),
    ).toBe('12c:11170')
    expect(stat('p').isFIFO()).toBe(true)
    expect(readFileSync(`${out}/${deep}`, 'utf8')).toBe('ok')
    const dump = execFileSync('getfattr', [
      '-d',
      '-m-',
      '-e',
      'hex',
      '--absolute-names',
      `${out}/d/f`,
    ]).toString()
    expect(dump).toContain(`security.capability=0x${capability.toString('hex')}`)
    expect(dump).toContain(`user.v\\075%=0x${value.toString('hex')}`)
    chmodSync(`${out}/d`, 0o755)
  })
})
