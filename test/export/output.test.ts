import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SlipwayError } from '../../src/core/error.ts'
import { checkOutput } from '../../src/export/check-output.ts'
import { parseOutput } from '../../src/export/output.ts'
import { gzipForm } from './sample.ts'

describe('-o', () => {
  test.each([
    ['out', { type: 'local', dest: 'out' }],
    ['-', { type: 'tar', dest: '-' }],
    ['type=local,dest=a', { type: 'local', dest: 'a' }],
    ['type=local,"dest=a,b"', { type: 'local', dest: 'a,b' }],
    ['type=local,"dest=a""b"', { type: 'local', dest: 'a"b' }],
    ['type=tar,dest=-', { type: 'tar', dest: '-' }],
    ['type=tar', { type: 'tar', dest: '-' }],
    ['type=oci,dest=', { type: 'oci', dest: '-', names: [], tar: true, form: gzipForm }],
    ['type=cacheonly', { type: 'cacheonly' }],
    ['TYPE=oci,dest=a=b.tar', { type: 'oci', dest: 'a=b.tar', names: [], tar: true, form: gzipForm }],
    [
      'type=oci,tar=false,dest=d,compression=zstd,compression-level=19,force-compression=true',
      {
        type: 'oci',
        dest: 'd',
        names: [],
        tar: false,
        form: { ...gzipForm, compression: 'zstd', compressionLevel: 19, forceCompression: true },
      },
    ],
    [
      'type=docker,dest=-,name=app',
      {
        type: 'docker',
        dest: '-',
        names: ['docker.io/library/app:latest'],
        form: { ...gzipForm, withoutZstd: true },
      },
    ],
    [
      'type=image,"name=app:1,host:5000/x:2",push=true,annotation.Key=v,annotation-manifest.b=c',
      {
        type: 'image',
        names: ['docker.io/library/app:1', 'host:5000/x:2'],
        push: true,
        store: 'complete',
        form: { ...gzipForm, annotations: { Key: 'v', b: 'c' } },
      },
    ],
    [
      'type=registry,oci-mediatypes=0',
      {
        type: 'image',
        names: [],
        push: true,
        store: 'complete',
        form: { ...gzipForm, mediaTypes: 'docker', withoutZstd: true },
      },
    ],
    ['type=registry,store=true', { type: 'image', names: [], push: true, store: true, form: gzipForm }],
    [
      'type=image,unpack=false,rewrite-timestamp=false',
      { type: 'image', names: [], push: false, store: true, form: gzipForm },
    ],
  ])('%s', (text, output) => {
    expect(parseOutput(text)).toEqual(output)
  })

  test.each([
    ['', 'it is empty'],
    ['dest=a', 'type is missing'],
    ['type=nfs,dest=a', 'unknown type "nfs"'],
    ['type=local', 'dest is missing'],
    ['type=oci,tar=false,dest=', 'dest is missing'],
    ['type=oci,dest=a,dest=b', 'dest is given twice'],
    ['type=oci,dest=a,colour=red', 'unknown key "colour" for type=oci'],
    ['type=local,dest=a,compression=gzip', 'unknown key "compression" for type=local'],
    ['type=local,dest=-', 'a directory cannot be written to standard output'],
    ['type=oci,dest=a,tar=maybe', 'tar must be true or false, not "maybe"'],
    ['type=oci,dest=a,compression=lz4', 'unknown compression "lz4"'],
    ['type=oci,dest=a,compression-level=10', 'compression-level must be 0 to 9, not "10"'],
    ['type=oci,dest=a,compression=uncompressed,compression-level=1', 'compression-level makes no sense'],
    ['type=oci,dest=a,oci-mediatypes=false,compression=zstd', 'docker media types have no zstd'],
    [`type=oci,dest=a,name=a@sha256:${'0'.repeat(64)}`, 'has a digest'],
    ['type=oci,dest', '"dest" is not of the form key=value'],
    ['type=oci,"dest=a', 'misplaced double quote'],
    ['type=oci,dest=a"b', 'misplaced double quote'],
  ])('%s is refused: %s', (text, reason) => {
    expect(() => parseOutput(text)).toThrow(expect.objectContaining({ code: 'ERR_OUTPUT_INVALID' }))
    expect(() => parseOutput(text)).toThrow(reason)
  })

  test.each([
    ['type=image,push-by-digest=true', 'push-by-digest=true'],
    ['type=image,unpack=true', 'unpack=true'],
    ['type=oci,dest=a,rewrite-timestamp=true', 'rewrite-timestamp=true'],
    ['type=oci,dest=a,compression=estargz', 'compression=estargz'],
    ['type=docker,dest=a,compression=zstd', 'compression=zstd'],
    ['type=docker,dest=a,tar=false', 'tar=false'],
    ['type=oci,dest=a,annotation-index.k=v', 'annotation-index.k=v'],
    ['type=local,dest=a,mode=delete', 'mode=delete'],
  ])('%s names what is not supported', (text, what) => {
    expect(() => parseOutput(text)).toThrow(expect.objectContaining({ code: 'ERR_OUTPUT_UNSUPPORTED' }))
    expect(() => parseOutput(text)).toThrow(what)
  })

  test('any text is an output or an error of one line', () => {
    const piece = fc.constantFrom('type=', 'oci', 'local', ',', '"', 'dest=', 'x', '=', 'name=', 'push', ' ')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((all) => all.join('')),
        ),
        (text) => {
          try {
            parseOutput(text)
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(SlipwayError)
            expect((thrown as SlipwayError).message).not.toContain('\n')
          }
        },
      ),
    )
  })
})

describe('before the build', () => {
  let root = ''
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'slipway-check-'))
    await writeFile(`${root}/file`, '')
    await mkdir(`${root}/empty`)
    await mkdir(`${root}/full`)
    await writeFile(`${root}/full/x`, '')
    await mkdir(`${root}/layout`)
    await writeFile(`${root}/layout/index.json`, '{}')
  })
  afterAll(() => rm(root, { recursive: true }))
  const check = (text: string, stdoutIsTerminal = false) =>
    checkOutput(parseOutput(text), { stdoutIsTerminal })

  test('what can be written passes', async () => {
    await check('type=image')
    await check('type=cacheonly')
    await check('-')
    await check(`type=oci,dest=${root}/new.tar`)
    await check(`type=oci,dest=${root}/file`)
    await check(`type=oci,tar=false,dest=${root}/empty`)
    await check(`type=oci,tar=false,dest=${root}/layout`)
    await check(`type=oci,tar=false,dest=${root}/a/b/c`)
    await check(`${root}/full`)
    await check(`${root}/deep/er`)
  })

  test.each([
    ['an archive on a terminal', '-', 'ERR_OUTPUT_TERMINAL'],
    ['an archive in a missing directory', 'type=tar,dest=ROOT/none/a.tar', 'ERR_OUTPUT_WRITE'],
    ['an archive where a directory is', 'type=docker,dest=ROOT/empty', 'ERR_OUTPUT_EXISTS'],
    ['a directory where a file is', 'ROOT/file', 'ERR_OUTPUT_EXISTS'],
    ['a directory below a file', 'ROOT/file/x', 'ERR_OUTPUT_WRITE'],
    ['a layout among other files', 'type=oci,tar=false,dest=ROOT/full', 'ERR_OUTPUT_EXISTS'],
  ])('%s is refused', async (_name, text, code) => {
    await expect(check(text.replace('ROOT', root), true)).rejects.toMatchObject({ code })
  })
})
