import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findUser, type ImageUser } from '../../src/sandbox/image-user.ts'
import { mergedTree } from '../../src/snapshot/merged-tree.ts'
import { testNative, withDirectory } from '../sys/native.ts'

/** Looks a user up in an image with these files. */
async function find(user: string, passwd: string, group = ''): Promise<ImageUser> {
  let found: ImageUser | undefined
  await withDirectory(async (directory) => {
    mkdirSync(join(directory, 'etc'))
    writeFileSync(join(directory, 'etc/passwd'), passwd, 'latin1')
    writeFileSync(join(directory, 'etc/group'), group, 'latin1')
    found = findUser(user, mergedTree([directory], { native: testNative() }))
  })
  if (found === undefined) throw new Error('nothing was looked up')
  return found
}

test('lines with fields missing count as far as they go, comments and what has no numbers not at all', async () => {
  const passwd = '\n#ada:x:1:1::/comment:\nada\nada:x:a:b::/letters:\nada:x:5:6\nada:x:7:8::/late:\n'
  expect(await find('ada', passwd)).toEqual({ uid: 5, gid: 6, groups: [6], home: '/' })
  expect(await find('ada:', 'ada:x:5:6::/h')).toEqual({ uid: 5, gid: 6, groups: [6], home: '/h' })
})

test('names are bytes, homes text', async () => {
  const passwd = Buffer.from('ädä:x:5:6::/hömé:\n').toString('latin1')
  expect((await find('ädä', passwd)).home).toBe('/hömé')
  expect((await find('5', `${'x'.repeat(9)}:x:5:6::/a\0b:\n`)).home).toBe('/a')
  expect((await find('5', `x:x:5:6::/${'h'.repeat(5000)}:\n`)).home).toHaveLength(4095)
})

test('a user is in as many groups as are kept, its own among them', async () => {
  const group = Array.from({ length: 1000 }, (_, index) => `g${index}:x:${1000 + index}:x,ada,y`).join('\n')
  const { groups } = await find('ada', 'ada:x:5:6::/:\n', group)
  expect(groups).toHaveLength(256)
  expect(groups.at(-1)).toBe(6)
})

test('a passwd of millions of lines is gone through', async () => {
  const found = await find('last', `${'a:\n'.repeat(3 << 20)}last:x:5:6::/:\n`)
  expect(found.uid).toBe(5)
})

test('a link that leads round in circles is an error to those who name a user', async () => {
  await withDirectory(async (directory) => {
    mkdirSync(join(directory, 'etc'))
    symlinkSync('passwd', join(directory, 'etc/passwd'))
    const tree = mergedTree([directory], { native: testNative() })
    expect(() => findUser('ada', tree)).toThrow(/too many levels of symbolic links/)
    for (const user of ['', '0:0']) expect(findUser(user, tree).uid).toBe(0)
  })
})
