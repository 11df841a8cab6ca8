// An ordinary user with nothing in /etc/subuid: one id for all, owners recorded. What typical Dockerfiles do with users
// and owners works and ends up in the layers; what cannot be recorded is pinned down here.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archiveReader, type Entry, mergeLayers } from './support/archive.ts'
import { busyboxTar, debianTar } from './support/bases.ts'
import { type OrdinaryUser, ordinaryUser, whyNoUser } from './support/ordinary-user.ts'
import { missing, tool, type Workspace, workspace } from './support/slipway.ts'

const why = whyNoUser()
const title = (text: string, lacks: string | undefined) =>
  `${text}${lacks === undefined ? '' : ` (needs ${lacks})`}`

const small = `FROM scratch AS base
ADD rootfs.tar /
FROM base
RUN echo staff:x:300: >> /etc/group && echo worker:x:2000:300::/home/worker:/bin/sh >> /etc/passwd
RUN mkdir -p /home/worker /data/old && touch /data/old/file /data/first /data/own && ln /data/first /data/second \\
 && chown -R worker:staff /home/worker /data && cp /bin/busybox /data/su && chmod 6755 /data/su && chown 1:2000 /data/su \\
 && test "$(stat -c %u:%g:%a /data/su)" = 1:2000:755 && chmod 4711 /data/su && chown 0 /data/second
RUN rm -rf /data/old && mkdir /data/old && mv /data/su /data/moved && cp -a /data/moved /data/copied
USER worker
WORKDIR /home/worker
RUN test "$(id -u):$(id -g)" = 2000:300 && echo mine > mine && mkdir -m 700 sub && echo x > sub/file && echo more >> /data/own && rm /data/copied
COPY --chown=70000:300 note /home/worker/
USER root
RUN test "$(stat -c %u:%g /home/worker/note /home/worker/mine /etc/passwd | tr '\\n' ' ')" = "70000:300 2000:300 0:0 "
`

/** Owners, modes and content of all that an image holds. */
async function treeOf(archive: string): Promise<string[]> {
  const { layers } = await archiveReader().archive(archive)
  return mergeLayers(layers).map(({ path, type, mode, owner, content, names }: Entry) =>
    [path, type, mode.toString(8), owner, content, ...names].join(' '),
  )
}

describe.skipIf(why !== undefined)(title('as an ordinary user with one id', why), () => {
  let user: OrdinaryUser
  let root: Workspace

  beforeAll(() => {
    user = ordinaryUser({ ranges: false })
    root = workspace()
    const files = { Dockerfile: small, note: 'hello', 'rootfs.tar': readFileSync(busyboxTar()) }
    root.context('small', files)
    user.ok('build', '-q', '-t', 'small', user.context('small', files))
  }, 60_000)
  afterAll(() => {
    user?.[Symbol.dispose]()
    root?.[Symbol.dispose]()
  })

  it('knows what it lacks', () => {
    const { level, checks } = JSON.parse(user.ok('doctor', '--json').stdout)
    expect(level).toBe('single')
    expect(checks).toContainEqual(
      expect.objectContaining({
        name: '/etc/subuid',
        fix: expect.stringMatching(/^echo slipway-\w+:\d+:65536 >> /),
      }),
    )
  })

  it('writes the owners that root writes', async () => {
    const output = (directory: string): string => `type=docker,dest=${directory}/small.tar`
    user.ok('build', '-o', output(user.home), join(user.home, 'small'))
    root.ok('build', '-o', output(root.directory), join(root.directory, 'small'))
    const tree = await treeOf(join(user.home, 'small.tar'))
    expect(tree).toEqual(await treeOf(join(root.directory, 'small.tar')))
    expect(tree).toContainEqual(expect.stringMatching(/^data\/moved file 4711 1:2000 /))
    expect(tree).toContainEqual(expect.stringMatching(/^home\/worker\/sub\/file file 644 2000:300 /))
  })

  it('lets a step become somebody else, who then is nobody but in name', () => {
    const context = user.context('become', {
      Dockerfile: `FROM small
RUN su worker -c 'id -u; id -g; touch /tmp/made; chown 7 /tmp/made 2>/dev/null || echo refused; sh -c "id -u"' && id -u && stat -c %u /tmp/made
RUN --network=none ln -s x /tmp/link && chown -h worker /tmp/link && mkfifo /tmp/pipe && chown worker /tmp/pipe && stat -c %u /tmp/link /tmp/pipe
`,
    })
    const { stderr } = user.ok('build', '--progress=plain', context)
    const said = [...stderr.matchAll(/^#\d+ \d+\.\d+ (.*)$/gm)].map(([, text]) => text)
    // Not recorded, as the README says: owners of links and pipes, and of what a process makes that became another user.
    expect(said).toEqual(['2000', '300', 'refused', '2000', '0', '0', '0', '0'])
  })

  it('answers whatever calls on owners and ids are given', () => {
    const context = user.context('answered', {
      Dockerfile: `FROM small
USER root
ADD --chmod=755 answered /
RUN --network=none /answered 1000 && test "$(stat -c %u:%g /tmp/answered)" = 5:6
USER worker
RUN --network=none /answered 200 || true
`,
      answered: '',
    })
    const source = join(import.meta.dirname, '../native/answered.c')
    tool('cc', ['-static', '-O1', '-D_GNU_SOURCE', '-o', join(context, 'answered'), source])
    expect(user.ok('build', '--progress=plain', context).stderr).toMatch(/^#\d+ [\d.]+ 0 0$/m)
  })

  it('runs an image as its user', () => {
    const ran = user.slipway(
      'run',
      '-u',
      'worker',
      'small',
      'sh',
      '-c',
      'id -u; grep CapEff /proc/self/status; cat mine',
    )
    expect(ran.stdout).toBe('2000\nCapEff:\t0000000000000000\nmine\n')
    expect(user.ok('run', 'small', 'stat', '-c', '%u', '/home/worker/mine').stdout).toBe('2000\n')
  })

  const lacks = missing('mmdebstrap')
  it.skipIf(lacks !== undefined)(
    title('installs Debian packages, with their users and owners', lacks),
    async () => {
      const Dockerfile = `FROM scratch AS base
ADD rootfs.tar /
FROM base
RUN apt-get update && apt-get install -y --no-install-recommends cron && rm -rf /var/lib/apt/lists/* /var/log/*
RUN useradd -m -s /bin/bash app && groupadd -r tools && usermod -aG tools app && mkdir /srv/app && chown -R app:tools /srv/app && install -o app -g tools -m 4750 /bin/true /srv/app/tool
`
      const files = { Dockerfile, 'rootfs.tar': readFileSync(debianTar('debian')) }
      user.ok('build', '-o', `type=docker,dest=${user.home}/debian.tar`, user.context('debian', files))
      root.ok('build', '-o', `type=docker,dest=${root.directory}/debian.tar`, root.context('debian', files))
      // What is random or dated in it is not the question.
      const owners = async (archive: string) =>
        (await treeOf(archive))
          .map((line) => line.split(' ').slice(0, 4).join(' '))
          .filter((line) => !/^var\/cache/.test(line))
      const tree = await owners(join(user.home, 'debian.tar'))
      expect(tree).toEqual(await owners(join(root.directory, 'debian.tar')))
      expect(tree).toContain('etc/shadow file 640 0:42')
      expect(tree).toContain('srv/app/tool file 4750 1000:999')
      expect(tree).toContainEqual(
        expect.stringMatching(/^var\/spool\/cron\/crontabs directory 1730 0:1\d\d$/),
      )
    },
    300_000,
  )
})
