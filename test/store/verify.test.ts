// What verifyStore finds in stores, and that nothing in one keeps it.
import { execFile } from 'node:child_process'
import { existsSync, renameSync } from 'node:fs'
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import { layoutPaths } from '../../src/store/layout-paths.ts'
import { repairProblem } from '../../src/store/repair.ts'
import { verifyStore } from '../../src/store/verify.ts'
import { sampleImage, sampleIndex, seedStore } from '../registry/sample-image.ts'
import { native, storeRig } from './store-rig.ts'

const run = promisify(execFile)
const indexType = 'application/vnd.oci.image.index.v1+json'

const at = storeRig()
const { open, verify } = at

describe('verifyStore', () => {
  it('finds nothing wrong with an image that is stored meanwhile, and no repair takes it away', async () => {
    const store = await open()
    const sample = sampleImage()
    await seedStore(store, sample, 'h/app:1')
    const [path, aside] = [store.path(sample.manifest.digest), join(at.root, 'aside')]
    renameSync(path, aside)
    const missing = await verify()
    expect(missing).toMatchObject([{ kind: 'missing', image: sample.manifest.digest }])
    const later = new AbortController().signal
    // Asked before each blob that was there when the check began.
    later.throwIfAborted = () => {
      if (existsSync(aside)) renameSync(aside, path)
    }
    expect(await verifyStore(at.directory, native, { signal: later })).toEqual([])
    for (const problem of missing) {
      expect(await repairProblem(layoutPaths(at.directory), native, problem)).toBeUndefined()
    }
    expect(await store.resolve('h/app:1')).toEqual(sample.manifest)
    await rm(path)
    for (const problem of missing) {
      expect(await repairProblem(layoutPaths(at.directory), native, problem)).toMatch(/^removed the image/)
    }
  })

  it('names everything that is wrong', async () => {
    const store = await open()
    const [whole, broken, gone, lying] = [sampleImage(), sampleImage(), sampleImage(), sampleImage()]
    await seedStore(store, whole, 'h/whole:1')
    await seedStore(store, broken, 'h/broken:1')
    await seedStore(store, gone, 'h/gone:1')
    await seedStore(store, lying)
    const index = sampleIndex(
      [{ sample: lying }].map(({ sample }) => ({
        sample: { ...sample, manifest: { ...sample.manifest, size: 5 } },
      })),
    )
    await store.put(index.descriptor, index.bytes)
    await store.tag('h/lying:1', index.descriptor)
    expect((await verify()).map((p) => p.kind)).toEqual(['manifest'])
    const path = store.path(broken.layers[0]?.digest ?? digestOf(''))
    await chmod(path, 0o600)
    await writeFile(path, 'rot')
    await rm(store.path(gone.config.digest))
    await writeFile(join(at.directory, 'blobs/sha256/stray'), '')
    const problems = await verify()
    expect(problems).toHaveLength(5)
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'blob', path }),
        expect.objectContaining({ kind: 'blob', message: expect.stringContaining('stray') }),
        expect.objectContaining({
          kind: 'missing',
          message: `h/broken:1: blob ${broken.layers[0]?.digest} is missing or damaged`,
        }),
        expect.objectContaining({
          kind: 'missing',
          message: `h/gone:1: blob ${gone.config.digest} is missing or damaged`,
        }),
        expect.objectContaining({ kind: 'manifest', message: expect.stringContaining('h/lying:1') }),
      ]),
    )
  })

  it('neither follows links nor waits for pipes', async () => {
    await open()
    const blobs = join(at.directory, 'blobs/sha256')
    await symlink('/dev/zero', join(blobs, 'a'.repeat(64)))
    await run('mkfifo', [join(blobs, 'b'.repeat(64))])
    await mkdir(join(blobs, 'c'.repeat(64)))
    expect((await verify()).map(({ kind }) => kind)).toEqual(['blob', 'blob', 'blob'])
  })

  it('looks once at what an index lists a thousand times', async () => {
    const store = await open()
    const image = sampleImage()
    await seedStore(store, image)
    let listed: Descriptor = image.manifest
    for (let depth = 0; depth < 3; depth++) {
      const manifests = Array.from({ length: 1000 }, () => listed)
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }))
      listed = { mediaType: indexType, digest: digestOf(bytes), size: bytes.length }
      await store.put(listed, bytes)
    }
    await store.tag('h/bomb:1', listed)
    expect(await verify()).toEqual([])
  })

  it('says that there is no store', async () => {
    expect(await verify()).toMatchObject([
      { kind: 'layout', message: expect.stringContaining('does not exist') },
    ])
  })
})
