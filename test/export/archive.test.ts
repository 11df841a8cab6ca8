import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { lstat, mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import { archiveExporter } from '../../src/export/archive.ts'
import { type Output, parseOutput } from '../../src/export/output.ts'
import { parseIndex, parseManifest } from '../../src/image/parse.ts'
import type { BlobSource } from '../../src/image/validate.ts'
import { describeExporter } from '../contract/exporter.ts'
import { missing } from '../support/missing.ts'
import { isRoot } from '../sys/native.ts'
import { collect, type Sample, sampleContext, sampleImage } from './sample.ts'

const run = promisify(execFile)
const names = ['docker.io/library/app:1', '127.0.0.1:5000/team/app:2']
const created = '2026-01-02T03:04:05Z'

type ArchiveOutput = Extract<Output, { type: 'oci' | 'docker' }>

function archiveOf(text: string): ArchiveOutput {
  const output = parseOutput(text)
  if (output.type !== 'oci' && output.type !== 'docker') throw new Error('not an archive')
  return output
}

function exporter(text: string, { store, convert }: Sample, stdout: Writable = new PassThrough()) {
  return archiveExporter(archiveOf(text), names, { store, convert, stdout })
}

async function temporary(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'slipway-export-'))
}

/** Relative path → digest of the file, for everything below a directory. */
async function contentOf(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    found[path.slice(directory.length)] = entry.isFile() ? digestOf(await readFile(path)) : 'directory'
  }
  return found
}

function layoutBlobs(directory: string): BlobSource {
  return { open: async ({ digest }) => createReadStream(`${directory}/blobs/sha256/${hexOf(digest)}`) }
}

async function unpacked(archive: string): Promise<string> {
  const directory = `${archive}.unpacked`
  await mkdir(directory, { recursive: true })
  await run('tar', ['-xf', archive, '-C', directory])
  return directory
}

for (const spec of [
  'type=oci',
  'type=oci,compression=zstd',
  'type=oci,compression=uncompressed',
  'type=docker',
]) {
  describeExporter(spec, async () => {
    const root = await temporary()
    const dest = `${root}/image.tar`
    return {
      exporter: (sample) => exporter(`${spec},dest=${dest}`, sample),
      state: () => contentOf(root),
      blobs: async () => layoutBlobs(await unpacked(dest)),
      close: () => rm(root, { recursive: true }),
    }
  })
}

describeExporter('type=oci,tar=false into a new directory', async () => {
  const root = await temporary()
  return {
    exporter: (sample) => exporter(`type=oci,tar=false,dest=${root}/a/layout`, sample),
    state: () => contentOf(root),
    blobs: async () => layoutBlobs(`${root}/a/layout`),
    close: () => rm(root, { recursive: true }),
  }
})

