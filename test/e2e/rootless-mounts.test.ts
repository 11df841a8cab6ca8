// RUN --mount of every kind as an ordinary user: steps see what they see as root's, with ranges of ids, with one id, and
// with copied root file systems.
import { chownSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sshKey } from '../support/ssh-server.ts'
import { busyboxTar } from './support/bases.ts'
import { type OrdinaryUser, ordinaryUser, whyNoUser } from './support/ordinary-user.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

const why = whyNoUser() ?? missing('busybox', 'ssh-keygen')
const word = 'canary-rootless-0d6b'

/** Every line is written to /seen. */
const seen = (mounts: string, ...commands: readonly string[]): string =>
  `RUN ${mounts} { ${commands.join('; ')}; } >> /seen 2>&1`

const dockerfile = [
  'FROM scratch AS base',
  'ADD rootfs.tar /',
  'FROM base AS made',
  'RUN mkdir -p /made/sub && echo made > /made/sub/f && chown -R 5:6 /made && chmod 700 /made/sub && ln -s sub/f /made/link',
  'FROM base',
  'RUN echo worker:x:1000:300::/:/bin/sh >> /etc/passwd && mkdir /seen.d && touch /seen && chmod 666 /seen',
  seen(
    '--mount=target=/ctx --mount=target=/rw,rw --mount=from=made,source=/made,target=/m,rw',
    'stat -c "%n %u %g %a" /ctx /ctx/note /m /m/sub /m/sub/f',
    'cat /ctx/d/deep /m/link; touch /ctx/x; echo more >> /m/sub/f; rm /rw/note; touch /rw/new; ls /rw /m; cat /m/link',
  ),
  seen(
    '--mount=from=made,source=/made/link,target=/one --mount=source=note,target=/a/b',
    'cat /one /a/b; ls /a',
  ),
  seen(
    '--mount=type=cache,target=/c --mount=type=cache,target=/owned,uid=7,gid=8,mode=0750 --mount=type=cache,target=/from,from=made,source=/made',
    'echo cached > /c/f; chown 3:4 /c/f; stat -c "%n %u %g %a" /c /c/f /owned /from /from/sub/f; cat /from/link',
  ),
  seen('--mount=type=cache,target=/c', 'cat /c/f; stat -c "%u %g" /c/f'),
  seen(
    '--mount=type=tmpfs,target=/t,size=1m --mount=type=tmpfs,target=/made/dir',
    'head -c 2000000 /dev/zero > /t/big; stat -c "%s %a" /t/big /made/dir; df -k /t | tail -1 | grep -o " 1024 "',
  ),
  seen(
    '--mount=type=secret,id=word --mount=type=secret,id=word,target=/etc/word,env=WORD,uid=1000,gid=300,mode=0440 --mount=type=ssh',
    'stat -c "%n %u %g %a" /run/secrets/word /etc/word; wc -c < /run/secrets/word; test "$WORD" = "$(cat /etc/word)" && echo same',
    'test -S "$SSH_AUTH_SOCK" && stat -c "%n %u %g %a" $SSH_AUTH_SOCK',
  ),
  'USER worker',
  seen(
    '--mount=type=cache,target=/mine --mount=type=secret,id=word,target=/w,uid=1000 --mount=type=ssh,uid=1000 --mount=target=/ctx',
    'id -u; echo mine > /mine/f && stat -c "%u %g" /mine /mine/f; wc -c < /w; cat /ctx/note; test -w "$SSH_AUTH_SOCK" && echo agent',
  ),
  'USER root',
  'RUN ls -a / /run /etc | sort | uniq > /seen.d/left; find / -xdev -name "*word*" >> /seen.d/left; true',
  '',
].join('\n')

const title = `RUN --mount as an ordinary user${why === undefined ? '' : ` (needs ${why})`}`

describe.skipIf(why !== undefined)(title, () => {
  let root: Workspace
  let files: Record<string, string | Buffer>
  let expected: string
  const flags = [
    'build',
    '--progress=plain',
    '--secret=id=word,src=word',
    '--ssh=default=key',
    '-t',
    'mounts',
    'app',
  ]
  const shown = ['run', 'mounts', 'cat', '/seen', '/seen.d/left']

  beforeAll(() => {
    root = workspace()
    files = {
      Dockerfile: dockerfile,
      note: 'note\n',
      'd/deep': 'deep\n',
      'rootfs.tar': readFileSync(busyboxTar()),
    }
    root.context('app', files)
    root.context('.', { word })
    sshKey(root.directory, 'key')
    root.ok(...flags)
    expected = root.ok(...shown).stdout
  }, 60_000)
  afterAll(() => root?.[Symbol.dispose]())

  it('shows root what it should', () => {
    expect(expected).toContain(
      'same\n/run/buildkit/ssh_agent.0 0 0 600\n1000\n1000 300\n1000 300\n20\nnote\nagent\n',
    )
    expect(expected).not.toContain(word)
  })

  const users = [
    ['with ranges of ids', true, {}],
    ['with one id', false, {}],
    ['with ranges of ids and copies', true, { SLIPWAY_SNAPSHOTTER: 'copy' }],
    ['with one id and copies', false, { SLIPWAY_SNAPSHOTTER: 'copy' }],
  ] as const

  it.each(users)(
    '%s',
    (_title, ranges, environment) => {
      using user: OrdinaryUser = ordinaryUser({ ranges })
      user.context('app', files)
      user.context('.', { word, key: readFileSync(join(root.directory, 'key')) })
      for (const name of ['word', 'key']) chownSync(join(user.home, name), user.uid, user.gid)
      const set = Object.entries(environment).map(([name, value]) => `export ${name}=${value}; `)
      const built = user.shell(`${set.join('')}chmod 600 key; exec $SLIPWAY ${flags.join(' ')}`)
      expect(built.status, built.stderr).toBe(0)
      expect(built.stdout + built.stderr).not.toContain(word)
      const ran = user.shell(`${set.join('')}exec $SLIPWAY ${shown.join(' ')}`)
      expect(ran.stdout).toBe(expected)
      expect(readdirSync(join(user.home, '.local/share/slipway/store-v1/active'))).toEqual([])
      expect(user.shell(`grep -rlaF ${word} ~/.local`).stdout).toBe('')
    },
    60_000,
  )

  it('says which owner of an agent there is no id for', () => {
    using user: OrdinaryUser = ordinaryUser({ ranges: true })
    user.context('app', {
      ...files,
      Dockerfile: 'FROM scratch\nADD rootfs.tar /\nRUN --mount=type=ssh,uid=90000 true\n',
    })
    user.context('.', { key: readFileSync(join(root.directory, 'key')) })
    expect(user.shell('chmod 600 key; exec $SLIPWAY build --ssh default=key app')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /serve SSH agent default: no user 90000 or no group 0 in this user namespace\n.*subuid/,
      ),
    })
  })
})
