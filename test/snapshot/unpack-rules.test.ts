// The rules for layers nobody vouches for: nothing outside the layer's directory changes, and what cannot
// mean anything good is refused.
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
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { defaultLayerLimits, type LayerLimits } from '../../src/layer/apply-layer.ts'
import { encodeHeader } from '../../src/layer/tar-encode.ts'
import { readXattrs } from '../../src/sys/scan.ts'
import { tarBlock, tarFile, tarOf } from '../layer/tar-fixture.ts'
import { isRoot, testNative } from '../sys/native.ts'
import { unpackTar } from './layer-fixture.ts'
import { describeTree } from './tree-fixture.ts'

const native = testNative()

let base: string
let layer: string
let canary: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'slipway-unpack-'))
  layer = join(base, 'layer')
  canary = join(base, 'canary')
  mkdirSync(canary)
  writeFileSync(join(canary, 'secret'), 'unchanged', { mode: 0o600 })
  linkSync(join(canary, 'secret'), join(canary, 'other-name'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const directory = (name: string, mode = 0o755): Buffer => tarBlock({ name, typeflag: '5', mode })
const symlink = (name: string, linkName: string): Buffer => tarBlock({ name, linkName, typeflag: '2' })
const hardlink = (name: string, linkName: string): Buffer => tarBlock({ name, linkName, typeflag: '1' })
const whiteout = (name: string): Buffer => tarBlock({ name })

describe.skipIf(!isRoot)('hostile layers (needs root)', () => {
  const cases: Record<string, (outside: string) => Buffer[]> = {
    'a name with ..': () => [tarFile('../canary/secret', 'evil'), tarFile('a/../../canary/new', 'evil')],
    'an absolute name': (outside) => [tarFile(`${outside}/secret`, 'evil')],
    'a file through a relative link': () => [symlink('l', '../canary'), tarFile('l/secret', 'evil')],
    'a file through an absolute link': (outside) => [symlink('l', outside), tarFile('l/secret', 'evil')],
    'a file through a chain of links': () => [
      symlink('a', '..'),
      symlink('b', 'a/..'),
      symlink('c', 'b/../canary'),
      tarFile('c/secret', 'evil'),
      tarFile('a/canary/secret', 'evil'),
    ],
    'a file where a link already is': (outside) => [symlink('l', `${outside}/secret`), tarFile('l', 'evil')],
    'metadata of a directory through a link': (outside) => [
      symlink('l', outside),
      directory('l/', 0o777),
      directory('l/.', 0o777),
    ],
    'a link in place of a parent between two files': () => [
      directory('d'),
      tarFile('d/x', '1'),
      symlink('d', '../canary'),
      tarFile('d/secret', 'evil'),
    ],
    'a hard link to a name with ..': () => [hardlink('h', '../canary/secret'), tarFile('h', 'evil')],
    'a hard link to an absolute name': (outside) => [
      hardlink('h', `${outside}/secret`),
      tarFile('h', 'evil'),
    ],
    'a hard link to a link': (outside) => [
      symlink('l', `${outside}/secret`),
      hardlink('h', 'l'),
      tarFile('h', 'evil'),
    ],
    'a hard link through a link': (outside) => [symlink('l', outside), hardlink('h', 'l/secret')],
    'a device through a link': (outside) => [
      symlink('l', outside),
      tarBlock({ name: 'l/null', typeflag: '3', devMajor: 1, devMinor: 3 }),
    ],
    'a whiteout through a link': (outside) => [
      symlink('l', outside),
      whiteout('l/.wh.secret'),
      whiteout('../canary/.wh.secret'),
    ],
    'an opaque mark through a link': (outside) => [
      symlink('l', outside),
      whiteout('l/.wh..wh..opq'),
      whiteout('../canary/.wh..wh..opq'),
    ],
    'a link as the root': (outside) => [
      tarBlock({ name: '.', typeflag: '2', linkName: outside }),
      tarFile('secret', 'evil'),
    ],
    'a file as the root': () => [tarFile('./', 'evil'), tarFile('.', 'evil')],
    'a whiteout of the parent': () => [whiteout('.wh...'), whiteout('.wh..')],
    'a link that climbs far above the root': (outside) => [
      symlink('l', `./../../../../../../../../../..${outside}`),
      tarFile('l/secret', 'evil'),
    ],
  }

  test.each(Object.entries(cases))('%s changes nothing outside', async (_name, members) => {
    const before = describeTree(canary, native)
    const around = readdirSync(base)
    const refused = await unpackTar(layer, tarOf(...members(canary)), { native }).then(
      () => false,
      (thrown) => {
        expect(thrown).toMatchObject({ name: 'SlipwayError' })
        expect(thrown.message).not.toContain('\n')
        return true
      },
    )
    expect(describeTree(canary, native)).toEqual(before)
    expect(readdirSync(base)).toEqual([...around, 'layer'].sort())
    expect(lstatSync(layer).isDirectory()).toBe(true)
    expect(refused || readdirSync(layer).length > 0).toBe(true)
  })

  test('a hard link to a file of the host that the layers do not have is refused', async () => {
    await expect(unpackTar(layer, tarOf(hardlink('h', '/etc/passwd')), { native })).rejects.toMatchObject({
      code: 'ERR_LAYER_LINK',
    })
  })

  test('attributes that would steer overlayfs or the host are dropped, others kept', async () => {
    const entry = {
      path: 'd',
      type: 'directory' as const,
      mode: 0o755,
      uid: 0,
      gid: 0,
      size: 0,
      mtimeNs: 0n,
      devMajor: 0,
      devMinor: 0,
      xattrs: new Map<string, Uint8Array>([
        ['trusted.overlay.opaque', Buffer.from('y')],
        ['trusted.overlay.redirect', Buffer.from('/etc')],
        ['trusted.x', Buffer.from('x')],
        ['user.overlay.opaque', Buffer.from('y')],
        ['security.selinux', Buffer.from('x')],
        ['security.ima', Buffer.from('x')],
        ['user.kept', Buffer.from([0, 0xff])],
      ]),
    }
    await unpackTar(layer, tarOf(encodeHeader(entry)), { native })
    expect(readXattrs(join(layer, 'd'), native).map(([name, value]) => [name, [...value]])).toEqual([
      ['user.kept', [0, 0xff]],
    ])
  })

  test('a device that overlayfs would take for a whiteout is dropped', async () => {
    await unpackTar(
      layer,
      tarOf(
        tarBlock({ name: 'c', typeflag: '3' }),
        tarBlock({ name: 'n', typeflag: '3', devMajor: 1, devMinor: 3 }),
      ),
      { native },
    )
    expect(readdirSync(layer)).toEqual(['n'])
  })
})

describe.skipIf(!isRoot)('damaged layers (needs root)', () => {
  const archive = tarOf(tarFile('a', 'hello'), tarFile('b', 'x'.repeat(5000)))
  const diffId = digestOf(archive)

  test('another content than the config promises', async () => {
    await expect(unpackTar(layer, archive, { native, diffId: digestOf('other') })).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
      data: { expected: digestOf('other'), found: diffId },
    })
  })

  test('another size than promised', async () => {
    await expect(unpackTar(layer, archive, { native, expectedSize: 1 })).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
  })

  test('bytes behind the archive count for the digest', async () => {
    const longer = Buffer.concat([archive, Buffer.alloc(512)])
    await expect(unpackTar(layer, longer, { native, diffId })).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
    await unpackTar(join(base, 'second'), longer, { native })
  })

  test.each([20, 40, -9, -1])('gzip cut off at %d', async (length) => {
    const packed = gzipSync(archive)
    await expect(unpackTar(layer, packed.subarray(0, length), { native, diffId })).rejects.toMatchObject({
      code: 'ERR_DECOMPRESS_CORRUPT',
    })
  })

  test('gzip with a flipped bit', async () => {
    const packed = gzipSync(archive)
    for (let at = 10; at < packed.length; at += 7) {
      const damaged = Buffer.from(packed)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      await expect(unpackTar(join(base, `l${at}`), damaged, { native, diffId })).rejects.toMatchObject({
        name: 'SlipwayError',
      })
    }
  })

  test('a plain archive cut off', async () => {
    const cut = archive.subarray(0, 3000)
    await expect(unpackTar(layer, cut, { native, diffId })).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    })
    // Even if somebody made a config to match.
    await expect(unpackTar(join(base, 'second'), cut, { native })).rejects.toMatchObject({
      code: 'ERR_TAR_TRUNCATED',
    })
  })

  test('more than the limits allow', async () => {
    const limits = { ...defaultLayerLimits, archiveBytes: 4096 }
    await expect(unpackTar(layer, archive, { native, limits })).rejects.toMatchObject({
      code: 'ERR_DECOMPRESS_LIMIT',
    })
    await expect(
      unpackTar(join(base, 'b'), archive, { native, limits: { ...defaultLayerLimits, entries: 1 } }),
    ).rejects.toMatchObject({ code: 'ERR_TAR_LIMIT' })
  })

  test('names that would fill the memory', async () => {
    // A GNU long name, as tar writes names of more than 100 bytes.
    const longName = (name: string): Buffer[] => [
      tarFile('././@LongLink', `${name}\0`, { typeflag: 'L' }),
      tarFile('x', 'x'),
    ]
    const refuse = async (where: string, limits: LayerLimits, ...members: Buffer[]): Promise<void> => {
      await expect(unpackTar(join(base, where), tarOf(...members), { native, limits })).rejects.toMatchObject(
        { code: 'ERR_TAR_LIMIT', message: expect.not.stringContaining('\n') },
      )
    }
    await refuse('one', defaultLayerLimits, ...longName('d/'.repeat(400_000)))
    const few = { ...defaultLayerLimits, allNameBytes: 1000 }
    await refuse('all', few, ...Array.from({ length: 20 }, (_, i) => whiteout(`.wh.${'n'.repeat(50)}${i}`)))
    // Short enough itself, but not with all the paths of its directories.
    const little = { ...defaultLayerLimits, impliedBytes: 10_000 }
    const deep = tarOf(...longName(`${'d/'.repeat(150)}f`))
    await expect(unpackTar(join(base, 'deep'), deep, { native, limits: little })).rejects.toMatchObject({
      code: 'ERR_FILES_TOO_MANY',
    })
  })
})

