// Builds inside a container of podman's: what it has to be started with is named, and with that builds work, on a state
// directory that is part of the container's own file system and with no capability of the machine's.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar } from './support/bases.ts'
import { removeMounted } from './support/remove-mounted.ts'
import { executable, type Finished, missing, type Workspace, workspace } from './support/slipway.ts'

const storage = join(tmpdir(), `slipway-podman-${process.pid}`)

/** Runs a script in a container that sees this machine's files under an overlay. */
function inContainer(script: string, ...flags: readonly string[]): Finished {
  const places = ['--root', `${storage}/root`, '--runroot', `${storage}/run`, '--storage-driver=vfs']
  const limits = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=4096:4096', '--network=none']
  const args = ['run', '--rm', ...limits, ...flags, '--rootfs', '/:O', 'sh', '-c', script]
  const { status, signal, stdout, stderr } = spawnSync(
    'podman',
    ['--runtime=runc', '--cgroup-manager=cgroupfs', ...places, ...args],
    { encoding: 'utf8' },
  )
  return { status, signal, stdout, stderr }
}

function whyNone(): string | undefined {
  if (process.getuid?.() !== 0) return 'root'
  const program = missing('podman', 'runc', 'busybox')
  if (program !== undefined) return program
  const { status, stderr } = inContainer('true')
  if (status !== 0) removeMounted(storage)
  return status === 0 ? undefined : `podman run that works: ${stderr.trim().split('\n').at(-1)}`
}

const why = whyNone()

describe.skipIf(why !== undefined)(`inside a container (needs ${why ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    ws.context('app', {
      Dockerfile: `FROM scratch AS base
ADD rootfs.tar /
FROM base
RUN mkdir -p /a/b && echo 1 > /a/b/f && chown 5:6 /a/b/f
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=from=base,source=/bin,target=/b,rw --mount=target=/ctx \\
  rm /a/b/f /b/ls && echo 2 > /a/b/g && echo 3 | tee /c/x /t/x && test -f /ctx/note && test -e /bin/ls
USER 7:8
RUN id -u && ! touch /a/b/h && stat -c %u:%g /a/b/g
`,
      'rootfs.tar': readFileSync(busyboxTar()),
      note: '',
    })
  })
  afterAll(() => {
    ws?.[Symbol.dispose]()
    removeMounted(storage)
  })

  // A state directory of the container's own.
  const environment = 'export SLIPWAY_ROOT=/var/lib/slipway-in-container; '
  const doctor = `${environment}${executable} doctor`
  const build = (...flags: readonly string[]): string =>
    `${environment}${executable} build --progress=plain ${flags.join(' ')} ${ws.directory}/app`

  it('that was started with nothing: what it needs is said', () => {
    const { status, stdout } = inContainer(doctor)
    expect(status).toBe(1)
    expect(stdout).toMatch(/missing .*(?:\/proc|Operation not permitted)/)
    expect(stdout).toContain(
      'help: start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt unmask=ALL\n',
    )
    const built = inContainer(build())
    expect(built.status).toBe(1)
    expect(built.stderr).toMatch(
      /^ERROR: .*\n {2}help: slipway doctor says what is missing on this machine$/m,
    )
  }, 60_000)

  const enough = ['--security-opt=seccomp=unconfined', '--security-opt=unmask=ALL']

  it('that was started with what it says: builds, with no capability of the machine', () => {
    const script = `${doctor}; grep CapEff /proc/self/status; ${build('-t', 'in')} && ${executable} run in id -u`
    const { status, stdout, stderr } = inContainer(script, ...enough)
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toMatch(/^Builds work here, as an ordinary user with ranges of ids\.$/m)
    expect(stdout).toContain('every step copies its root file system')
    // Without CAP_SYS_ADMIN, bit 21.
    const [, effective = ''] = /^CapEff:\t([0-9a-f]+)$/m.exec(stdout) ?? []
    expect(BigInt(`0x${effective}`) & (1n << 21n)).toBe(0n)
    expect(stdout).toMatch(/\n7\n$/)
    expect(stderr).toMatch(/^#\d+ [\d.]+ 0:0$/m)
  }, 60_000)
})
