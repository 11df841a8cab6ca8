import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HintLimits } from '../../src/cache/hint-directory.ts'
import { isSoundPast, openPastBuilds, pastBuilds } from '../../src/cache/past-builds.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { PastBuild, PastStep } from '../../src/explain/past.ts'

const step: PastStep = {
  ref: digestOf('op'),
  ...{ stage: 'app', ordinal: 1, kind: 'exec', label: '[2/2]', title: 'RUN x', outline: { kind: 'exec' } },
  ...{ likeness: digestOf('l'), args: {}, inputs: [], definition: null, key: [], outcome: 'ran' },
}
const past = (build: string): PastBuild => ({ build, failed: false, steps: [step] })

describe('past builds', () => {
  let root = ''
  const open = (limits?: HintLimits) =>
    openPastBuilds(root, (path, text) => writeFileSync(path, text), limits)
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'slipway-past-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  test('are read by name; the last one of a name is the one', () => {
    const store = open()
    expect(store.read('a')).toBeUndefined()
    store.write(past('a'), undefined)
    store.write({ ...past('a'), failed: true }, undefined)
    store.write(past('b'), undefined)
    expect(open().read('a')).toEqual({ ...past('a'), failed: true })
    expect(open().read('c')).toBeUndefined()
  })

  test('are confirmed by their mark, without being written again', () => {
    const store = open()
    const mark = digestOf('mark')
    expect(store.confirm('a', mark)).toBe(false)
    store.write(past('a'), mark)
    store.write(past('b'), undefined)
    expect(store.confirm('b', mark)).toBe(false)
    expect(store.confirm('a', digestOf('other'))).toBe(false)
    const names = readdirSync(`${root}/builds`)
    for (const name of names) utimesSync(`${root}/builds/${name}`, 1, 1)
    const before = names.map((name) => statSync(`${root}/builds/${name}`).ino)
    expect(store.confirm('a', mark)).toBe(true)
    expect(names.map((name) => statSync(`${root}/builds/${name}`).ino)).toEqual(before)
    expect([...pastBuilds(root)].map(({ build }) => build)).toEqual(['a', 'b'])
  })

  test.each([
    ['cut', (text: string) => text.slice(0, -5)],
    ['changed', (text: string) => text.replace('RUN x', 'RUN y')],
    ['of a newer format', (text: string) => text.replace('"version":1', '"version":2')],
    ['empty', () => ''],
  ])('that are %s are not known', (how, damage) => {
    const store = open()
    const mark = digestOf('mark')
    store.write(past('a'), mark)
    const [name = ''] = readdirSync(`${root}/builds`)
    const path = `${root}/builds/${name}`
    writeFileSync(path, damage(readFileSync(path, 'utf8')))
    expect(store.read('a')).toBeUndefined()
    expect([...pastBuilds(root)]).toEqual([])
    expect(isSoundPast(readFileSync(path, 'utf8'))).toBe(how === 'of a newer format')
  })

  test('and file lists stay within bounds, the longest unused goes', () => {
    const store = open({ files: 3, bytes: 1 << 20 })
    const contents = ['a', 'b', 'c', 'd'].map(digestOf)
    const list = new Map([['f', '1']])
    for (const [i, content] of contents.slice(0, 3).entries()) {
      store.keepFiles(content, list)
      const name = readdirSync(`${root}/files`).find((file) => content.endsWith(file)) ?? ''
      utimesSync(`${root}/files/${name}`, i + 1, i + 1)
    }
    // Used again, so not the longest unused any more.
    expect(store.files(contents[0] ?? digestOf(''))).toEqual(list)
    store.keepFiles(contents[3] ?? digestOf(''), list)
    expect(contents.map((content) => store.files(content) !== undefined)).toEqual([true, false, true, true])
  })

  test('cost a build nothing where they cannot be kept', () => {
    writeFileSync(`${root}/builds`, '')
    writeFileSync(`${root}/files`, '')
    const store = open()
    store.write(past('a'), undefined)
    store.keepFiles(digestOf('x'), new Map())
    expect(store.read('a')).toBeUndefined()
    expect(store.files(digestOf('x'))).toBeUndefined()
  })
})
