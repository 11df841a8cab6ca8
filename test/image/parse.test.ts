import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { SlipwayError } from '../../src/core/error.ts'
import { mediaType } from '../../src/core/media-type.ts'
import { encodeConfig, encodeIndex, encodeManifest } from '../../src/image/encode.ts'
import { parseConfig, parseDocument, parseIndex, parseManifest } from '../../src/image/parse.ts'

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const blob = { mediaType: mediaType.ociLayerGzip, digest: digestOf('layer'), size: 5 }
const manifest = {
  schemaVersion: 2,
  mediaType: mediaType.ociManifest,
  config: { mediaType: mediaType.ociConfig, digest: digestOf('config'), size: 6 },
  layers: [blob],
  annotations: { a: 'b' },
}
const index = {
  schemaVersion: 2,
  mediaType: mediaType.ociIndex,
  manifests: [
    {
      ...blob,
      mediaType: mediaType.ociManifest,
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
    },
  ],
}
const config = {
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [digestOf('diff')] },
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run()
  } catch (thrown) {
    if (thrown instanceof SlipwayError) return thrown.code
    throw thrown
  }
  return undefined
}

describe('manifests and indexes', () => {
  test('OCI and docker documents are read', () => {
    expect(parseManifest(bytes(manifest))).toEqual(manifest)
    expect(parseManifest(bytes({ ...manifest, mediaType: mediaType.dockerManifest })).layers).toEqual([blob])
    expect(parseIndex(bytes(index))).toEqual(index)
    expect(parseIndex(bytes({ ...index, mediaType: mediaType.dockerList })).manifests).toEqual(
      index.manifests,
    )
  })

  test('without a media type of its own the shape and the claim decide', () => {
    const { mediaType: _m, ...bare } = manifest
    expect(parseDocument(bytes(bare))).toMatchObject({ kind: 'manifest', mediaType: mediaType.ociManifest })
    expect(parseDocument(bytes(bare), `${mediaType.dockerManifest}; charset=utf-8`).mediaType).toBe(
      mediaType.dockerManifest,
    )
    expect(parseDocument(bytes(bare), 'application/octet-stream').mediaType).toBe(mediaType.ociManifest)
    const { mediaType: _i, ...bareIndex } = index
    expect(parseDocument(bytes(bareIndex))).toMatchObject({ kind: 'index', mediaType: mediaType.ociIndex })
  })

  test.each([
    ['both shapes at once', { ...manifest, manifests: [] }],
    ['an index with a config', { ...index, config: manifest.config }],
    ['a manifest that calls itself an index', { ...manifest, mediaType: mediaType.ociIndex }],
    ['an index that calls itself a manifest', { ...index, mediaType: mediaType.ociManifest }],
    ['no schema version', { ...manifest, schemaVersion: undefined }],
    ['no config', { ...manifest, config: undefined }],
    ['layers that are no list', { ...manifest, layers: {} }],
    ['a negative size', { ...manifest, layers: [{ ...blob, size: -1 }] }],
    ['a size that is no integer', { ...manifest, layers: [{ ...blob, size: 1.5 }] }],
    ['a size beyond 2^53', { ...manifest, layers: [{ ...blob, size: 2 ** 60 }] }],
    ['a size in quotes', { ...manifest, layers: [{ ...blob, size: '5' }] }],
    ['a media type with a line end', { ...manifest, layers: [{ ...blob, mediaType: 'a\r\nb: c' }] }],
    ['annotations that are no strings', { ...manifest, annotations: { a: 1 } }],
    ['more layers than can be stacked', { ...manifest, layers: Array(513).fill(blob) }],
    ['null', 'null'],
    ['a list', []],
    ['no JSON', '{"schemaVersion":2'],
  ])('%s: refused', (_name, value) => {
    expect(codeOf(() => parseDocument(bytes(value)))).toBe('ERR_MANIFEST_INVALID')
  })

  test.each(['../../etc/passwd', 'sha256:ABC', `sha512:${'0'.repeat(128)}`, `sha256:${'0'.repeat(63)}`, 7])(
    'the digest %j is refused',
    (digest) => {
      expect(codeOf(() => parseManifest(bytes({ ...manifest, layers: [{ ...blob, digest }] })))).toMatch(
        /_INVALID$/,
      )
    },
  )

  test('a transport that claims another kind is refused', () => {
    expect(codeOf(() => parseDocument(bytes(manifest), mediaType.ociIndex))).toBe('ERR_MANIFEST_INVALID')
    expect(codeOf(() => parseDocument(bytes(manifest), mediaType.dockerManifest))).toBe(
      'ERR_MANIFEST_INVALID',
    )
    expect(codeOf(() => parseIndex(bytes(manifest)))).toBe('ERR_MANIFEST_INVALID')
    expect(codeOf(() => parseManifest(bytes(index)))).toBe('ERR_MANIFEST_INVALID')
  })

  test('schema 1 is refused with a way out', () => {
    const schema1 = { schemaVersion: 1, name: 'x', fsLayers: [] }
    expect(() => parseManifest(bytes(schema1))).toThrow(/schema 1/)
    const claimed = () =>
      parseManifest(bytes({}), 'application/vnd.docker.distribution.manifest.v1+prettyjws')
    expect(codeOf(claimed)).toBe('ERR_MANIFEST_UNSUPPORTED')
    expect(codeOf(() => parseManifest(bytes({ ...manifest, mediaType: 'application/json' })))).toBe(
      'ERR_MANIFEST_UNSUPPORTED',
    )
  })

  test('size, depth and encoding are bounded before the JSON is looked at', () => {
    expect(codeOf(() => parseManifest(Buffer.alloc((4 << 20) + 1, ' ')))).toBe('ERR_MANIFEST_INVALID')
    expect(codeOf(() => parseManifest(bytes('['.repeat(100_000))))).toBe('ERR_MANIFEST_INVALID')
    expect(codeOf(() => parseManifest(Buffer.from([0x7b, 0xff, 0x7d])))).toBe('ERR_MANIFEST_INVALID')
    // Brackets inside strings are no nesting.
    expect(
      parseManifest(bytes({ ...manifest, annotations: { a: '['.repeat(200), b: '\\"{' } })).annotations,
    ).toBeDefined()
  })

  test('no bytes at all make the parser fail in another way', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(codeOf(() => parseDocument(bytes(text)))).toMatch(/^ERR_/)
        expect(codeOf(() => parseConfig(bytes(text)))).toMatch(/^ERR_/)
      }),
    )
  })

  test('what is encoded is read back', () => {
    expect(parseManifest(encodeManifest(parseManifest(bytes(manifest))).bytes)).toEqual(manifest)
    expect(parseIndex(encodeIndex(parseIndex(bytes(index))).bytes)).toEqual(index)
  })
})

