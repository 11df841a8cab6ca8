// Cache directories that somebody else has prepared: nothing outside of them is written or removed.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { layoutImporter, layoutSink } from '../../src/remote-cache/layout-cache.ts'
import { testContext } from '../ops/support/context.ts'
import { testNative } from '../sys/native.ts'

const native = testNative()
const cx = testContext()
let top: string
let directory: string
let outside: string
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'slipway-layout-cache-'))
  directory = join(top, 'cache')
  outside = join(top, 'outside')
  mkdirSync(directory)
  mkdirSync(outside)
})
afterEach(() => rmSync(top, { recursive: true }))

const publish = (): Promise<void> =>
  layoutSink(directory, {
    native,
    form: { imageManifest: true, mediaTypes: 'oci' },
    tag: 'latest',
    reset: false,
  }).publish({ layers: [], records: [] }, new Map(), cx)

describe('a cache directory', () => {
  it('is written where there is nothing, and again', async () => {
    rmSync(directory, { recursive: true })
    await publish()
    await publish()
    expect(await layoutImporter({ directory, tag: 'latest' }).load(cx)).toHaveLength(1)
  })

  it('may itself be a link', async () => {
    symlinkSync(directory, join(top, 'link'))
    directory = join(top, 'link')
    await publish()
    expect(existsSync(join(top, 'cache/index.json'))).toBe(true)
  })

  it.each(['blobs', 'blobs/sha256'])('with a link at %s costs nobody a blob', async (name) => {
    const blobs = join(outside, name === 'blobs' ? 'sha256' : '.')
    mkdirSync(blobs, { recursive: true })
    const blob = join(blobs, 'a'.repeat(64))
    writeFileSync(blob, 'somebody else needs it')
    execFileSync('touch', ['-d', '2020-01-01', blob])
    if (name !== 'blobs') mkdirSync(join(directory, 'blobs'))
    symlinkSync(outside, join(directory, name))
    await expect(publish()).rejects.toMatchObject({ code: 'ERR_CACHE_DIRECTORY' })
    expect(readdirSync(blobs)).toEqual(['a'.repeat(64)])
  })

  it.each(['index.json', 'oci-layout', '.slipway-lock'])(
    'with a link at %s changes no other file',
    async (name) => {
      const file = join(outside, 'file')
      symlinkSync(file, join(directory, name))
      await expect(publish()).rejects.toMatchObject({ code: 'ERR_CACHE_DIRECTORY' })
      expect(existsSync(file)).toBe(false)
      writeFileSync(file, 'precious')
      await expect(publish()).rejects.toMatchObject({ code: 'ERR_CACHE_DIRECTORY' })
      expect(readFileSync(file, 'utf8')).toBe('precious')
    },
  )

  it.each(['oci-layout', '.slipway-lock'])('with a pipe at %s holds nobody up', async (name) => {
    execFileSync('mkfifo', [join(directory, name)])
    await expect(publish()).rejects.toMatchObject({ code: 'ERR_CACHE_DIRECTORY' })
  })
})
