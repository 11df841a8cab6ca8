// COPY with the real helper on a real overlay: a base and a context that have something of everything. Expectations of
// tests marked (20.10) were read off dockerd 20.10's BuildKit with the same base and context.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FileAction } from '../../../src/graph/op.ts'
import type { Result } from '../../../src/solve/types.ts'
import { isRoot } from '../../sys/native.ts'
import { type CopyInput, copy, openRig, type Rig, type Tree, writeTree } from './rig.ts'

const baseTree: Tree = {
  'etc/passwd': 'root:x:0:0:::\napp:x:1000:1001:::\n',
  'etc/group': 'root:x:0:\ngrp:x:2000:\n',
  'existing/': ['', 0o700, 5, 6],
  'existing/sub/': ['', 0o711, 5, 6],
  'existing/keep': 'k',
  linkdir: '-> existing',
  dangling: '-> nowhere/deep',
  plain: 'x',
  linkfile: '-> plain',
  absolute: '-> /existing/sub',
  escape: '-> ../../../../existing',
  loop: '-> loop',
}
const contextTree: Tree = {
  'dir/a': 'a',
  'dir/a2': '= dir/a',
  'dir/la': '-> a',
  'dir/sub/b': ['b', 0o4755],
  'dir/sub/': ['', 0o750],
  'dir/': ['', 0o750],
  'dir2/c': 'c',
  ldir: '-> dir',
  lfile: '-> dir/a',
  one: '1',
  'two.txt': '2',
  'three.txt': '3',
}

/** What `dir` of the context becomes below `at`, one line per object. */
export const dirLines = (at: string, owner = '0:0', mode = (m: string) => m) => [
  `${at}a ${mode('644')} ${owner} a`,
  `${at}a2 ${mode('644')} ${owner} a`,
  `${at}la link ${owner} -> a`,
  `${at}sub/ ${mode('750')} ${owner}`,
  `${at}sub/b ${mode('4755')} ${owner} b`,
]

/** Made before the first test. */
export interface Copies {
  readonly rig: Rig
  readonly base: Result
  /** Runs the actions on the base, with the context as input 1. */
  run(action: FileAction, ...more: FileAction[]): Promise<Result>
}

/** What is below `under` afterwards. */
export type CopyRow = readonly [title: string, action: CopyInput, under: string, lines: readonly string[]]

/** Registers the tests of `body`, which need root. */
export function describeCopies(body: (under: Copies) => void): void {
  describe.skipIf(!isRoot)('COPY (needs root)', () => {
    let rig: Rig
    let base: Result
    beforeAll(async () => {
      rig = await openRig()
      writeTree(rig.context, contextTree)
      base = await rig.layer(baseTree)
    })
    afterAll(() => rig.dispose())
    body({
      get rig() {
        return rig
      },
      get base() {
        return base
      },
      run: (action, ...more) => rig.run(base, [rig.local()], [action, ...more]),
    })
  })
}

/** Registers a test for each row. */
export function testRows(under: Copies, rows: readonly CopyRow[]): void {
  it.each(rows)('%s', async (title, action, below, lines) => {
    const result = await under.run(copy(action))
    if (title.includes('renames'))
      expect(under.rig.entry(result, 'w')).toMatchObject({ type: 'file', size: 1 })
    else expect(under.rig.list(result, below)).toEqual(lines)
  })
}
