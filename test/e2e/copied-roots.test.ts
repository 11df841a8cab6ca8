// Steps where overlayfs cannot be mounted: each works on a copy, and what it changed is the layer overlayfs would make.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { archiveReader, type Entry, isWhiteout, mergeLayers } from './support/archive.ts'
import { busyboxTar } from './support/bases.ts'
import { executable, missing, type Workspace, workspace } from './support/slipway.ts'

const Dockerfile = `FROM scratch AS base
ADD rootfs.tar /
FROM base
RUN mkdir -p /a/b/c /d/e && echo 1 > /a/b/c/f && echo 2 > /a/b/g && echo 3 > /d/e/h && ln /a/b/g /a/b/second && ln -s x /a/link && mknod /a/pipe p
RUN echo more >> /a/b/c/f && chmod 700 /d && rm /a/b/g
RUN rm -rf /d/e && mkdir /d/e && echo new > /d/e/i && chown -h 5:6 /a/link
RUN mv /a/b /a/moved && mkdir /a/b && mv /a/moved/c /a/b/c && rm -r /a/moved
RUN --mount=target=/c --mount=target=/w,rw --mount=from=base,source=/bin,target=/b --mount=source=note,target=/n --mount=type=cache,target=/k --mount=type=tmpfs,target=/t cp /n /t/x && cat /c/note /b/sh | head -c 5 > /seen && rm /w/note && touch /k/x /w/x && ls /w >> /seen
RUN rm -r /d && echo file > /d && chmod 711 / && touch -d @1000000000 /a/b/c/f
COPY --chown=3 note /a/b/c/
RUN true
`

let ws: Workspace

beforeAll(() => {
  ws = workspace()
  ws.context('app', { Dockerfile, note: 'hello', 'rootfs.tar': readFileSync(busyboxTar()) })
})
afterAll(() => ws?.[Symbol.dispose]())

/** The file systems that the layers make, one on the other; times only where a step set one. */
async function treesOf(archive: string): Promise<string[][]> {
  const { layers } = await archiveReader().archive(archive)
  return layers.map((_, index) =>
    mergeLayers(layers.slice(0, index + 1)).map(({ path, type, mode, owner, content, mtime, names }: Entry) =>
      [path, type, mode.toString(8), owner, content, mtime === 1_000_000_000 ? mtime : '', ...names].join(
        ' ',
      ),
    ),
  )
}

/** The names in each layer; a directory that was emptied and filled again may be told in two ways, and a file may be told that lost one of its names. */
async function namesOf(archive: string): Promise<string[][]> {
  const { layers } = await archiveReader().archive(archive)
  return layers.map((layer) =>
    layer.flatMap((entry) => (isWhiteout(entry) || entry.path === 'a/b/second' ? [] : entry.path)),
  )
}

const output = (name: string): string => `type=docker,dest=${ws.directory}/${name}.tar`

it('makes the layers that overlayfs makes', async () => {
  ws.ok('build', '-o', output('overlay'), join(ws.directory, 'app'))
  using copying = workspace({ SLIPWAY_SNAPSHOTTER: 'copy' })
  copying.ok('build', '-o', output('copied'), join(ws.directory, 'app'))
  expect(await namesOf(join(ws.directory, 'copied.tar'))).toEqual(
    await namesOf(join(ws.directory, 'overlay.tar')),
  )
  expect(await treesOf(join(ws.directory, 'copied.tar'))).toEqual(
    await treesOf(join(ws.directory, 'overlay.tar')),
  )
})

const why = process.getuid?.() === 0 ? missing('unshare') : 'root'
it.skipIf(why !== undefined)(
  `builds on a state directory that is on an overlay${why === undefined ? '' : ` (needs ${why})`}`,
  async () => {
    for (const name of ['lower', 'upper', 'work', 'state'])
      mkdirSync(join(ws.directory, 'over', name), { recursive: true })
    const script = `mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none state && SLIPWAY_ROOT=$PWD/state exec ${executable} "$@"`
    const inOverlay = (...args: readonly string[]) =>
      spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', ...args], {
        cwd: join(ws.directory, 'over'),
        encoding: 'utf8',
        env: ws.env,
      })
    expect(inOverlay('build', '-t', 'app', '-o', output('nested'), join(ws.directory, 'app'))).toMatchObject({
      status: 0,
    })
    ws.ok('build', '-o', output('overlay'), join(ws.directory, 'app'))
    expect(await treesOf(join(ws.directory, 'nested.tar'))).toEqual(
      await treesOf(join(ws.directory, 'overlay.tar')),
    )
    expect(inOverlay('doctor')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('every step copies'),
    })
  },
)

it('keeps what a step left that failed: for a shell, and for what is to be saved', () => {
  using copying = workspace({ SLIPWAY_SNAPSHOTTER: 'copy' })
  const context = copying.context('failing', {
    Dockerfile:
      'FROM scratch\nADD rootfs.tar /\nRUN mkdir /out && echo 1 > /out/a\nRUN echo 2 > /out/b; exit 3\n',
    'rootfs.tar': readFileSync(busyboxTar()),
  })
  const dest = join(copying.directory, 'saved')
  const flags = ['--output-on-failure', `type=local,dest=${dest},path=/out`]
  expect(copying.slipway('build', ...flags, context)).toMatchObject({ status: 1 })
  expect(readdirSync(dest).sort()).toEqual(['a', 'b'])
  expect(copying.ok('shell', '--last-failed', 'cat', '/out/a', '/out/b').stdout).toBe('1\n2\n')
})

it('refuses what is no way to keep layers', () => {
  using other = workspace({ SLIPWAY_SNAPSHOTTER: 'btrfs' })
  expect(other.slipway('images')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('neither copy nor overlay'),
  })
})