describe('configs', () => {
  test('unknown members are kept, at the top and inside', () => {
    const odd = { ...config, 'moby.buildkit.cache.v0': 'x', config: { Cmd: ['a'], Hostname: 'h', Memory: 0 } }
    expect(parseConfig(bytes(odd))).toEqual(odd)
  })

  test('null means nothing, as Go writes it', () => {
    const nulls = { ...config, history: null, config: { Cmd: null, Volumes: null, Labels: null, User: '' } }
    expect(parseConfig(bytes(nulls))).toEqual({ ...config, config: { User: '' } })
    expect(parseConfig(bytes({ ...config, config: null }))).toEqual(config)
    expect(
      parseConfig(bytes({ ...config, rootfs: { type: 'layers', diff_ids: null } })).rootfs.diff_ids,
    ).toEqual([])
  })

  test('names like __proto__ are names', () => {
    const text = JSON.stringify({ ...config, config: { Labels: {} } }).replace(
      '"Labels":{}',
      '"Labels":{"__proto__":"x"}',
    )
    const { Labels } = parseConfig(bytes(text)).config ?? {}
    expect(Object.keys(Labels ?? {})).toEqual(['__proto__'])
    expect(encodeConfig(parseConfig(bytes(text))).bytes.toString()).toContain('"__proto__":"x"')
  })

  test.each([
    ['no architecture', { ...config, architecture: undefined }],
    ['an empty os', { ...config, os: '' }],
    ['no rootfs', { ...config, rootfs: undefined }],
    ['a rootfs of another type', { ...config, rootfs: { type: 'x', diff_ids: [] } }],
    ['Env that is no list', { ...config, config: { Env: 'A=b' } }],
    ['Cmd of numbers', { ...config, config: { Cmd: [1] } }],
    ['Labels of numbers', { ...config, config: { Labels: { a: 1 } } }],
    ['a User that is a number', { ...config, config: { User: 0 } }],
    ['history that is no list', { ...config, history: {} }],
    ['a history entry that is no object', { ...config, history: ['x'] }],
    ['an empty_layer that is a string', { ...config, history: [{ empty_layer: 'true' }] }],
    ['a healthcheck interval that is a string', { ...config, config: { Healthcheck: { Interval: '1s' } } }],
  ])('%s: refused', (_name, value) => {
    expect(codeOf(() => parseConfig(bytes(value)))).toBe('ERR_CONFIG_INVALID')
  })
})
