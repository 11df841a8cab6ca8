import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { layerDifference } from '../../src/layer/layer-difference.ts'
import { inPieces, tarBlock, tarFile, tarOf } from './tar-fixture.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'slipway-difference-'))
  mkdirSync(join(root, 'd'))
  for (const name of ['d/f', 'd/hard']) writeFileSync(join(root, name), 'content')
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from('b\xffd', 'latin1')]), '')
  symlinkSync('d/f', join(root, 'link'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const members = [
  tarBlock({ name: './', typeflag: '5' }),
  tarBlock({ name: 'd/', typeflag: '5' }),
  tarFile('d/f', 'content'),
  tarBlock({ name: 'd/hard', typeflag: '1', linkName: 'd/f' }),
  tarBlock({ name: 'd/lower', typeflag: '1', linkName: 'of/another/layer' }),
  tarBlock({ name: 'link', typeflag: '2', linkName: 'd/f' }),
  tarFile('link/elsewhere', 'x'),
  tarBlock({ name: 'null', typeflag: '3', devMajor: 1, devMinor: 3 }),
  tarFile('b\xffd', ''),
  tarFile('d/.wh.gone', ''),
  tarFile('.wh..wh..opq', ''),
]
const difference = (...more: readonly Buffer[]) =>
  layerDifference(root, inPieces(tarOf(...members, ...more), 777), new AbortController().signal)

test('a layer that is as its archive says, whatever else there is', async () => {
  writeFileSync(join(root, 'more'), '')
  expect(await difference()).toBeUndefined()
})

test('what an archive has twice is as it has it last', async () => {
  expect(await difference(tarFile('d/f', 'changed'))).toBe('"/d/f" has other content')
  writeFileSync(join(root, 'd/f'), 'changed')
  expect(await difference(tarFile('d/f', 'changed'))).toBeUndefined()
})

test.each([
  ['"/d/f" has other content', () => writeFileSync(join(root, 'd/f'), 'c0ntent')],
  ['"/d/f" has 3 bytes, not 7', () => truncateSync(join(root, 'd/f'), 3)],
  ['"/d/hard" is missing', () => rmSync(join(root, 'd/hard'))],
  ['"/d" is missing', () => rmSync(join(root, 'd'), { recursive: true })],
  [
    '"/d" is no directory',
    () => {
      rmSync(join(root, 'd'), { recursive: true })
      symlinkSync('/', join(root, 'd'))
    },
  ],
  [
    '"/link" leads elsewhere',
    () => {
      rmSync(join(root, 'link'))
      symlinkSync('/d/f', join(root, 'link'))
    },
  ],
  [
    '"/link" is no symbolic link',
    () => {
      rmSync(join(root, 'link'))
      mkdirSync(join(root, 'link'))
    },
  ],
])('%s', async (text, damage) => {
  damage()
  expect(await difference()).toBe(text)
})
