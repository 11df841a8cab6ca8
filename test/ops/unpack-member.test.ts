// What a member of an archive costs to plan, whatever its name: a few questions per directory in it.
import { expect, it } from 'vitest'
import type { TarEntry } from '../../src/layer/tar-entry.ts'
import { targetTree } from '../../src/ops/copy/target-tree.ts'
import { Unpacking } from '../../src/ops/copy/unpack-member.ts'

it('the directories a name needs are looked for together, not each from the root again', async () => {
  const depth = 1000
  const tree = targetTree(undefined)
  let questions = 0
  const counted = {
    ...tree,
    entry: (path: string) => {
      questions++
      return tree.entry(path)
    },
    resolve: (path: string, root?: string) => {
      questions += path.split('/').length
      return tree.resolve(path, root)
    },
  }
  const made: string[] = []
  const style = { instruction: 'ADD', parentMode: 0o755, nowNs: 0n }
  const unpacking = new Unpacking(counted, 'to', style, ({ op, path }) => made.push(`${op} ${path}`))
  const member = (path: string) => unpacking.member({ ...empty, path }, nothing)

  await member('a/x')
  await member(`a/${'d/'.repeat(depth)}x`)
  expect(made.slice(0, 5)).toEqual([
    'directory to',
    'directory to/a',
    'file to/a/x',
    'directory to/a/d',
    'directory to/a/d/d',
  ])
  expect(made.at(-1)).toBe(`file to/a/${'d/'.repeat(depth)}x`)
  expect(made.length).toBe(depth + 4)
  expect(questions).toBeLessThan(6 * depth)
})

const empty: TarEntry = {
  path: '',
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeNs: 0n,
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
}

const nothing = {
  bytes: async () => new Uint8Array(),
  async *chunks() {
    yield new Uint8Array()
  },
}