describe.skipIf(!isRoot)('what whiteouts do to the same layer and to those below (needs root)', () => {
  let lower: string
  beforeEach(async () => {
    lower = join(base, 'lower')
    await unpackTar(
      lower,
      tarOf(
        directory('./', 0o711),
        directory('d', 0o750),
        tarFile('d/old', 'old'),
        directory('e', 0o2775),
        tarFile('f', 'f', { mode: 0o4755 }),
        symlink('s', 'f'),
      ),
      { native },
    )
  })
  const raw = (): Record<string, string> => describeTree(layer, native, { times: false, raw: true })
  const apply = (...members: Buffer[]): Promise<void> =>
    unpackTar(layer, tarOf(...members), { native, lower: [lower] })

  test('a whiteout becomes a 0:0 device, its parent keeps what it is below', async () => {
    await apply(whiteout('d/.wh.old'), whiteout('.wh.f'))
    expect(raw()).toEqual({
      '': 'directory 711 0:0',
      d: 'directory 750 0:0',
      'd/old': 'char 600 0:0 0,0',
      f: 'char 600 0:0 0,0',
    })
  })

  test.each([
    ['before', [whiteout('.wh.d'), directory('d', 0o700), tarFile('d/new', 'new')]],
    ['behind', [directory('d', 0o700), tarFile('d/new', 'new'), whiteout('.wh.d')]],
  ])('deleted and made again, the whiteout %s it: an opaque directory', async (_where, members) => {
    await apply(...members)
    expect(raw()).toMatchObject({
      d: expect.stringMatching(/^directory 700 .* opaque$/),
      'd/new': expect.stringMatching(/new$/),
    })
  })

  test('made again as a file: simply the file', async () => {
    await apply(tarFile('d', 'now a file'), whiteout('.wh.d'))
    expect(raw().d).toBe('file 644 0:0 now a file')
  })

  test.each([
    ['first', [whiteout('d/.wh..wh..opq'), directory('d', 0o700), tarFile('d/new', 'n')]],
    ['last', [directory('d', 0o700), tarFile('d/new', 'n'), whiteout('d/.wh..wh..opq')]],
  ])('an opaque mark counts for lower layers only, standing %s', async (_where, members) => {
    await apply(...members)
    expect(raw()).toMatchObject({ d: expect.stringMatching(/ opaque$/), 'd/new': 'file 644 0:0 n' })
  })

  test('an opaque mark for a directory the layer does not mention keeps its metadata', async () => {
    await apply(whiteout('d/.wh..wh..opq'))
    expect(raw().d).toMatch(/^directory 750 .* opaque$/)
  })

  test('an opaque root hides every name below', async () => {
    await apply(whiteout('.wh..wh..opq'), tarFile('f', 'new'), directory('e'))
    expect(raw()).toMatchObject({
      d: 'char 600 0:0 0,0',
      s: 'char 600 0:0 0,0',
      f: 'file 644 0:0 new',
      e: expect.stringMatching(/ opaque$/),
    })
  })

  test('a whiteout of something that exists nowhere makes no directories', async () => {
    await apply(whiteout('no/where/.wh.x'), whiteout('f/.wh.x'))
    expect(Object.keys(raw())).toEqual([''])
  })

  test('directories the archive leaves out look as they do below, new ones are plain', async () => {
    await apply(tarFile('e/x/y', '1'))
    expect(raw()).toMatchObject({
      '': 'directory 711 0:0',
      e: 'directory 2775 0:0',
      'e/x': 'directory 755 0:0',
    })
    expect(lstatSync(join(layer, 'e')).mtimeMs).toBe(1_000_000_000_000)
    expect(lstatSync(join(layer, 'e/x')).mtimeMs).toBe(0)
  })

  test('times of directories survive whiteouts put into them', async () => {
    await apply(directory('d'), whiteout('d/.wh.old'))
    expect(lstatSync(join(layer, 'd')).mtimeMs).toBe(1_000_000_000_000)
  })

  test('a hard link into a lower layer copies the file up once', async () => {
    await apply(hardlink('g', 'f'), hardlink('e/h', 'g'), hardlink('i', '/d/old'))
    const found = raw()
    expect(found.f).toBe('file 4755 0:0 f = e/h')
    expect(found.g).toBe('file 4755 0:0 f = e/h')
    expect(found['d/old']).toBe('file 644 0:0 old = d/old')
    expect(found.d).toBe('directory 750 0:0')
    expect(lstatSync(join(layer, 'g')).nlink).toBe(3)
  })

  test('a hard link to a link of a lower layer is a link, too', async () => {
    await apply(hardlink('t', 's'))
    expect(raw().s).toBe('symlink 777 0:0 -> f = s')
    expect(readlinkSync(join(layer, 't'))).toBe('f')
  })

  test('a hard link that stands before its target is made', async () => {
    await apply(hardlink('a', 'z'), tarFile('z', 'zz'))
    expect(raw().z).toBe('file 644 0:0 zz = a')
  })

  test('a hard link to a link is a second name of the link', async () => {
    await apply(symlink('l', 'nowhere'), hardlink('m', 'l'))
    expect(readlinkSync(join(layer, 'm'))).toBe('nowhere')
  })

  test('the lower layer is not touched', async () => {
    const before = describeTree(lower, native, { raw: true })
    await apply(whiteout('.wh.d'), tarFile('f', 'x'), hardlink('k', 'd/old'), directory('e', 0o700))
    expect(describeTree(lower, native, { raw: true })).toEqual(before)
    expect(readFileSync(join(lower, 'f'), 'utf8')).toBe('f')
    expect(existsSync(join(layer, 'k'))).toBe(true)
  })
})
