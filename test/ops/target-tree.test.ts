// The file system that COPY and ADD plan on: what replaced directories leave, and that it stays fast.
import { describe, expect, it } from 'vitest'
import { type TargetEntry, targetTree } from '../../src/ops/copy/target-tree.ts'

const directory: TargetEntry = { type: 'directory', mode: 0o755, uid: 0, gid: 0 }
const file: TargetEntry = { type: 'file', mode: 0o644, uid: 0, gid: 0 }

describe('targetTree', () => {
  it('forgets what was in a directory that is replaced, however deep, and nothing beside it', async () => {
    const tree = targetTree(async (path) => (path === 'a' || path === 'a/base' ? directory : undefined))
    for (const path of ['a', 'a/b', 'a/b/c', 'ab']) {
      await tree.entry(path)
      tree.put(path, directory)
    }
    for (const path of ['a/b/c/d', 'ab/x']) {
      await tree.entry(path)
      tree.put(path, file)
    }
    expect(await tree.entry('a/base')).toEqual(directory)
    tree.put('a', file)
    tree.put('a', directory)
    for (const path of ['a/b', 'a/base']) expect(tree.known(path), path).toBeUndefined()
    expect(tree.known('ab/x')).toEqual(file)
  })

  it('asks the base below a merged directory and not below a new one', async () => {
    const asked: string[] = []
    const tree = targetTree(async (path) => {
      asked.push(path)
      return path === 'old' ? directory : undefined
    })
    await tree.entry('old')
    await tree.entry('new')
    tree.put('old', directory)
    tree.put('new', directory)
    expect(tree.known('old/x')).toBe('unknown')
    expect(tree.known('new/x')).toBeUndefined()
    expect(asked).toEqual(['old', 'new'])
  })

  it('replaces directories beside many others in time that does not grow with these', () => {
    const tree = targetTree(undefined)
    tree.put('all', directory)
    for (let i = 0; i < 100_000; i++) tree.put(`all/${i}`, file)
    for (let i = 0; i < 100_000; i++) {
      tree.put('x', directory)
      tree.put('x/y', file)
      tree.put('x', file)
    }
    expect(tree.known('all/99999')).toEqual(file)
    expect(tree.known('x/y')).toBeUndefined()
  })

  it('forgets a tree that is deeper than calls can nest', () => {
    const tree = targetTree(undefined)
    let path = 'x'
    tree.put(path, directory)
    for (let i = 0; i < 3000; i++) {
      path += '/d'
      tree.put(path, directory)
    }
    tree.put('x', file)
    expect(tree.known(path)).toBeUndefined()
  })
})
