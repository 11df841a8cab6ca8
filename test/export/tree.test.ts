import { execFile } from 'node:child_process'
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { treeExporter } from '../../src/export/tree.ts'
import { readTar } from '../../src/layer/tar-read.ts'
import { openNative } from '../../src/sys/native.ts'
import { collect, sampleContext } from './sample.ts'

const run = promisify(execFile)
const native = openNative(new URL('../../dist', import.meta.url).pathname)
const isRoot = process.getuid?.() === 0

let root = ''
let layers: string[] = []

/** Two layers: the upper one hides a file, replaces another and adds a link. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-tree-'))
  const [lower, upper] = [`${root}/lower`, `${root}/upper`]
  await mkdir(`${lower}/etc/deep`, { recursive: true })
  await writeFile(`${lower}/etc/name`, 'lower')
  await writeFile(`${lower}/etc/deep/kept`, 'kept')
  await writeFile(`${lower}/gone`, 'gone')
  await mkdir(`${upper}/etc`, { recursive: true })
  await writeFile(`${upper}/etc/name`, 'upper')
  await link(`${upper}/etc/name`, `${upper}/etc/other`)
  await symlink('/etc/name', `${upper}/link`)
  await writeFile(Buffer.concat([Buffer.from(`${upper}/`), Buffer.from([0x62, 0xff])]), 'bytes')
  await writeFile(`${upper}/tool`, 'x')
  await chmod(`${upper}/tool`, 0o4755)
  if (isRoot) await run('mknod', [`${upper}/gone`, 'c', '0', '0'])
  layers = [lower, upper]
})
afterEach(() => rm(root, { recursive: true }))

function exporter(
  output: { type: 'local' | 'tar'; dest: string },
  stdout = new PassThrough(),
  epoch?: string,
) {
  return treeExporter(output, { native, stdout, ...(epoch === undefined ? {} : { epoch }) })
}

async function expectTree(dest: string): Promise<void> {
  expect(await readFile(`${dest}/etc/name`, 'utf8')).toBe('upper')
  expect(await readFile(`${dest}/etc/deep/kept`, 'utf8')).toBe('kept')
  expect(await readlink(`${dest}/link`)).toBe('/etc/name')
  expect((await lstat(`${dest}/etc/other`)).ino).toBe((await lstat(`${dest}/etc/name`)).ino)
  expect((await lstat(`${dest}/tool`)).mode & 0o7777).toBe(0o4755)
  const names = await readdir(dest, { encoding: 'latin1' })
  expect(names).toContain('b\xff')
  if (isRoot) expect(names).not.toContain('gone')
}

describe('type=local', () => {
  test('makes a directory, and its parents', async () => {
    await exporter({ type: 'local', dest: `${root}/a/b/out` }).export(layers, sampleContext())
    await expectTree(`${root}/a/b/out`)
    expect(await readdir(`${root}/a/b`)).toEqual(['out'])
  })

  test('says where it cannot be made', async () => {
    await expect(
      exporter({ type: 'local', dest: '/proc/a/b' }).export(layers, sampleContext()),
    ).rejects.toThrow('write /proc/a/b: no such directory')
  })

  test('merges into a directory: what has another name stays', async () => {
    const dest = `${root}/out`
    await mkdir(`${dest}/etc`, { recursive: true })
    await writeFile(`${dest}/etc/mine`, 'mine')
    await writeFile(`${dest}/etc/name`, 'old')
    await exporter({ type: 'local', dest }).export(layers, sampleContext())
    await expectTree(dest)
    expect(await readFile(`${dest}/etc/mine`, 'utf8')).toBe('mine')
    expect((await readdir(dest)).filter((name) => name.startsWith('.slipway'))).toEqual([])
    await exporter({ type: 'local', dest }).export(layers, sampleContext())
    await expectTree(dest)
  })

  test('replaces a link instead of writing through it, and refuses to enter one', async () => {
    const dest = `${root}/out`
    await mkdir(`${root}/elsewhere`)
    await writeFile(`${root}/elsewhere/file`, 'mine')
    await mkdir(dest)
    await symlink(`${root}/elsewhere/file`, `${dest}/tool`)
    await exporter({ type: 'local', dest }).export(layers, sampleContext())
    expect(await readFile(`${root}/elsewhere/file`, 'utf8')).toBe('mine')
    await rm(`${dest}/etc`, { recursive: true })
    await symlink(`${root}/elsewhere`, `${dest}/etc`)
    await expect(exporter({ type: 'local', dest }).export(layers, sampleContext())).rejects.toMatchObject({
      code: 'ERR_OUTPUT_EXISTS',
    })
    expect(await readdir(`${root}/elsewhere`)).toEqual(['file'])
  })

  test('a directory in the way of a file is refused before anything is moved', async () => {
    const dest = `${root}/out`
    await mkdir(`${dest}/tool`, { recursive: true })
    await expect(exporter({ type: 'local', dest }).export(layers, sampleContext())).rejects.toMatchObject({
      code: 'ERR_OUTPUT_EXISTS',
    })
    expect(await readdir(dest)).toEqual(['tool'])
  })

  test('an archive that cannot be opened is a failure although there is more than fits into memory', async () => {
    await writeFile(`${layers[0]}/large`, Buffer.alloc(4 << 20))
    const dest = `${root}/missing/x.tar`
    await expect(exporter({ type: 'tar', dest }).export(layers, sampleContext())).rejects.toMatchObject({
      code: 'ERR_OUTPUT_WRITE',
      message: `write ${dest}: no such directory`,
    })
  })

  test('an interrupted export leaves nothing', async () => {
    const cx = sampleContext(AbortSignal.abort(new Error('interrupted')))
    await expect(exporter({ type: 'local', dest: `${root}/a/out` }).export(layers, cx)).rejects.toThrow()
    await mkdir(`${root}/there`)
    await expect(exporter({ type: 'local', dest: `${root}/there` }).export(layers, cx)).rejects.toThrow()
    expect((await readdir(root)).sort()).toEqual(['lower', 'there', 'upper'])
    expect(await readdir(`${root}/there`)).toEqual([])
  })

  test('files of an empty root file system are none', async () => {
    await exporter({ type: 'local', dest: `${root}/out` }).export([], sampleContext())
    expect(await readdir(`${root}/out`)).toEqual([])
  })
})

describe('type=tar', () => {
  test('is an archive that tar unpacks to the same tree', async () => {
    await exporter({ type: 'tar', dest: `${root}/out.tar` }).export(layers, sampleContext())
    await mkdir(`${root}/out`)
    await run('tar', ['-xpf', `${root}/out.tar`, '-C', `${root}/out`])
    await expectTree(`${root}/out`)
  })

  test('goes to standard output, with times no later than the epoch', async () => {
    const stdout = new PassThrough()
    const bytes = collect(stdout)
    const archive = async function* (): AsyncGenerator<Uint8Array> {
      yield await bytes
    }
    await exporter({ type: 'tar', dest: '-' }, stdout, '2001-01-01T00:00:00Z').export(layers, sampleContext())
    stdout.end()
    const times = new Set<bigint>()
    for await (const { entry } of readTar(archive())) times.add(entry.mtimeNs)
    expect([...times]).toEqual([978307200n * 1_000_000_000n])
  })

  test('a layer that is not there fails and leaves nothing', async () => {
    const dest = `${root}/out.tar`
    await expect(
      exporter({ type: 'tar', dest }).export([`${root}/none`, ...layers], sampleContext()),
    ).rejects.toThrow()
    expect((await readdir(root)).sort()).toEqual(['lower', 'upper'])
  })
})
