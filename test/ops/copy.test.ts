// The destination rules of COPY with the real helper on a real overlay: needs root. Expectations marked (20.10)
// were read off dockerd 20.10's BuildKit with the same base and context.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FileAction } from '../../src/graph/op.ts'
import type { Result } from '../../src/solve/types.ts'
import { testContext } from './support/context.ts'
import { copy, openRig, type Rig, type Tree, treeTime, writeTree } from './support/rig.ts'

const isRoot = process.getuid?.() === 0

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
const dirLines = (at: string, owner = '0:0', mode = (m: string) => m) => [
  `${at}a ${mode('644')} ${owner} a`,
  `${at}a2 ${mode('644')} ${owner} a`,
  `${at}la link ${owner} -> a`,
  `${at}sub/ ${mode('750')} ${owner}`,
  `${at}sub/b ${mode('4755')} ${owner} b`,
]

describe.skipIf(!isRoot)('COPY (needs root)', () => {
  let rig: Rig
  let base: Result
  beforeAll(async () => {
    rig = await openRig()
    writeTree(rig.context, contextTree)
    base = await rig.layer(baseTree)
  })
  afterAll(() => rig.dispose())

  const run = (action: FileAction, ...more: FileAction[]): Promise<Result> =>
    rig.run(base, [rig.local()], [action, ...more])

  const table: readonly [
    title: string,
    Parameters<typeof copy>[0],
    under: string,
    lines: readonly string[],
  ][] = [
    [
      'a directory brings its contents (20.10)',
      { sources: ['dir'], destination: '/new/deep' },
      'new',
      ['new/deep/ 755 0:0', ...dirLines('new/deep/')],
    ],
    [
      'a trailing slash changes nothing for a directory',
      { sources: ['dir'], destination: '/new/deep/' },
      'new',
      ['new/deep/ 755 0:0', ...dirLines('new/deep/')],
    ],
    [
      'a directory merges into an existing one; what is nested gets the source’s metadata (20.10)',
      { sources: ['dir'], destination: '/existing' },
      'existing',
      [
        'existing/a 644 0:0 a',
        'existing/a2 644 0:0 a',
        'existing/keep 644 0:0 k',
        'existing/la link 0:0 -> a',
        'existing/sub/ 750 0:0',
        'existing/sub/b 4755 0:0 b',
      ],
    ],
    [
      'a link to a directory is followed (20.10)',
      { sources: ['ldir'], destination: '/ld' },
      'ld',
      dirLines('ld/'),
    ],
    [
      'a link to a file is followed and keeps its own name (20.10)',
      { sources: ['lfile'], destination: '/lf/' },
      'lf',
      ['lf/lfile 644 0:0 a'],
    ],
    [
      'a file goes into an existing directory',
      { sources: ['one'], destination: '/existing' },
      'existing',
      ['existing/keep 644 0:0 k', 'existing/one 644 0:0 1', 'existing/sub/ 711 5:6'],
    ],
    [
      'the destination’s links are followed (20.10)',
      { sources: ['one'], destination: '/linkdir/' },
      'existing',
      ['existing/keep 644 0:0 k', 'existing/one 644 0:0 1', 'existing/sub/ 711 5:6'],
    ],
    [
      'absolute links stay in the root',
      { sources: ['one'], destination: '/absolute/' },
      'existing/sub',
      ['existing/sub/one 644 0:0 1'],
    ],
    [
      'links upwards stay in the root',
      { sources: ['one'], destination: '/escape/x' },
      'existing',
      ['existing/keep 644 0:0 k', 'existing/sub/ 711 5:6', 'existing/x 644 0:0 1'],
    ],
    [
      'a dangling link’s target is made (20.10)',
      { sources: ['one'], destination: '/dangling' },
      'nowhere',
      ['nowhere/deep 644 0:0 1'],
    ],
    [
      'a file is renamed without trailing slash',
      { sources: ['one'], destination: '/a/b/c' },
      'a',
      ['a/b/ 755 0:0', 'a/b/c 644 0:0 1'],
    ],
    [
      'a file keeps its name with a trailing slash',
      { sources: ['one'], destination: '/a/b/c/' },
      'a',
      ['a/b/ 755 0:0', 'a/b/c/ 755 0:0', 'a/b/c/one 644 0:0 1'],
    ],
    [
      'a destination ending in /. is a directory',
      { sources: ['one'], destination: '/a/.' },
      'a',
      ['a/one 644 0:0 1'],
    ],
    [
      'several files go into a directory',
      { sources: ['one', 'two.txt'], destination: '/m/' },
      'm',
      ['m/one 644 0:0 1', 'm/two.txt 644 0:0 2'],
    ],
    [
      'a wildcard selects by name',
      { sources: ['*.txt'], destination: '/w/' },
      'w',
      ['w/three.txt 644 0:0 3', 'w/two.txt 644 0:0 2'],
    ],
    ['a wildcard that means one file renames it', { sources: ['tw*.txt'], destination: '/w' }, '', []],
    [
      'directories by wildcard bring their contents (20.10)',
      { sources: ['di*'], destination: '/multi/' },
      'multi',
      [...dirLines('multi/').slice(0, 2), 'multi/c 644 0:0 c', ...dirLines('multi/').slice(2)],
    ],
    [
      'wildcards in directories do not follow links',
      { sources: ['*/b*', '*/*/b'], destination: '/w/' },
      'w',
      ['w/b 4755 0:0 b'],
    ],
    [
      'a wildcard without match makes nothing (20.10)',
      { sources: ['nothing*'], destination: '/nothing/' },
      'nothing',
      [],
    ],
    [
      '--chown by name takes the group of the user (20.10)',
      { sources: ['dir2'], destination: '/own/x', owner: 'app' },
      'own',
      ['own/x/ 755 1000:1001', 'own/x/c 644 1000:1001 c'],
    ],
    [
      '--chown by number takes the same group (20.10)',
      { sources: ['dir2'], destination: '/own/x', owner: '55' },
      'own',
      ['own/x/ 755 55:55', 'own/x/c 644 55:55 c'],
    ],
    [
      '--chown with a group (20.10)',
      { sources: ['one'], destination: '/own/x/', owner: '55:grp' },
      'own',
      ['own/x/ 755 55:2000', 'own/x/one 644 55:2000 1'],
    ],
    [
      '--chown keeps set-uid',
      { sources: ['dir/sub'], destination: '/own/x', owner: '55' },
      'own/x',
      ['own/x/b 4755 55:55 b'],
    ],
    [
      '--chmod applies to files and directories',
      { sources: ['dir'], destination: '/mod/x', mode: '640' },
      'mod',
      ['mod/x/ 640 0:0', ...dirLines('mod/x/', '0:0', () => '640')],
    ],
    [
      '--chmod symbolic',
      { sources: ['dir'], destination: '/mod', mode: 'go=,u+rwX' },
      'mod',
      [
        'mod/a 600 0:0 a',
        'mod/a2 600 0:0 a',
        'mod/la link 0:0 -> a',
        'mod/sub/ 700 0:0',
        'mod/sub/b 4700 0:0 b',
      ],
    ],
    [
      '--exclude is relative to the copied directory',
      { sources: ['dir'], destination: '/e', exclude: ['a*', 'sub/b'] },
      'e',
      ['e/la link 0:0 -> a', 'e/sub/ 750 0:0'],
    ],
    [
      '--exclude with an exception keeps the way to it',
      { sources: ['dir'], destination: '/e', exclude: ['*', '!sub/b'] },
      'e',
      ['e/sub/ 750 0:0', 'e/sub/b 4755 0:0 b'],
    ],
    [
      '--exclude takes files a wildcard selected',
      { sources: ['*.txt'], destination: '/e/', exclude: ['two*'] },
      'e',
      ['e/three.txt 644 0:0 3'],
    ],
    [
      '--parents keeps the path',
      { sources: ['dir/sub/b', 'one'], destination: '/p/', parents: true },
      'p',
      ['p/dir/ 750 0:0', 'p/dir/sub/ 750 0:0', 'p/dir/sub/b 4755 0:0 b', 'p/one 644 0:0 1'],
    ],
    [
      '--parents keeps the path behind the pivot',
      { sources: ['dir/./sub/b'], destination: '/p/', parents: true },
      'p',
      ['p/sub/ 750 0:0', 'p/sub/b 4755 0:0 b'],
    ],
    [
      '--parents with ** and without match elsewhere',
      { sources: ['**/b'], destination: '/p/', parents: true },
      'p',
      ['p/dir/ 750 0:0', 'p/dir/sub/ 750 0:0', 'p/dir/sub/b 4755 0:0 b'],
    ],
    [
      '--parents of a directory brings all of it',
      { sources: ['dir2'], destination: '/p/', parents: true },
      'p',
      ['p/dir2/ 755 0:0', 'p/dir2/c 644 0:0 c'],
    ],
  ]
  it.each(table)('%s', async (title, action, under, lines) => {
    const result = await run(copy(action))
    if (title.includes('renames')) expect(rig.entry(result, 'w')).toMatchObject({ type: 'file', size: 1 })
    else expect(rig.list(result, under)).toEqual(lines)
  })

  it('keeps times to the nanosecond and links between copied names', async () => {
    const result = await run(copy({ sources: ['dir'], destination: '/new' }))
    const nanoseconds = BigInt(treeTime.getTime()) * 1_000_000n
    for (const path of ['new', 'new/a', 'new/la', 'new/sub', 'new/sub/b']) {
      expect([path, rig.entry(result, path)?.mtimeNs]).toEqual([path, nanoseconds])
    }
    expect(rig.entry(result, 'new/a')?.linkGroup).toBeDefined()
    expect(rig.entry(result, 'new/a')?.linkGroup).toBe(rig.entry(result, 'new/a2')?.linkGroup)
  })

  it('keeps the metadata of an existing destination', async () => {
    const result = await run(copy({ sources: ['dir'], destination: '/existing', owner: '9', mode: '777' }))
    expect(rig.entry(result, 'existing')).toMatchObject({ mode: 0o700, uid: 5, gid: 6 })
  })

  it('replaces a file through a link and leaves the link', async () => {
    const result = await run(copy({ sources: ['one'], destination: '/linkfile' }))
    expect(rig.entry(result, 'linkfile')?.linkTarget).toBe('plain')
    expect(rig.list(result, '').filter((line) => line.startsWith('plain'))).toEqual(['plain 644 0:0 1'])
  })

  it('replaces links inside the destination instead of following them', async () => {
    writeTree(rig.context, { 'over/la': 'new', 'over/plain': 'p' })
    const target = await rig.layer({ 'd/la': '-> /etc', 'etc/passwd': 'safe' })
    const result = await rig.run(target, [rig.local()], [copy({ sources: ['over'], destination: '/d' })])
    expect(rig.list(result)).toEqual([
      'd/ 755 0:0',
      'd/la 644 0:0 new',
      'd/plain 644 0:0 p',
      'etc/ 755 0:0',
      'etc/passwd 644 0:0 safe',
    ])
  })

  it('copies the whole context to the root', async () => {
    const result = await rig.run(
      null,
      [rig.local(['**', '!one'])],
      [copy({ sources: ['.'], destination: '/' })],
    )
    expect(rig.list(result)).toEqual(['one 644 0:0 1'])
  })

  it('lets later actions see earlier ones', async () => {
    const result = await run(
      { kind: 'mkdir', path: '/w/deep', mode: 0o755, owner: 'app' },
      copy({ sources: ['one'], destination: '/w/deep' }),
      { kind: 'mkfile', path: '/w/deep', name: 'EOF', mode: 0o600, content: 'ü' },
      { kind: 'mkfile', path: '/w/f/g', mode: 0o644, owner: '3:4', content: 'g' },
      { kind: 'mkdir', path: '/existing', mode: 0o755, owner: 'app' },
    )
    expect(rig.list(result, 'w')).toEqual([
      'w/deep/ 755 1000:1001',
      'w/deep/EOF 600 0:0 ü',
      'w/deep/one 644 0:0 1',
      'w/f/ 755 3:4',
      'w/f/g 644 3:4 g',
    ])
    expect(rig.entry(result, 'w')).toMatchObject({ uid: 1000, gid: 1001 })
    expect(rig.entry(result, 'existing')).toMatchObject({ uid: 5, mode: 0o700 })
  })

  it("makes a WORKDIR of a user nobody has created root's, and says so", async () => {
    const cx = testContext()
    const actions = ['nobody', 'app:nogroup'].map((owner, at) => {
      return { kind: 'mkdir', path: `/w${at}`, mode: 0o755, owner } as const
    })
    const result = await rig.run(base, [], actions, cx)
    expect(rig.entry(result, 'w0')).toMatchObject({ uid: 0, gid: 0 })
    expect(rig.entry(result, 'w1')).toMatchObject({ uid: 1000, gid: 0 })
    expect(cx.events.flatMap((event) => (event.type === 'log' ? [event.text] : []))).toEqual([
      expect.stringMatching(/^warning: unable to find user "nobody" .*\/etc\/passwd.*: \/w0 belongs to 0\n$/),
      expect.stringMatching(
        /^warning: unable to find group "nogroup" .*\/etc\/group.*: \/w1 belongs to 0\n$/,
      ),
    ])
  })

  it('says that one file was written over another', async () => {
    const cx = testContext()
    const result = await rig.run(
      null,
      [rig.local([])],
      [copy({ sources: ['*.txt', 'two.txt'], destination: '/w' })],
      cx,
    )
    expect(cx.events.flatMap((event) => (event.type === 'log' ? [event.text] : []))).toEqual([
      'warning: "three.txt" and "two.txt" both become "/w": only the last one stays\n',
    ])
    expect(rig.list(result)).toEqual(['w 644 0:0 2'])
  })

  const failures: readonly [title: string, Parameters<typeof copy>[0], code: string, message: RegExp][] = [
    [
      'a missing source',
      { sources: ['tow.txt'], destination: '/x' },
      'ERR_COPY_NOT_FOUND',
      /^COPY failed: "\/tow.txt": not found/,
    ],
    [
      'a directory over a file',
      { sources: ['dir'], destination: '/plain' },
      'ERR_COPY_NOT_DIRECTORY',
      /cannot copy to non-directory: "\/plain"/,
    ],
    [
      'a directory below a file',
      { sources: ['one'], destination: '/plain/x' },
      'ERR_COPY_NOT_DIRECTORY',
      /not a directory: "\/plain"/,
    ],
    [
      'a destination that loops',
      { sources: ['one'], destination: '/loop' },
      'ERR_COPY_LINK_LOOP',
      /symbolic links/,
    ],
    [
      'an unknown owner',
      { sources: ['one'], destination: '/x', owner: 'nobody' },
      'ERR_OWNER_UNKNOWN',
      /unable to find user "nobody"/,
    ],
    [
      'a missing path of --parents',
      { sources: ['dir/nope'], destination: '/x/', parents: true },
      'ERR_COPY_NOT_FOUND',
      /"\/dir\/nope": not found/,
    ],
    [
      'a bad pattern',
      { sources: ['[a'], destination: '/x/' },
      'ERR_COPY_PATTERN',
      /syntax error in pattern "\[a"/,
    ],
  ]
  it.each(failures)('refuses %s', async (_title, action, code, message) => {
    await expect(run(copy(action))).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('refuses a file where a directory is', async () => {
    writeTree(rig.context, { 'clash/sub': 'file' })
    const action = copy({ sources: ['clash'], destination: '/existing' })
    await expect(run(action)).rejects.toMatchObject({ code: 'ERR_COPY_OVER_DIRECTORY' })
  })

  it('says that a name is near, or that it is ignored', async () => {
    await expect(run(copy({ sources: ['tow.txt'], destination: '/x' }))).rejects.toMatchObject({
      hint: 'did you mean "/two.txt"?',
    })
    const ignored = rig.run(base, [rig.local(['*.txt'])], [copy({ sources: ['two.txt'], destination: '/x' })])
    await expect(ignored).rejects.toMatchObject({
      hint: expect.stringContaining('.dockerignore excludes it'),
    })
  })

  it('refuses names that would be whiteouts', async () => {
    writeTree(rig.context, { 'wh/.wh.etc': '' })
    await expect(run(copy({ sources: ['wh'], destination: '/' }))).rejects.toMatchObject({
      code: 'ERR_COPY_RESERVED_NAME',
    })
  })
})
