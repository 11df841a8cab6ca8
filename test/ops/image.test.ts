import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Digest, digestOf, hexOf } from '../../src/core/digest.ts'
import type { OpNote, OpOf } from '../../src/graph/op.ts'
import { imageDriver } from '../../src/ops/image.ts'
import { localDriver } from '../../src/ops/local.ts'
import { mergeDriver } from '../../src/ops/merge.ts'
import { testContext } from './support/context.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'slipway-image-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const path = (digest: Digest): string => join(root, hexOf(digest))
function store(value: unknown) {
  const text = JSON.stringify(value)
  const digest = digestOf(text)
  writeFileSync(path(digest), text)
  return { digest, size: Buffer.byteLength(text), mediaType: 'application/vnd.oci.image.config.v1+json' }
}
const read: string[] = []
const driver = imageDriver({
  path,
  async read(descriptor) {
    read.push(descriptor.digest)
    const { readFileSync } = await import('node:fs')
    return readFileSync(path(descriptor.digest))
  },
})
const note: OpNote = {
  slot: { stage: '0', ordinal: 0 },
  label: '',
  title: 'FROM',
  reference: 'docker.io/library/x:1',
}
const diffIds = [digestOf('1'), digestOf('2')]
const layers = diffIds.map((digest, i) => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: digestOf(`gz${digest}`),
  size: i + 1,
}))
function image(diff_ids: readonly Digest[]): OpOf<'image'> {
  const config = store({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids } })
  const manifest = store({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers,
  })
  return {
    kind: 'image',
    inputs: [],
    manifest: manifest.digest,
    platform: { os: 'linux', architecture: 'amd64' },
  }
}

describe('imageDriver', () => {
  it('names the layers without pulling any', async () => {
    read.length = 0
    expect(await driver.run(image(diffIds), [], note, testContext())).toEqual(
      layers.map((descriptor, i) => ({
        kind: 'blob',
        descriptor,
        diffId: diffIds[i],
        source: 'docker.io/library/x:1',
      })),
    )
    expect(read).toHaveLength(2)
  })

  it('refuses a config that does not fit its manifest', async () => {
    await expect(driver.run(image(diffIds.slice(1)), [], note, testContext())).rejects.toMatchObject({
      code: 'ERR_IMAGE_INVALID',
      message: expect.stringContaining('docker.io/library/x:1'),
    })
  })

  it('says when the manifest is gone', async () => {
    const op = { ...image(diffIds), manifest: digestOf('none') }
    await expect(driver.run(op, [], note, testContext())).rejects.toMatchObject({ code: 'ERR_BLOB_MISSING' })
  })
})

describe('localDriver and mergeDriver', () => {
  it('name a directory and stack layers', async () => {
    const ignore = ['*.md']
    const local = await localDriver().run(
      { kind: 'local', inputs: [], name: 'context', ignore },
      [],
      note,
      testContext(),
    )
    expect(local).toEqual([{ kind: 'directory', name: 'context', ignore }])
    const snapshot = (id: string) => ({ kind: 'snapshot', id, created: '2026-01-01T00:00:00Z' }) as const
    const inputs = ['a', 'b'].map((id) => ({
      id: digestOf(id),
      layers: [snapshot(id), snapshot(`${id}${id}`)],
    }))
    const op: OpOf<'merge'> = { kind: 'merge', inputs: [] }
    const merged = await mergeDriver().run(op, inputs, note, testContext())
    expect(merged.map((layer) => layer.kind === 'snapshot' && layer.id)).toEqual(['a', 'aa', 'b', 'bb'])
    const wrong = [{ id: digestOf('l'), layers: local }]
    await expect(mergeDriver().run(op, wrong, note, testContext())).rejects.toThrow(/bug/)
  })
})
