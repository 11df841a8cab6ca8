import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { mediaType } from '../../src/core/media-type.ts'
import { assemble } from '../../src/image/assemble.ts'
import { encodeConfig } from '../../src/image/encode.ts'
import { historyRows, inspectImage } from '../../src/image/inspect.ts'
import { describeImage, replaceLayers } from '../../src/image/manifest.ts'
import { parseConfig, parseManifest } from '../../src/image/parse.ts'
import type { History, ImageLayer, PlannedHistory, PlannedImage } from '../../src/image/types.ts'

function layer(name: string, created?: string): ImageLayer {
  const diffId = digestOf(name)
  const descriptor = { mediaType: mediaType.ociLayer, digest: diffId, size: name.length }
  return { diffId, descriptor, ...(created === undefined ? {} : { created }) }
}

function planned(
  history: readonly PlannedHistory[],
  base: readonly History[] = [],
  baseLayers = 0,
): PlannedImage {
  return {
    baseLayers,
    baseHistory: base,
    history,
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: [] },
    },
  }
}

const run = { created_by: 'RUN x # buildkit', comment: 'buildkit.dockerfile.v0', layer: true }
const env = { created_by: 'ENV A=b', comment: 'buildkit.dockerfile.v0', layer: false }

describe('assemble', () => {
  test('history, times and layers of a build on a base image', () => {
    const base = [{ created: '2020-01-01T00:00:00Z', created_by: 'base' }]
    const image = assemble(planned([env, run, env, run], base, 1), [
      layer('base'),
      layer('one', '2026-01-01T00:00:00Z'),
      layer('two', '2026-01-02T00:00:00Z'),
    ])
    expect(image.config.history).toEqual([
      base[0],
      // Before the first new layer: dated like that one, not like the base.
      { created: '2026-01-01T00:00:00Z', created_by: 'ENV A=b', comment: env.comment, empty_layer: true },
      { created: '2026-01-01T00:00:00Z', created_by: run.created_by, comment: run.comment },
      { created: '2026-01-01T00:00:00Z', created_by: 'ENV A=b', comment: env.comment, empty_layer: true },
      { created: '2026-01-02T00:00:00Z', created_by: run.created_by, comment: run.comment },
    ])
    expect(image.config.created).toBe('2026-01-02T00:00:00Z')
    expect(image.config.rootfs.diff_ids).toEqual(['base', 'one', 'two'].map(digestOf))
  })

  test('only metadata on a base image: its time is the base image’s, so a rebuild is the same image', () => {
    const base = [{ created: '2020-01-01T00:00:00Z' }, { created: '2021-01-01T00:00:00Z', empty_layer: true }]
    const image = assemble(planned([env], base, 1), [layer('base')])
    expect(image.config.created).toBe('2021-01-01T00:00:00Z')
    expect(image.config.history?.at(-1)?.created).toBe('2021-01-01T00:00:00Z')
  })

  test('nothing has a time: none is made up', () => {
    const image = assemble(planned([env]), [])
    expect(image.config).not.toHaveProperty('created')
    expect(image.config.history).toEqual([{ created_by: 'ENV A=b', comment: env.comment, empty_layer: true }])
  })

  test('a pinned epoch dates everything new and leaves the base alone', () => {
    const base = [{ created: '2030-01-01T00:00:00Z' }]
    const image = assemble(
      planned([run, env], base, 1),
      [layer('base'), layer('one', '2026-01-01T00:00:00Z')],
      {
        epoch: '1970-01-01T00:00:00Z',
      },
    )
    expect(image.config.created).toBe('1970-01-01T00:00:00Z')
    expect(image.config.history?.map((entry) => entry.created)).toEqual([
      '2030-01-01T00:00:00Z',
      '1970-01-01T00:00:00Z',
      '1970-01-01T00:00:00Z',
    ])
  })

  test('a base history that does not account for its layers is completed, one that claims more is cut down', () => {
    const short = assemble(planned([run], [], 2), [layer('a'), layer('b'), layer('c', 't')])
    expect(short.config.history?.filter((entry) => !entry.empty_layer)).toHaveLength(3)
    const long = assemble(planned([run], [{}, {}, {}], 1), [layer('a'), layer('c', 't')])
    expect(long.config.history?.map((entry) => entry.empty_layer === true)).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  test('a wrong number of layers is a bug', () => {
    expect(() => assemble(planned([run]), [])).toThrow(/bug in slipway/)
  })

  test('history and layers always agree', () => {
    const entry = fc.record({ empty_layer: fc.boolean() })
    fc.assert(
      fc.property(fc.array(entry), fc.nat(5), fc.array(fc.boolean()), (base, baseLayers, steps) => {
        const history = steps.map((isLayer) => ({ created_by: 'x', layer: isLayer }))
        const fresh = steps.filter(Boolean).length
        const layers = Array.from({ length: baseLayers + fresh }, (_, i) =>
          layer(`${i}`, i < baseLayers ? undefined : '2026-01-01T00:00:00Z'),
        )
        const { config } = assemble(planned(history, base, baseLayers), layers)
        expect(config.history?.filter((found) => !found.empty_layer)).toHaveLength(layers.length)
        const again = parseConfig(encodeConfig(config).bytes)
        expect(encodeConfig(again).descriptor).toEqual(encodeConfig(config).descriptor)
      }),
    )
  })
})

describe('documents', () => {
  test('a config is written in the order of docker’s tools, whatever order its members had', () => {
    const config = {
      os: 'linux',
      rootfs: { type: 'layers' as const, diff_ids: [] },
      config: { Labels: { b: '1', a: '2' }, Cmd: ['sh'], Env: ['A=b'], User: '', OnBuild: [], Volumes: {} },
      created: '2026-01-01T00:00:00Z',
      architecture: 'amd64',
      history: [{ comment: 'c', empty_layer: true, created_by: 'x', created: 't' }],
      variant: 'v1',
    }
    expect(encodeConfig(config).bytes.toString()).toBe(
      '{"architecture":"amd64","config":{"Env":["A=b"],"Cmd":["sh"],"Labels":{"a":"2","b":"1"}},' +
        '"created":"2026-01-01T00:00:00Z","history":[{"created":"t","created_by":"x","comment":"c","empty_layer":true}],' +
        '"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v1"}',
    )
  })

  test('docker layers get OCI names in an OCI manifest, and the other way round', () => {
    const { config } = assemble(planned([run, run]), [layer('a', 't'), layer('b', 't')])
    const docker = [
      { ...layer('a').descriptor, mediaType: mediaType.dockerLayerGzip },
      { ...layer('b').descriptor, mediaType: mediaType.dockerLayer },
    ]
    const oci = parseManifest(describeImage(config, docker).manifest.bytes)
    expect(oci.layers.map((found) => found.mediaType)).toEqual([mediaType.ociLayerGzip, mediaType.ociLayer])
    expect(oci.config.mediaType).toBe(mediaType.ociConfig)
    const back = parseManifest(describeImage(config, oci.layers, { format: 'docker' }).manifest.bytes)
    expect(back.layers.map((found) => found.mediaType)).toEqual([
      mediaType.dockerLayerGzip,
      mediaType.dockerLayer,
    ])
    expect(back.config.digest).toBe(oci.config.digest)
  })

  test('replacing layers keeps the config', () => {
    const { config } = assemble(planned([run]), [layer('a', 't')])
    const { manifest } = describeImage(config, [layer('a').descriptor], { annotations: { k: 'v' } })
    const gzip = { mediaType: mediaType.ociLayerGzip, digest: digestOf('gz'), size: 2 }
    const packed = parseManifest(replaceLayers(parseManifest(manifest.bytes), [gzip]).bytes)
    expect(packed).toMatchObject({ layers: [gzip], annotations: { k: 'v' } })
    expect(packed.config).toEqual(parseManifest(manifest.bytes).config)
  })
})

test('inspect and history show what docker shows', () => {
  const image = assemble(planned([run, env]), [layer('abc', '2026-01-01T00:00:00Z')])
  const { config, manifest } = describeImage(image.config, [layer('abc').descriptor])
  const stored = {
    names: ['app:1', '127.0.0.1:5000/app:2'],
    descriptor: manifest.descriptor,
    manifest: parseManifest(manifest.bytes),
    config: parseConfig(config.bytes),
  }
  expect(inspectImage(stored)).toMatchObject({
    Id: config.descriptor.digest,
    RepoTags: ['app:1', '127.0.0.1:5000/app:2'],
    RepoDigests: [`app@${manifest.descriptor.digest}`, `127.0.0.1:5000/app@${manifest.descriptor.digest}`],
    Created: '2026-01-01T00:00:00Z',
    Architecture: 'amd64',
    Size: 3,
    RootFS: { Type: 'layers', Layers: [digestOf('abc')] },
  })
  expect(historyRows(stored)).toEqual([
    {
      id: config.descriptor.digest,
      created: '2026-01-01T00:00:00Z',
      createdBy: 'ENV A=b',
      sizeBytes: 0,
      comment: env.comment,
    },
    {
      id: undefined,
      created: '2026-01-01T00:00:00Z',
      createdBy: run.created_by,
      sizeBytes: 3,
      comment: run.comment,
    },
  ])
})
