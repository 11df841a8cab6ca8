// Archives that ADD extracts are anybody's: whatever is in them, the host's files stay as they are and unseen, and what
// cannot be done is one clear error that names the archive and the line.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MadeMember, makeMember, makeTar } from '../support/tar-maker.ts'
import { isRoot } from '../sys/native.ts'
import { expectClean, secret } from './support/canary.ts'
import { type Finished, tool, type Workspace, workspace } from './support/slipway.ts'

const evil: MadeMember = { name: 'x', body: 'evil\n' }

describe.skipIf(!isRoot)('hostile archives (needs root)', () => {
  let ws: Workspace
  let host: string
  let turn = 0
  beforeAll(() => {
    ws = workspace()
    host = mkdtempSync(join(tmpdir(), 'slipway-canary-'))
    writeFileSync(join(host, 'secret'), `${secret}\n`)
  })
  afterAll(() => {
    // Node's own removal nests a call for every level of a tree.
    if (ws !== undefined) tool('rm', ['-rf', ws.root])
    ws?.[Symbol.dispose]()
    rmSync(host, { recursive: true, force: true })
  })

  /** Adds `archive` to an image of nothing. Whatever came of it, the host is not in it. */
  async function add(archive: Buffer): Promise<Finished & { readonly listed: readonly string[] }> {
    const context = ws.context(`context-${turn++}`, {
      Dockerfile: 'FROM scratch\nADD a.tar /d/\n',
      'a.tar': archive,
    })
    const out = join(ws.directory, `out-${turn}`)
    const result = await ws.start('build', '--progress=plain', '-o', `type=tar,dest=${out}`, context).ended
    expectClean(result)
    expect(readdirSync(host)).toEqual(['secret'])
    expect(readFileSync(join(host, 'secret'), 'utf8')).toBe(`${secret}\n`)
    if (result.status !== 0) return { ...result, listed: [] }
    const names = tool('tar', ['-tf', out]).split('\n')
    const listed = names.map((name) => name.replace(/^(?:\.\/)?(?:d\/)?/, '')).filter((name) => name !== '')
    expect(tool('tar', ['-xOf', out])).not.toContain(secret)
    return { ...result, listed }
  }

  const inside = (): string => host.slice(1)
  it.each<[string, () => readonly MadeMember[], () => readonly string[]]>([
    ['names that lead up', () => [{ ...evil, name: '../../../../../../x' }], () => ['x']],
    [
      'an absolute name',
      () => [
        { name: host, type: '5' },
        { ...evil, name: `${host}/y` },
      ],
      () => [`${inside()}/`, `${inside()}/y`],
    ],
    [
      'a link to the host, then what would be there',
      () => [
        { name: 'l', type: '2', link: host },
        { name: inside(), type: '5' },
        { ...evil, name: 'l/y' },
      ],
      () => [`${inside()}/`, `${inside()}/y`, 'l'],
    ],
    [
      'a link up, then a file through it',
      () => [
        { name: 'l', type: '2', link: '../../../../..' },
        { ...evil, name: 'l/y' },
      ],
      () => ['l', 'y'],
    ],
    [
      'a link to /proc/self/environ',
      () => [{ name: 'l', type: '2', link: '/proc/self/environ' }],
      () => ['l'],
    ],
    [
      'a link in place of a directory that was filled',
      () => [{ name: 'l/', type: '5' }, evil, { name: 'l', type: '2', link: '/' }, { ...evil, name: 'l/y' }],
      () => ['l', 'x', 'y'],
    ],
  ])('%s stays below the destination', async (_what, members, names) => {
    const result = await add(makeTar(members()))
    expect(result.stderr).not.toContain('ERROR')
    const isOnTheWay = (name: string): boolean =>
      name.endsWith('/') && name !== `${inside()}/` && `${inside()}/`.startsWith(name)
    expect(result.listed.filter((name) => !isOnTheWay(name)).sort()).toEqual([...names()].sort())
  })

  it.each<[string, () => readonly MadeMember[], RegExp]>([
    [
      'a hard link to a file of the host',
      () => [{ name: 'h', type: '1', link: `${host}/secret` }],
      /hard link to nothing/,
    ],
    [
      'a hard link up to it',
      () => [{ name: 'h', type: '1', link: `../../..${host}/secret` }],
      /hard link to nothing/,
    ],
    [
      'a file through a link to the host',
      () => [
        { name: 'l', type: '2', link: host },
        { ...evil, name: 'l/y' },
      ],
      /not a directory/,
    ],
    [
      'a link in a circle',
      () => [
        { name: 'l', type: '2', link: 'm' },
        { name: 'm', type: '2', link: 'l' },
        { ...evil, name: 'l/y' },
      ],
      /too many levels/,
    ],
    ['a file in place of the root', () => [{ ...evil, name: '/' }], /stands for the destination/],
    ['a whiteout', () => [{ ...evil, name: '.wh.x' }], /whiteouts in image layers/],
    ['an opaque mark', () => [{ ...evil, name: 'x/.wh..wh..opq' }], /whiteouts in image layers/],
    ['the device of a whiteout', () => [{ name: 'c', type: '3' }], /0:0/],
    [
      'a name of more than 255 bytes',
      () => [{ ...evil, pax: { path: 'n'.repeat(256) } }],
      /longer than 255 bytes/,
    ],
    ['a name of 40,000 bytes', () => [{ ...evil, pax: { path: 'n/'.repeat(20_000) } }], /a name longer than/],
    [
      'a pax header of 2 MiB',
      () => [{ ...evil, pax: { comment: 'n'.repeat(2 << 20) } }],
      /larger than 1048576 bytes/,
    ],
    [
      'a body of 8 EiB',
      () => [evil, { ...evil, raw: [[124, `\x80\0\0\0${'\x7f'.padEnd(8, '\xff')}`]] }],
      /out of range/,
    ],
    ['a body of 1 PiB', () => [{ ...evil, size: 2 ** 50 }], /ends in the middle of an entry/],
    [
      'a hole of 1 PiB',
      () => [
        {
          ...evil,
          body: 'x',
          pax: { 'GNU.sparse.map': '0,1', 'GNU.sparse.numblocks': '1', 'GNU.sparse.size': String(2 ** 50) },
        },
      ],
      /bytes of holes/,
    ],
    [
      'rubbish behind a member',
      () => [
        { ...evil, body: '' },
        { ...evil, raw: [[148, 'rubbish']], name: 'y', type: 'Z' },
      ],
      /unsupported type/,
    ],
  ])('%s is refused', async (_what, members, message) => {
    const result = await add(makeTar(members()))
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(message)
    expect(result.stderr).toMatch(/2 \| >>> ADD a\.tar|Dockerfile:2/)
  })

  it('a compressed archive that is damaged is refused by name, and nothing of it stays', async () => {
    const big = makeTar([{ ...evil, body: Array.from({ length: 90_000 }, (_, i) => i % 7919).join(' ') }])
    for (const cut of [gzipSync(big).subarray(0, -9), gzipSync(big).subarray(0, 40_000)]) {
      const result = await add(cut)
      expect(result.status).toBe(1)
      expect(result.stderr).toMatch(/ADD failed: extract "\/a\.tar": gzip: /)
      expect(result.stderr).toMatch(/2 \| >>> ADD a\.tar|Dockerfile:2/)
    }
  })

  it('directories 2,000 deep are made', async () => {
    const deep: MadeMember[] = []
    for (let depth = 1; depth <= 2000; depth += 50)
      deep.push({ name: 'd', type: '5', pax: { path: 'd/'.repeat(depth) } })
    const result = await add(makeTar(deep))
    expect(result.stderr).not.toContain('ERROR')
  })

  it('10,000 replacements of one name by turns are made', async () => {
    const turns = Array.from({ length: 5000 }, () => [
      makeMember({ name: 'x/', type: '5' }),
      makeMember(evil),
    ]).flat()
    const result = await add(gzipSync(Buffer.concat([...turns, Buffer.alloc(1024)])))
    expect(result).toMatchObject({ status: 0, listed: ['x'] })
  })
})
