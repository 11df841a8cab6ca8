// The layer of a COPY that no step reads is its archive at once; it must be the very archive that the same COPY's
// directory would have given.
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileAction } from '../../src/graph/op.ts'
import { readTar } from '../../src/layer/tar-read.ts'
import type { Result } from '../../src/solve/types.ts'
import '../support/property-seed.ts'
import { testContext } from './support/context.ts'
import { copy, openRig, type Rig, type Tree, writeTree } from './support/rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(() => rig.dispose())

/**
 * One line per entry of an archive. Directories of the base that a layer only reaches into have the time of the build
 * in an archive, and the time of the writing in a directory: theirs is left out.
 */
async function linesOf(archive: Buffer, reachedInto: (path: string) => boolean): Promise<string[]> {
  const lines: string[] = []
  async function* bytes() {
    yield archive
  }
  for await (const member of readTar(bytes())) {
    const { path, type, mode, uid, gid, size, mtimeNs, linkTarget = '', xattrs } = member.entry
    const body = size > 0 ? (await member.bytes()).toString('latin1') : ''
    const time = type === 'directory' && reachedInto(path) ? '' : mtimeNs
    const attributes = JSON.stringify([...xattrs].map(([name, value]) => [name, String(value)]))
    lines.push([path, type, mode.toString(8), uid, gid, size, time, linkTarget, attributes, body].join(' '))
  }
  return lines
}

/** Both archives' lines, or the code that both fail with. */
async function both(base: Result | null, actions: readonly FileAction[], others = [rig.local()]) {
  const inBase = new Set(base === null ? [] : rig.list(base).map((line) => line.replace(/\/? .*/s, '')))
  const code = (thrown: { code?: string }) => [String(thrown.code)]
  const made = await rig.run(base, others, actions).catch(code)
  const last = await rig.last(base, others, actions).catch(code)
  const lines = (archive: Buffer) => linesOf(archive, (path) => inBase.has(path))
  return {
    kind: Array.isArray(last) ? 'error' : last.kind,
    expected: Array.isArray(made) ? made : await lines(await rig.archive(made)),
    found: Array.isArray(last) ? last : await lines(last.archive),
  }
}

