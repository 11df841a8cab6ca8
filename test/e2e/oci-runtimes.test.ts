// Builds whose steps an OCI runtime runs: the same result, and nothing left of one that is killed.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { ordinaryUser, whyNoUser } from './support/ordinary-user.ts'
import { executable, missing, until, type Workspace, workspace } from './support/slipway.ts'

const dockerfile = `FROM base
WORKDIR /srv/app
RUN <<EOF
id -u; hostname
chmod 777 .
EOF
USER 1000:1001
RUN ["/bin/sh", "-c", "pwd; id -u > mine; cat /etc/hosts | wc -l"]
RUN --network=none ls /sys/class/net
`

for (const runtime of ['runc', 'crun']) {
  const lacking = missing('busybox', runtime)
  describe.skipIf(lacking !== undefined)(`--runtime=${runtime} (needs ${lacking ?? 'nothing more'})`, () => {
    let ws: Workspace
    beforeAll(() => {
      ws = workspace()
      imageFromTar(ws, 'base', busyboxTar())
    })
    afterAll(() => ws?.[Symbol.dispose]())

    it('builds what slipway builds by itself', () => {
      const context = ws.context('app', { Dockerfile: dockerfile })
      const files = (...flags: readonly string[]): string => {
        const dest = join(ws.directory, `out-${flags.length}`)
        const built = ws.ok('build', '--progress=plain', '--no-cache', ...flags, '-o', dest, context)
        expect(built.stderr).toMatch(
          / 0\n[\s\S]* buildkitsandbox\n[\s\S]* \/srv\/app\n[\s\S]* 2\n[\s\S]* lo\n/,
        )
        return readdirSync(dest, { recursive: true, encoding: 'utf8' })
          .filter((name) => !name.startsWith('bin/'))
          .sort()
          .join('\n')
      }
      expect(files('--runtime', runtime)).toBe(files())
      expect(readFileSync(join(ws.directory, 'out-2/srv/app/mine'), 'utf8')).toBe('1000\n')
    })

    it('runs an image as slipway does by itself', () => {
      const context = ws.context('run', { Dockerfile: 'FROM base\nENV A=b\nUSER 5:6\nWORKDIR /tmp\n' })
      ws.ok('build', '-q', '-t', 'run', context)
      const script = 'id -u; id -g; pwd; echo $A $C; cat; echo told >&2; touch /tmp/x; exit 7'
      const run = (...flags: readonly string[]) =>
        spawnSync(executable, ['run', ...flags, '-e', 'C=d', '--network=none', 'run', 'sh', '-c', script], {
          env: ws.env,
          input: 'typed\n',
          encoding: 'utf8',
        })
      const [own, other] = [run(), run('--runtime', runtime)]
      expect(own).toMatchObject({ status: 7, stdout: '5\n6\n/tmp\nb d\ntyped\n' })
      expect([other.status, other.stdout, other.stderr]).toEqual([7, own.stdout, own.stderr])
    })

    it('reports how a step ended', () => {
      const context = ws.context('ends', { Dockerfile: 'FROM base\nRUN echo told >&2; exit 7\n' })
      const failed = ws.slipway('build', '--progress=plain', '--runtime', runtime, context)
      expect(failed.status).toBe(1)
      expect(failed.stderr).toMatch(/ told\n[\s\S]*did not complete successfully: exit code: 7/)
    })

    it('leaves nothing when slipway is killed', async () => {
      const marker = `7${runtime.length}${runtime.charCodeAt(0)}`
      const context = ws.context('long', {
        Dockerfile: `FROM base\nRUN (sleep 9${marker} &) ; sleep 8${marker}\n`,
      })
      const build = ws.start('build', '--progress=plain', '--runtime', runtime, context)
      await until('the step to run', () => sleeping(marker) === 2)
      const own = runtime === 'runc' ? readdirSync(join(ws.root, 'store-v1/runtime-cgroups')) : []
      expect(own).toHaveLength(runtime === 'runc' ? 1 : 0)
      expect(cgroups()).toEqual(expect.arrayContaining(own))
      build.kill('SIGKILL')
      await build.ended
      await until('every process of the step to end', () => sleeping(marker) === 0, 10_000)
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(ws.root)
      const next = ws.context('next', { Dockerfile: 'FROM base\nRUN echo again\n' })
      expect(ws.ok('build', '--progress=plain', '--runtime', runtime, next).stderr).toMatch(/ again\n/)
      expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
      expect(cgroups().filter((name) => own.includes(name))).toEqual([])
    })
  })
}

const noUser = whyNoUser()
for (const runtime of ['runc', 'crun']) {
  const needed = noUser ?? missing(runtime)
  it.skipIf(needed !== undefined)(
    `an ordinary user may use --runtime=${runtime} (needs ${needed ?? 'nothing more'})`,
    () => {
      using user = ordinaryUser({ ranges: true })
      const context = user.context('app', {
        Dockerfile:
          'FROM scratch\nADD rootfs.tar /\nRUN id -u\nUSER 1000\nRUN --network=none id -u; ls /sys/class/net\n',
        'rootfs.tar': readFileSync(busyboxTar()),
      })
      const built = user.ok('build', '--progress=plain', '--no-cache', '--runtime', runtime, context)
      expect(built.stderr).toMatch(/ 0\n[\s\S]* 1000\n[\s\S]* lo\n/)
    },
  )
}

const lacking = missing('busybox')
describe.skipIf(lacking !== undefined)(`a missing runtime (needs ${lacking ?? 'nothing more'})`, () => {
  it('is an error before anything is built', () => {
    using ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
    const context = ws.context('app', { Dockerfile: 'FROM base\nRUN true\n' })
    const failed = ws.slipway('build', '--runtime=crunn', context)
    expect([failed.status, failed.stderr]).toEqual([
      1,
      expect.stringMatching(
        /ERROR: failed to build: find OCI runtime crunn: it is not in \$PATH\n {2}help: install it /,
      ),
    ])
    const empty = ws.slipway('build', '--runtime=', context)
    expect([empty.status, empty.stderr]).toEqual([
      125,
      expect.stringMatching(/invalid value "" for --runtime/),
    ])
  })
})

function sleeping(marker: string): number {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return new RegExp(`sleep\\0[89]${marker}\\0`).test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))
    } catch (error) {
      // It ended meanwhile.
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
      throw error
    }
  }).length
}

/** Cgroups that a runtime made for steps. */
function cgroups(): string[] {
  const top = '/sys/fs/cgroup'
  const directories = readdirSync(top, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return [top, ...directories.map((entry) => join(top, entry.name))].flatMap((hierarchy) =>
    readdirSync(hierarchy).filter((name) => /^slipway-[0-9a-f]{16}$/.test(name)),
  )
}
