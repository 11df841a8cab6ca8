// The build context as a source: .dockerignore, special files, links that try to leave, files that change.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testContext } from './support/context.ts'
import { copy, openRig, type Rig, writeTree } from './support/rig.ts'

const isRoot = process.getuid?.() === 0
const all = [copy({ sources: ['.'], destination: '/' })]

describe.skipIf(!isRoot)('build context (needs root)', () => {
  let rig: Rig
  let host: string
  beforeEach(async () => {
    rig = await openRig()
    host = mkdtempSync(join(tmpdir(), 'slipway-canary-'))
    writeFileSync(join(host, 'canary'), 'secret of the host')
  })
  afterEach(() => {
    rig.dispose()
    rmSync(host, { recursive: true })
  })
  const names = async (ignore: readonly string[]): Promise<string[]> =>
    rig.list(await rig.run(null, [rig.local(ignore)], all)).map((line) => line.split(' ')[0] ?? '')

  it('leaves out what .dockerignore names, and brings back what it excepts', async () => {
    writeTree(rig.context, {
      'node_modules/x/index.js': '',
      'node_modules/keep/index.js': '',
      'src/a.ts': '',
      'src/a.test.ts': '',
      'src/deep/b.test.ts': '',
      'README.md': '',
      'docs/only/ignored.md': '',
    })
    expect(await names([])).toHaveLength(14)
    expect(await names(['node_modules', '**/*.test.ts', 'docs'])).toEqual([
      'README.md',
      'src/',
      'src/a.ts',
      'src/deep/',
    ])
    expect(await names(['node_modules', '!node_modules/keep', '**/*.md', 'src'])).toEqual([
      'docs/',
      'docs/only/',
      'node_modules/',
      'node_modules/keep/',
      'node_modules/keep/index.js',
    ])
    expect(await names(['*', '!src/deep/*.ts'])).toEqual(['src/', 'src/deep/', 'src/deep/b.test.ts'])
    expect(await names(['**'])).toEqual([])
  })

  it('does not find ignored files by name, by wildcard or through a link', async () => {
    writeTree(rig.context, { 'secret.txt': 's', 'open.txt': 'o', link: '-> secret.txt', 'd/hidden': 'h' })
    const local = rig.local(['secret.txt', 'd'])
    for (const source of ['secret.txt', 'link', 'd', 'd/hidden']) {
      const run = rig.run(null, [local], [copy({ sources: [source], destination: '/x/' })])
      await expect(run).rejects.toMatchObject({ code: 'ERR_COPY_NOT_FOUND' })
    }
    const swept = await rig.run(null, [local], [copy({ sources: ['*.txt'], destination: '/x/' })])
    expect(rig.list(swept)).toEqual(['x/ 755 0:0', 'x/open.txt 644 0:0 o'])
  })

  it('never follows a link out of the context', async () => {
    symlinkSync(join(host, 'canary'), join(rig.context, 'absolute'))
    symlinkSync(`${'../'.repeat(30)}${host.slice(1)}/canary`, join(rig.context, 'relative'))
    symlinkSync(host, join(rig.context, 'directory'))
    for (const source of ['absolute', 'relative', 'directory', 'directory/canary', '../../canary']) {
      const run = rig.run(null, [rig.local()], [copy({ sources: [source], destination: '/x' })])
      await expect(run).rejects.toMatchObject({ code: 'ERR_COPY_NOT_FOUND' })
    }
    // Inside a tree the link itself is copied.
    expect(rig.list(await rig.run(null, [rig.local()], all))).toEqual([
      `absolute link 0:0 -> ${join(host, 'canary')}`,
      `directory link 0:0 -> ${host}`,
      expect.stringMatching(/^relative link/),
    ])
  })

  it('never follows a link out of a stage or into the host through a destination', async () => {
    const stage = await rig.layer({
      out: `-> ${host}`,
      'evil/deep': `-> ${host}/canary`,
      etc: '-> /../../..',
    })
    for (const source of ['out', 'out/canary', 'etc/canary']) {
      const run = rig.run(null, [stage], [copy({ sources: [source], destination: '/x' })])
      await expect(run).rejects.toMatchObject({ code: 'ERR_COPY_NOT_FOUND' })
    }
    writeTree(rig.context, { canary: 'written' })
    const result = await rig.run(stage, [rig.local()], [copy({ sources: ['canary'], destination: '/out/' })])
    expect(rig.entry(result, `${host.slice(1)}/canary`)).toMatchObject({ type: 'file', size: 7 })
    expect(execFileSync('cat', [join(host, 'canary')]).toString()).toBe('secret of the host')
  })

  it('copies devices and pipes', async () => {
    execFileSync('mknod', [join(rig.context, 'null'), 'c', '1', '3'])
    execFileSync('mknod', [join(rig.context, 'disk'), 'b', '259', '300'])
    execFileSync('mkfifo', [join(rig.context, 'pipe')])
    const named = copy({ sources: ['null', 'disk', 'pipe'], destination: '/named/' })
    const result = await rig.run(null, [rig.local()], [...all, named])
    expect(rig.list(result)).toEqual([
      'disk 644 0:0 block',
      'named/ 755 0:0',
      'named/disk 644 0:0 block',
      'named/null 644 0:0 char',
      'named/pipe 644 0:0 fifo',
      'null 644 0:0 char',
      'pipe 644 0:0 fifo',
    ])
    for (const path of ['disk', 'named/disk'])
      expect(rig.entry(result, path)?.device).toEqual({ major: 259, minor: 300 })
  })

  it('skips sockets and whiteouts it sweeps over and refuses them by name', async () => {
    writeTree(rig.context, { 'd/file': 'f' })
    execFileSync('mknod', [join(rig.context, 'd/whiteout'), 'c', '0', '0'])
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(rig.context, 'd/socket'), resolve))
    try {
      const swept = await rig.run(null, [rig.local()], [copy({ sources: ['d', 'd/*'], destination: '/' })])
      expect(rig.list(swept)).toEqual(['file 644 0:0 f'])
      for (const source of ['d/whiteout', 'd/socket']) {
        const run = rig.run(null, [rig.local()], [copy({ sources: [source], destination: '/x' })])
        await expect(run).rejects.toMatchObject({ code: 'ERR_COPY_SPECIAL_FILE' })
      }
    } finally {
      server.close()
    }
  })

  it('copies devices and pipes of an image', async () => {
    const stage = await rig.layer({ 'dev/x': '' })
    const path = rig.entry(stage, 'dev')?.hostPath ?? ''
    execFileSync('mknod', [join(path, 'tty'), 'c', '5', '0'])
    execFileSync('mkfifo', [join(path, 'pipe')])
    const result = await rig.run(null, [stage], [copy({ sources: ['/dev'], destination: '/d' })])
    expect(rig.list(result, 'd')).toEqual(['d/pipe 644 0:0 fifo', 'd/tty 644 0:0 char', 'd/x 644 0:0 '])
    expect(rig.entry(result, 'd/tty')?.device).toEqual({ major: 5, minor: 0 })
  })

  it('keeps owners of images, capabilities and user attributes', async () => {
    const stage = await rig.layer({ bin: ['b', 0o755, 7, 8] })
    const path = join(rig.entry(stage, '')?.hostPath ?? '', 'bin')
    execFileSync('setfattr', ['-n', 'user.note', '-v', 'n', path])
    execFileSync('setfattr', ['-n', 'trusted.secret', '-v', 'n', path])
    execFileSync('setcap', ['cap_net_raw+ep', path])
    const result = await rig.run(null, [stage], [copy({ sources: ['bin'], destination: '/' })])
    expect(rig.list(result)).toEqual(['bin 755 7:8 b'])
    const copied = join(rig.entry(result, '')?.hostPath ?? '', 'bin')
    const attributes = execFileSync('getfattr', ['--absolute-names', '-d', '-m', '-', copied]).toString()
    expect(attributes).toContain('security.capability=')
    expect(attributes).toContain('user.note="n"')
    expect(attributes).not.toContain('trusted.secret')
  })

  it('takes user attributes of local files, but no capabilities', async () => {
    writeTree(rig.context, { bin: 'b' })
    execFileSync('setfattr', ['-n', 'user.note', '-v', 'n', join(rig.context, 'bin')])
    execFileSync('setcap', ['cap_net_raw+ep', join(rig.context, 'bin')])
    const result = await rig.run(null, [rig.local([])], [copy({ sources: ['bin'], destination: '/' })])
    const copied = join(rig.entry(result, '')?.hostPath ?? '', 'bin')
    const attributes = execFileSync('getfattr', ['--absolute-names', '-d', '-m', '-', copied]).toString()
    expect(attributes).toContain('user.note="n"')
    expect(attributes).not.toContain('security.capability')
  })

  it('fails when a file changes between the digest and the copy', async () => {
    const changes: readonly [string, (path: string) => void][] = [
      ['grows', (path) => appendFileSync(path, 'more')],
      ['shrinks', (path) => writeFileSync(path, 'l')],
      ['changes in place', (path) => writeFileSync(path, 'LONG')],
      ['disappears', (path) => unlinkSync(path)],
      [
        'becomes a link',
        (path) => {
          unlinkSync(path)
          symlinkSync(join(host, 'canary'), path)
        },
      ],
      [
        'becomes a pipe',
        (path) => {
          unlinkSync(path)
          execFileSync('mkfifo', [path])
        },
      ],
      [
        'becomes a directory',
        (path) => {
          unlinkSync(path)
          mkdirSync(path)
        },
      ],
    ]
    for (const [how, change] of changes) {
      rmSync(rig.context, { recursive: true })
      writeTree(rig.context, { 'd/f': 'long', 'd/g': 'g' })
      const cx = testContext()
      const actions = [copy({ sources: ['d'], destination: '/' })]
      const local = rig.local()
      await rig.digest(actions, [], cx)
      change(join(rig.context, 'd/f'))
      const code = await rig.run(null, [local], actions, cx).then(
        () => 'copied',
        (thrown: { code?: string }) => thrown.code,
      )
      expect([how, code]).toEqual([how, 'ERR_CONTEXT_CHANGED'])
    }
  })

  it.each(['COPY', 'ADD'] as const)(
    '%s follows no link that takes the place of a directory during the build',
    async (instruction) => {
      const tar = join(rig.context, 'd/a.tar')
      writeTree(rig.context, { 'd/f': 'f' })
      execFileSync('tar', ['-cf', tar, '-C', join(rig.context, 'd'), 'f'])
      const cx = testContext()
      const name = instruction === 'ADD' ? 'a.tar' : 'f'
      const unpack = instruction === 'ADD'
      const actions = [copy({ sources: [`d/${name}`], destination: '/', unpack, instruction })]
      const local = rig.local()
      // The very file that was listed, so that only the way to it is wrong.
      linkSync(join(rig.context, 'd', name), join(host, name))
      await rig.digest(actions, [], cx)
      renameSync(join(rig.context, 'd'), join(rig.context, 'old'))
      symlinkSync(host, join(rig.context, 'd'))
      await expect(rig.run(null, [local], actions, cx)).rejects.toMatchObject({ code: 'ERR_CONTEXT_CHANGED' })
    },
  )

  it('names the file it cannot read', async () => {
    // Root reads everything but what is not there any more.
    writeTree(rig.context, { 'd/f': 'x' })
    const cx = testContext()
    const first = [copy({ sources: ['d'], destination: '/', exclude: ['f'] })]
    await rig.digest(first, [], cx)
    unlinkSync(join(rig.context, 'd/f'))
    await expect(rig.digest([copy({ sources: ['d'], destination: '/' })], [], cx)).rejects.toMatchObject({
      code: 'ERR_CONTEXT_CHANGED',
      message: expect.stringContaining('"d/f"'),
    })
  })
})