describe('an archive in place of a directory', () => {
  const context: Tree = {
    'src/': ['', 0o750],
    'src/a': ['A', 0o755],
    'src/b': '= src/a',
    'src/empty': '',
    'src/link': '-> a',
    'src-more': 'after what is in src',
    'src/sub/deep/f': 'deep',
    'src/sub.x': 'x',
    large: 'x'.repeat(700_000),
    'name\u00e4 with\nnewline': 'n',
  }
  const base: Tree = {
    'etc/': ['', 0o700, 3, 4],
    'etc/passwd': 'app:x:1000:1001::/:/bin/sh\n',
    'app/old': 'old',
    'app/sub/f': 'f',
    'to/': '',
    link: '-> to',
  }
  const cases: Readonly<Record<string, readonly FileAction[]>> = {
    'everything to the root': [copy({ sources: ['.'], destination: '/' })],
    'everything to a new directory': [copy({ sources: ['.'], destination: '/new/place/' })],
    'onto directories that exist': [copy({ sources: ['src'], destination: '/app' })],
    'a file in place of a file': [copy({ sources: ['src/a'], destination: '/app/old' })],
    'through a link of the base': [copy({ sources: ['src'], destination: '/link/x' })],
    'several files by wildcard': [copy({ sources: ['src/*'], destination: '/to/' })],
    'with an owner and a mode': [
      copy({ sources: ['src'], destination: '/o', owner: 'app', mode: 'u=rwX,go=' }),
    ],
    'an excluded and an ignored file': [copy({ sources: ['src'], destination: '/e', exclude: ['**/f'] })],
    parents: [copy({ sources: ['src/sub/deep/f'], destination: '/p/', parents: true })],
    'one copy over another': [
      copy({ sources: ['src'], destination: '/twice' }),
      copy({ sources: ['large'], destination: '/twice/a' }),
      copy({ sources: ['src/sub.x'], destination: '/twice/sub/deep/f' }),
    ],
    'a here-document and a directory': [
      { kind: 'mkfile', path: '/etc/motd', mode: 0o600, owner: '7:8', content: 'hello' },
      { kind: 'mkdir', path: '/etc/conf.d/x', mode: 0o711 },
      { kind: 'mkdir', path: '/app/sub', mode: 0o711 },
    ],
    'nothing at all': [{ kind: 'mkdir', path: '/app', mode: 0o755 }],
    'what must not be': [copy({ sources: ['large'], destination: '/app/sub/f/g' })],
    'a file over a directory': [copy({ sources: ['src'], destination: '/app/old' })],
  }
  it.each(Object.entries(cases))('%s', async (_, actions) => {
    writeTree(rig.context, context)
    execFileSync('setfattr', ['-n', 'user.kept', '-v', 'yes', join(rig.context, 'src/a')])
    for (const below of [await rig.layer(base), null]) {
      const { kind, found, expected } = await both(below, actions)
      expect(found).toEqual(expected)
      expect(kind).toBe(expected[0]?.startsWith('ERR_') ? 'error' : 'archive')
    }
  })

  it('copies owners and links of another stage', async () => {
    const stage = await rig.layer({ 'd/f': ['f', 0o4755, 5, 6], 'd/g': '= d/f', 'd/l': '-> f' })
    const { kind, found, expected } = await both(
      await rig.layer(base),
      [copy({ sources: ['d'], destination: '/app' })],
      [stage],
    )
    expect(kind).toBe('archive')
    expect(found).toEqual(expected)
    expect(found.join()).toContain('app/f file 4755 5 6')
  })

  it('makes a directory of what ADD unpacks, and of nothing else that it copies', async () => {
    writeTree(rig.context, { f: 'f', 'd/g': 'g', 'no.gz': '\x1f\x8bno archive', empty: '', link: '-> a.tar' })
    for (const name of ['a.tar', 'd/below.tar'])
      execFileSync('tar', ['-cf', join(rig.context, name), '-C', rig.context, 'f'])
    const add = (...sources: readonly string[]) =>
      copy({ sources, destination: '/x/', unpack: true, instruction: 'ADD' })
    const copied = copy({ sources: ['a.tar'], destination: '/y/' })
    const below = await rig.layer(base)
    for (const [expectedKind, ...actions] of [
      ['archive', add('f', 'd', 'no.gz', 'empty')],
      ['archive', add('d'), copied],
      ['snapshot', add('f', 'a.tar')],
      ['snapshot', copied, add('f'), add('*.tar')],
      ['snapshot', add('link')],
      ['error', add('f', 'none')],
    ] as const) {
      const { kind, found, expected } = await both(below, actions)
      expect([kind, found]).toEqual([expectedKind, expected])
      expect(found.length).toBeGreaterThan(0)
    }
  })

  it('is what the layers below and it say when it is unpacked', async () => {
    writeTree(rig.context, context)
    const below = await rig.layer({ ...base, 'app/sub/': ['', 0o711, 8, 9] })
    for (const on of [below, null]) {
      const actions = [copy({ sources: ['src'], destination: '/app/sub' })]
      const made = await rig.run(on, [rig.local()], actions)
      const { layers } = await rig.last(on, [rig.local()], actions)
      const onBase = on === null ? layers : { ...layers, layers: [...on.layers, ...layers.layers.slice(-1)] }
      const unpacked = await rig.unpacked(onBase)
      expect(rig.list(unpacked)).toEqual(rig.list(made))
      expect(await rig.unpacked(onBase)).toMatchObject({ layers: unpacked.layers })
    }
  })

  const changes: Readonly<Record<string, (path: string) => void>> = {
    grows: (path) => appendFileSync(path, 'more'),
    'changes in place': (path) => writeFileSync(path, 'X', { flag: 'r+' }),
    disappears: (path) => unlinkSync(path),
    'becomes a pipe': (path) => {
      unlinkSync(path)
      execFileSync('mkfifo', [path])
    },
    'becomes a link': (path) => {
      unlinkSync(path)
      execFileSync('ln', ['-s', '/etc/passwd', path])
    },
  }
  it.each(Object.entries(changes))('fails when a file %s after the digest', async (_, change) => {
    const actions = [copy({ sources: ['d'], destination: '/' })]
    for (const name of ['small', 'large']) {
      rmSync(rig.context, { recursive: true })
      writeTree(rig.context, { 'd/small': 'small', 'd/large': 'l'.repeat(700_000) })
      const cx = testContext()
      const local = rig.local()
      await rig.digest(actions, [], cx)
      change(join(rig.context, 'd', name))
      await expect(rig.last(null, [local], actions, cx)).rejects.toMatchObject({
        code: 'ERR_CONTEXT_CHANGED',
        message: expect.stringContaining(`"d/${name}"`),
      })
    }
    expect(readdirSync(join(rig.root, 'state/active'))).toEqual([])
  })

  it('is the same for any trees', async () => {
    const name = fc.constantFrom('a', 'b', 'a-b', 'c')
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
    const what = fc.constantFrom('one', 'two', '', '-> a', '-> /b/c', '/')
    const tree = fc.array(fc.tuple(path, what), { maxLength: 8 })
    const action = fc.record({
      sources: fc.constantFrom(['.'], ['a'], ['a', 'b'], ['*'], ['a/*'], ['b/c']),
      destination: fc.constantFrom('/', '/a', '/a/', '/b/c/', '/x/y', '/c'),
      mode: fc.constantFrom(undefined, '711'),
      parents: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(
        tree,
        tree,
        fc.array(action, { minLength: 1, maxLength: 3 }),
        async (on, from, copies) => {
          const actions = copies.map(({ mode, ...rest }) =>
            copy(mode === undefined ? rest : { ...rest, mode }),
          )
          rmSync(rig.context, { recursive: true })
          mkdirSync(rig.context)
          writeTree(rig.context, possible(from))
          const { found, expected } = await both(await rig.layer(possible(on)), actions)
          expect(found).toEqual(expected)
        },
      ),
      { numRuns: 40 },
    )
  })
})

/** Those of the entries that a file system can hold together. */
function possible(entries: readonly (readonly [string, string])[]): Tree {
  const tree: Record<string, string> = {}
  const isDirectory = (path: string) => Object.keys(tree).some((other) => other.startsWith(`${path}/`))
  for (const [path, what] of entries) {
    const above = path.split('/').map((_, i, parts) => parts.slice(0, i).join('/'))
    if (path in tree || `${path}/` in tree || isDirectory(path) || above.some((up) => up in tree)) continue
    if (what === '/') tree[`${path}/`] = ''
    else tree[path] = what
  }
  return tree
}
