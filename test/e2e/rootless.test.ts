// An ordinary user with ranges of ids builds, runs, pushes, pulls and exports what root would.
import { spawn, spawnSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startRegistry } from '../support/registry.ts'
import { archiveReader, type Entry } from './support/archive.ts'
import { busyboxTar } from './support/bases.ts'
import { type OrdinaryUser, ordinaryUser, whyNoUser } from './support/ordinary-user.ts'
import { executable, tool, type Workspace, watch, workspace } from './support/slipway.ts'

const why = whyNoUser()
const title = `as an ordinary user with ranges of ids${why === undefined ? '' : ` (needs ${why})`}`

const dockerfile = `FROM scratch AS base
ADD rootfs.tar devices.tar /
FROM base
RUN mkdir -p /data/kept /data/old/below && touch /data/old/file && ln -s nowhere /data/link && touch /data/first && ln /data/first /data/second
RUN echo staff:x:300: >> /etc/group && echo worker:x:2000:300::/home/worker:/bin/sh >> /etc/passwd && mkdir -p /home/worker && chown worker:staff /home/worker && chown -R worker:staff /data && chown -h daemon /data/link \\
 && cp /bin/busybox /data/su && chown 1:2000 /data/su && chmod 6755 /data/su && chmod 0 /data/kept
RUN rm -rf /data/old /etc/group && mkdir /data/old && touch /data/old/new && rm /data/second && mknod /data/pipe p
USER worker
WORKDIR /home/worker
RUN id -u > mine && mkdir sub && chmod 700 sub && echo secret > sub/file && test ! -w /etc/passwd
COPY --chown=2000:300 note /home/worker/
USER root
RUN cat /home/worker/sub/file && stat -c %u:%g /home/worker/note > /owner
`

/** Everything but times and what the two machines of a test name differently. */
function comparable(layers: readonly (readonly Entry[])[]): string[][] {
  return layers.map((layer) =>
    layer.map(({ path, type, mode, owner, content, xattrs, names }) =>
      [path, type, mode.toString(8), owner, path.startsWith('etc/') ? '' : content, ...xattrs, ...names].join(
        ' ',
      ),
    ),
  )
}

