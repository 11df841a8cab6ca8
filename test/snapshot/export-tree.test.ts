import { execFileSync } from 'node:child_process'
import {
  createWriteStream,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { copyTree, writeTreeTar } from '../../src/snapshot/export-tree.ts'
import { type MergedTree, mergedTree } from '../../src/snapshot/merged-tree.ts'
import { isRoot, testNative } from '../sys/native.ts'
import { describeTree } from './tree-fixture.ts'

const native = testNative()
const signal = new AbortController().signal

let base: string
let tree: MergedTree
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'slipway-export-'))
  const layer = (name: string, script: string): string => {
    mkdirSync(join(base, name))
    execFileSync('bash', ['-ec', script], { cwd: join(base, name) })
    return join(base, name)
  }
  if (!isRoot) return
  const low = layer(
    'low',
    'mkdir -p bin old; echo a > bin/a; touch old/x gone; chmod 4755 bin/a; touch -d @1.5 bin/a old/x bin old',
  )
  const top = layer(
    'top',
    `mkdir -p bin old; mknod gone c 0 0; setfattr -n trusted.overlay.opaque -v y old; ln -s /bin/a link; echo b > bin/b; ln bin/b bin/c
     chown 300000:7 bin/b; setfattr -n user.k -v 0x00ff bin/b; mknod null c 1 3; echo x > $'odd\\xff\\n'; touch -h -d @2.25 bin/b old link null odd* bin`,
  )
  tree = mergedTree([low, top], { native })
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const contents = (directory: string): Record<string, string> => {
  const { '': _root, ...rest } = describeTree(directory, native)
  return rest
}

describe.skipIf(!isRoot)('a merged file system written out (needs root)', () => {
  test('as a tar, as GNU tar unpacks it, and as a directory: the same', async () => {
    await writeTreeTar(tree, createWriteStream(join(base, 'a.tar')), { signal })
    mkdirSync(join(base, 'untarred'))
    execFileSync(
      'tar',
      [
        '--xattrs',
        '--xattrs-include=*',
        '--numeric-owner',
        '-xpf',
        join(base, 'a.tar'),
        '-C',
        join(base, 'untarred'),
      ],
      { stdio: ['ignore', 'ignore', 'ignore'] },
    )
    mkdirSync(join(base, 'copied'))
    await copyTree(tree, join(base, 'copied'), { native, signal })
    const copied = contents(join(base, 'copied'))
    expect(contents(join(base, 'untarred'))).toEqual(copied)
    expect(Object.keys(copied).sort()).toEqual([
      'bin',
      'bin/a',
      'bin/b',
      'bin/c',
      'link',
      'null',
      'odd\xff\n',
      'old',
    ])
    expect(copied['bin/a']).toBe('file 4755 0:0 a\n 1500000000')
    expect(copied['bin/c']).toBe('file 644 300000:7 b\n 2250000000 = bin/b user.k=00ff')
    expect(copied.null).toContain('char 644 0:0 1,3')
  })

  test('into a directory that is in use: files are replaced, others stay, links in it lead nowhere', async () => {
    const out = join(base, 'out')
    mkdirSync(join(out, 'link'), { recursive: true })
    mkdirSync(join(base, 'canary'))
    writeFileSync(join(base, 'canary/a'), 'host')
    symlinkSync(join(base, 'canary'), join(out, 'bin'))
    writeFileSync(join(out, 'mine'), 'kept')
    await copyTree(tree, out, { native, signal, owner: { uid: 5, gid: 6 }, latestMtimeNs: 1_000_000_000n })
    expect(readFileSync(join(base, 'canary/a'), 'utf8')).toBe('host')
    expect(readFileSync(join(out, 'mine'), 'utf8')).toBe('kept')
    expect(lstatSync(join(out, 'bin/b'))).toMatchObject({ uid: 5, gid: 6, mtimeMs: 1000 })
    expect(lstatSync(join(out, 'link')).isSymbolicLink()).toBe(true)
  })
})