describeExporter('type=oci,tar=false into an existing layout', async () => {
  const root = await temporary()
  await writeFile(`${root}/index.json`, '{"schemaVersion":2,"manifests":[]}')
  await writeFile(`${root}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}')
  return {
    exporter: (sample) => exporter(`type=oci,tar=false,dest=${root}`, sample),
    state: () => contentOf(root),
    blobs: async () => layoutBlobs(root),
    close: () => rm(root, { recursive: true }),
  }
})

describe('archives', () => {
  test('have one index entry per name, annotated as containerd reads it', async () => {
    const root = await temporary()
    const sample = await sampleImage()
    await exporter(`type=oci,dest=${root}/a.tar`, sample).export(sample.image, sampleContext())
    const layout = await unpacked(`${root}/a.tar`)
    const { manifests } = parseIndex(await readFile(`${layout}/index.json`))
    expect(manifests.map((entry) => entry.annotations)).toEqual(
      names.map((name) => ({
        'io.containerd.image.name': name,
        'org.opencontainers.image.created': created,
        'org.opencontainers.image.ref.name': name.slice(-1),
      })),
    )
    await rm(root, { recursive: true })
  })

  test('carry annotations and media types as asked', async () => {
    const sample = await sampleImage()
    const root = await temporary()
    const text = `type=oci,tar=false,dest=${root}/l,oci-mediatypes=false,annotation.k=v,force-compression=true,compression=uncompressed`
    const { manifest } = await exporter(text, sample).export(sample.image, sampleContext())
    const bytes = await readFile(`${root}/l/blobs/sha256/${hexOf(manifest?.digest ?? digestOf(''))}`)
    const parsed = parseManifest(bytes)
    expect(parsed.annotations).toEqual({ k: 'v' })
    expect(new Set(parsed.layers.map((layer) => layer.mediaType))).toEqual(
      new Set(['application/vnd.docker.image.rootfs.diff.tar']),
    )
    await rm(root, { recursive: true })
  })

  test('go to standard output for dest=-', async () => {
    const sample = await sampleImage()
    const root = await temporary()
    await exporter(`type=docker,dest=${root}/a.tar`, sample).export(sample.image, sampleContext())
    const stdout = new PassThrough()
    const written = collect(stdout)
    await exporter('type=docker,dest=-', sample, stdout).export(sample.image, sampleContext())
    stdout.end()
    expect(digestOf(await written)).toBe(digestOf(await readFile(`${root}/a.tar`)))
    await rm(root, { recursive: true })
  })

  test('a reader of standard output that goes away is a failure of one line', async () => {
    const sample = await sampleImage()
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    })
    await expect(
      exporter('type=oci,dest=-', sample, stdout).export(sample.image, sampleContext()),
    ).rejects.toMatchObject({
      code: 'ERR_OUTPUT_WRITE',
      message: 'write standard output: the reader has gone',
    })
  })

  test('replace a file, keep a link to it a link, and write into what is no file', async () => {
    const sample = await sampleImage()
    const root = await temporary()
    await writeFile(`${root}/real.tar`, 'old')
    await symlink('real.tar', `${root}/link.tar`)
    await exporter(`type=oci,dest=${root}/link.tar`, sample).export(sample.image, sampleContext())
    expect((await lstat(`${root}/link.tar`)).isSymbolicLink()).toBe(true)
    expect((await lstat(`${root}/real.tar`)).size).toBeGreaterThan(10_000)
    await symlink('not-there-yet.tar', `${root}/ahead.tar`)
    const opened = await open(`${root}/removed.tar`, 'w+')
    await rm(`${root}/removed.tar`)
    await symlink(`/proc/self/fd/${opened.fd}`, `${root}/open.tar`)
    for (const link of ['ahead', 'open']) {
      await exporter(`type=oci,dest=${root}/${link}.tar`, sample).export(sample.image, sampleContext())
      expect((await lstat(`${root}/${link}.tar`)).isSymbolicLink()).toBe(true)
    }
    expect((await lstat(`${root}/not-there-yet.tar`)).size).toBeGreaterThan(10_000)
    expect((await opened.stat()).size).toBeGreaterThan(10_000)
    await opened.close()
    await exporter('type=oci,dest=/dev/null', sample).export(sample.image, sampleContext())
    expect((await lstat('/dev/null')).isCharacterDevice()).toBe(true)
    await rm(root, { recursive: true })
  })

  test('a second image in a layout joins the first, a name moves', async () => {
    const root = await temporary()
    const sample = await sampleImage()
    const text = `type=oci,tar=false,dest=${root}/l`
    await exporter(text, sample).export(sample.image, sampleContext())
    const other = { ...sample.image, config: { ...sample.image.config, author: 'somebody' } }
    const host = { ...sample, stdout: new PassThrough() }
    const { manifest } = await archiveExporter(archiveOf(text), ['docker.io/library/app:1'], host).export(
      other,
      sampleContext(),
    )
    const entries = parseIndex(await readFile(`${root}/l/index.json`)).manifests
    expect(entries).toHaveLength(2)
    expect(entries.at(-1)?.digest).toBe(manifest?.digest)
    await rm(root, { recursive: true })
  })
})

describe('other tools', () => {
  test.skipIf(missing('skopeo') !== undefined).each([
    ['oci-archive', 'type=oci', ':1'],
    ['oci-archive', 'type=oci,compression=zstd', ':1'],
    ['docker-archive', 'type=docker', ':docker.io/library/app:1'],
  ])('skopeo copies a %s (%s) (needs skopeo)', async (transport, spec, reference) => {
    const root = await temporary()
    const sample = await sampleImage()
    const { config } = await exporter(`${spec},dest=${root}/a.tar`, sample).export(
      sample.image,
      sampleContext(),
    )
    const source = `${transport}:${root}/a.tar${reference}`
    const { stdout } = await run('skopeo', ['inspect', '--config', '--raw', source])
    expect(digestOf(stdout.replace(/\n$/, ''))).toBe(config?.digest)
    await run('skopeo', ['copy', '--insecure-policy', source, `dir:${root}/copied`])
    expect((await readdir(`${root}/copied`)).length).toBeGreaterThanOrEqual(5)
    await rm(root, { recursive: true })
  })

  test.skipIf(!isRoot || missing('podman') !== undefined)(
    'podman loads both archives (needs root and podman)',
    async () => {
      const root = await temporary()
      const sample = await sampleImage()
      for (const type of ['docker', 'oci']) {
        const archive = `${root}/${type}.tar`
        const host = { ...sample, stdout: new PassThrough() }
        // podman takes the only entry of an OCI index, it does not choose by name.
        const each = type === 'oci' ? names.slice(0, 1) : names
        const output = archiveOf(`type=${type},dest=${archive}`)
        const { config } = await archiveExporter(output, each, host).export(sample.image, sampleContext())
        const storage = [
          '--root',
          `${root}/${type}`,
          '--runroot',
          `${root}/${type}-run`,
          '--storage-driver',
          'vfs',
        ]
        await run('podman', [...storage, 'load', '-q', '-i', archive])
        const { stdout } = await run('podman', [...storage, 'images', '--no-trunc', '--format', '{{.ID}}'])
        expect(stdout.trim().split('\n')).toContain(config?.digest)
      }
      await rm(root, { recursive: true })
    },
  )
})