describe.skipIf(why !== undefined)(title, () => {
  let user: OrdinaryUser
  let root: Workspace
  let files: Record<string, string | Buffer>

  beforeAll(() => {
    user = ordinaryUser({ ranges: true })
    root = workspace()
    const devices = join(root.directory, 'devices.tar')
    tool('sh', [
      '-c',
      `cd ${root.directory} && mkdir -p d/dev d/lib && mknod -m 600 d/dev/disk b 8 1 && mknod -m 666 d/lib/null c 1 3 && tar -C d --owner=0 --group=6 -cf ${devices} .`,
    ])
    files = {
      Dockerfile: dockerfile,
      note: 'hello',
      'rootfs.tar': readFileSync(busyboxTar()),
      'devices.tar': readFileSync(devices),
    }
    root.context('app', files)
    user.ok('build', '-q', '-t', 'app', user.context('app', files))
  }, 60_000)
  afterAll(() => {
    user?.[Symbol.dispose]()
    root?.[Symbol.dispose]()
  })

  it('writes the very layers that root writes', async () => {
    const output = (directory: string): string => `type=docker,dest=${directory}/app.tar`
    const args = ['build', '--no-cache', '--progress=plain', '-o']
    const built = user.ok(...args, output(user.home), join(user.home, 'app'))
    expect(built.stderr).toContain('2 devices are kept for the image but not made')
    root.ok(...args, output(root.directory), join(root.directory, 'app'))
    const reader = archiveReader()
    const mine = await reader.archive(join(user.home, 'app.tar'))
    const roots = await reader.archive(join(root.directory, 'app.tar'))
    expect(comparable(mine.layers)).toEqual(comparable(roots.layers))
    expect(comparable(mine.layers).flat()).toContainEqual(
      expect.stringMatching(/^dev\/disk block-device 600 0:6 8,1/),
    )
    expect(statSync(join(user.home, 'app.tar')).uid).toBe(user.uid)
  }, 60_000)

  it('writes to a device in a directory of root', () => {
    const results = ['--iidfile', '/dev/null', '--metadata-file', '/dev/null']
    user.ok('build', '-q', '-o', 'type=oci,dest=/dev/null', ...results, join(user.home, 'app'))
    expect(user.slipway('build', '-o', 'type=oci,dest=/etc/passwd', join(user.home, 'app'))).toMatchObject({
      status: 1,
      stderr: 'ERROR: failed to build: write /etc: permission denied\n',
    })
  })

  it('knows that it can', () => {
    const { level, checks } = JSON.parse(user.ok('doctor', '--json').stdout)
    expect(level).toBe('ranges')
    expect(checks).toContainEqual({
      name: 'ids',
      status: 'ok',
      text: '65537 users and 65537 groups can own files',
    })
  })

  it('says that the state directory is not to be written to', () => {
    const { status, stdout } = user.shell('SLIPWAY_ROOT=/ $SLIPWAY doctor')
    expect([status, stdout]).toEqual([
      1,
      expect.stringMatching(/missing {3}trial container +prepare a container in \/: EACCES\n/),
    ])
  })

  it('runs the image, with its user, and knows nothing of the machine', () => {
    const script = [
      'id -u; cat /owner; ls -ln /dev/null | cut -c1; echo x > /dev/null',
      'grep CapEff /proc/self/status; cat /proc/keys; cd /proc/acpi && ls; cd /sys/firmware && ls; touch /sys/x /proc/sys/x',
    ]
    const ran = user.slipway('run', '-u', 'worker', 'app', 'sh', '-c', script.join('; '))
    expect(ran.stdout.split('\n')).toEqual(['2000', '2000:300', 'c', 'CapEff:\t0000000000000000', ''])
    expect(ran.status).not.toBe(0)
  })

  it('keeps its state in the home', () => {
    const state = join(user.home, '.local/share/slipway')
    expect(readdirSync(state)).toContain('store-v1')
    expect(lstatSync(state).uid).toBe(user.uid)
    expect(user.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    expect(user.ok('images').stdout).toContain('app')
  })

  it('is as quick as can be when nothing changed', () => {
    const again = user.ok('build', '--progress=plain', '-t', 'app', join(user.home, 'app'))
    expect(again.stderr.match(/CACHED/g)?.length).toBeGreaterThanOrEqual(6)
  })

  it('exports directories and archives of its own', () => {
    user.ok('build', '-o', 'out', join(user.home, 'app'))
    expect(lstatSync(join(user.home, 'out/data/old/new')).uid).toBe(user.uid)
    expect(readdirSync(join(user.home, 'out/dev'))).not.toContain('disk')
    user.ok('build', '-o', 'type=tar,dest=out.tar', join(user.home, 'app'))
    const listing = tool('tar', ['--numeric-owner', '-tvf', join(user.home, 'out.tar')])
    expect(listing).toMatch(/^brw------- 0\/6 +8,1 .* dev\/disk$/m)
    expect(listing).toMatch(/^-rwsr-sr-x 1\/2000 .* data\/su$/m)
  })

  it('pushes and pulls', async () => {
    await using registry = await startRegistry()
    const name = `${registry.host}/app:1`
    const script = `$SLIPWAY tag app ${name} && $SLIPWAY push ${name} && $SLIPWAY rmi ${name} && $SLIPWAY pull ${name} && $SLIPWAY run ${name} cat /owner`
    const env = { PATH: process.env.PATH, HOME: user.home, SLIPWAY: user.executable }
    const child = spawn('sh', ['-c', script], {
      uid: user.uid,
      gid: user.gid,
      env,
      cwd: user.home,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { status, stdout, stderr } = await watch(child).ended
    expect([status, stderr]).toEqual([0, expect.any(String)])
    expect(stdout).toContain('2000:300')
  })

  it('builds as the root of a container that may not mount, if all of /proc is shown', () => {
    const capabilities =
      'chown dac_override fowner fsetid kill setgid setuid setpcap sys_chroot mknod setfcap'
    const dropped = `--inh-caps=-all --bounding-set=-all,+${capabilities.replaceAll(' ', ',+')}`
    const inContainer = (script: string) =>
      spawnSync('sh', ['-c', script], { env: root.env, cwd: root.directory, encoding: 'utf8' })
    const built = inContainer(
      `setpriv ${dropped} ${executable} build --no-cache -t nested ${root.directory}/app`,
    )
    expect(built).toMatchObject({ status: 0 })
    expect(root.ok('run', 'nested', 'cat', '/owner').stdout).toBe('2000:300\n')
    const hidden = inContainer(
      `unshare -m sh -c 'mount -t tmpfs none /proc/fs && exec setpriv ${dropped} ${executable} doctor'`,
    )
    expect(hidden).toMatchObject({ status: 1, stdout: expect.stringContaining('systempaths=unconfined') })
  })

  it('lets no step claim a file for root, nor make it a device', async () => {
    const Dockerfile =
      'FROM scratch\nCOPY forge /forge\nCOPY --chown=1000 home /home/mine\nUSER 1000\nRUN ["/forge"]\n'
    const context = user.context('forging', { Dockerfile, 'home/.keep': '' })
    const source = `#include <sys/xattr.h>
#include <sys/stat.h>
#include <fcntl.h>
int main(void) {
  if (open("/home/mine/disk", O_CREAT | O_WRONLY, 0600) < 0 || open("/home/mine/suid", O_CREAT | O_WRONLY, 0755) < 0) return 1;
  if (setxattr("/home/mine/disk", "user.slipway.stat", "0:0:b:8:1:666", 13, 0) || setxattr("/home/mine/suid", "user.slipway.stat", "0:0", 3, 0)) return 2;
  return chmod("/home/mine/suid", 04755);
}
`
    writeFileSync(join(context, 'forge.c'), source)
    tool('cc', ['-static', '-o', join(context, 'forge'), join(context, 'forge.c')])
    user.ok('build', '-o', 'type=tar,dest=forged.tar', context)
    const listing = tool('tar', ['--numeric-owner', '-tvf', join(user.home, 'forged.tar')])
    expect(listing).toMatch(/^-rw------- 1000\/0 .* home\/mine\/disk$/m)
    expect(listing).toMatch(/^-rwsr-xr-x 1000\/0 .* home\/mine\/suid$/m)
  })

  it('says which owner there is no id for', () => {
    const context = user.context('unmapped', {
      ...files,
      Dockerfile: 'FROM app\nCOPY --chown=70000:70000 note /\nRUN true\n',
    })
    const { status, stderr } = user.slipway('build', context)
    expect(status).toBe(1)
    expect(stderr).toContain('no user 70000 or no group 70000 in this user namespace')
    expect(stderr).toContain('/etc/subuid')
  })

  it('checks a Dockerfile where there are no user namespaces, and says what it takes to build', () => {
    const without = (command: string): ReturnType<OrdinaryUser['shell']> =>
      user.shell(
        `exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all ${command}'`,
      )
    const doctor = without(`${user.executable} doctor`)
    expect(doctor).toMatchObject({ status: 1, stdout: expect.stringMatching(/^Builds do not work here\.\n/) })
    expect(doctor.stdout).toContain('help: sysctl -w user.max_user_namespaces=')
    expect(without(`${user.executable} build --check app`)).toMatchObject({ status: 0 })
    const refused = without(`${user.executable} build app`)
    expect(refused.status).toBe(1)
    expect(refused.stderr).toBe(
      'ERROR: build an image: create a user namespace: none is left (sysctl user.max_user_namespaces)\n  help: slipway doctor says what is missing on this machine\n',
    )
  })
})
