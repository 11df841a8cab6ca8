// Limits of steps and builds: enforced by the kernel, named when they are hit, and nothing of them left behind.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cgroupsMissing } from '../support/cgroups.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { executable, type Finished, missing, until, type Workspace, workspace } from './support/slipway.ts'

/** The controllers of this machine that can limit something, by the directory of their version 1 hierarchy. */
const controllers = ['memory', 'cpu', 'cpuset', 'pids'].filter((name) =>
  existsSync(`/sys/fs/cgroup/${name}/cgroup.procs`),
)
const isUnified = existsSync('/sys/fs/cgroup/cgroup.controllers')
const hasControllers = isUnified || controllers.length === 4
const noCgroups = hasControllers ? cgroupsMissing() : 'the controllers memory, cpu, cpuset and pids'
const lacking = missing('busybox') ?? (process.getuid?.() === 0 ? noCgroups : 'root')

describe.skipIf(lacking !== undefined)(`limits (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  let count = 0
  const context = (script: string): string =>
    ws.context(`limits-${count++}`, { Dockerfile: `FROM base\nRUN ${script}\n` })
  const build = (script: string, ...flags: readonly string[]): Finished =>
    ws.slipway('build', '--progress=plain', ...flags, context(script))
  /** The cgroups that slipway's notes name: those it has not removed. */
  const left = (): string[] => {
    const notes = join(ws.root, 'store-v1/cgroups')
    if (!existsSync(notes)) return []
    return readdirSync(notes).flatMap((name) => {
      const text = readFileSync(join(notes, name), 'utf8')
      return text.endsWith(']') ? (JSON.parse(text) as string[]) : []
    })
  }
  const processesIn = (path: string): string =>
    existsSync(path) ? readFileSync(join(path, 'cgroup.procs'), 'utf8') : ''

  it('--memory: a step that needs more is killed, and that is said', () => {
    const { status, stderr } = build('head -c 200m /dev/zero | tail -c 100m | cat > /x', '-m', '64m')
    expect(stderr).toMatch(/#\d+ \[internal\] limit each RUN: memory 64m \(cgroup v[12]\)\n/)
    expect(status).toBe(0)
    expect(stderr).toMatch(/\[slipway\] a process of this step was killed: out of memory \(limit 64m\)/)
    const failed = build('exec tail -c 100m /dev/zero', '--memory=64m')
    expect(failed.status).toBe(1)
    expect(failed.stderr).toMatch(
      /ERROR: failed to build: process ".*" did not complete successfully: exit code: 137: the step was killed: out of memory \(limit 64m\)\n/,
    )
    expect(failed.stderr).toContain('help: raise --memory')
    expect(left()).toEqual([])
  })

  it('--memory: says how much was needed, of all processes together', () => {
    const { stderr } = build(
      'for i in 1 2 3; do head -c 20m /dev/zero | tail -c 20m | sleep 2 & done; wait',
      '-m=128m',
    )
    const [, figure = '0'] = /DONE \d\.\ds \(CPU \d\.\ds, memory ([\d.]+)MB\)/.exec(stderr) ?? []
    expect(Number(figure)).toBeGreaterThan(55)
    expect(Number(figure)).toBeLessThanOrEqual(135)
  })

  it('--pids: counts the processes of the step', () => {
    const fork = (n: number) => `for i in $(seq ${n}); do sleep 0.3 & done; wait`
    expect(build(fork(4), '--pids=5').status).toBe(0)
    const { status, stderr } = build(fork(5), '--pids=5')
    expect(status).toBe(1)
    expect(stderr).toContain("can't fork")
    expect(build(fork(5), '--pids=-1').status).toBe(0)
  })

  it('--cpus and --cpuset-cpus: time and places', () => {
    const spin = 'a=$(date +%s); nproc; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'
    const { status, stderr } = build(spin, '--cpus=0.1', '--cpuset-cpus=0')
    expect(status).toBe(0)
    expect(stderr).toMatch(/limit each RUN: 0.1 CPUs, CPUs 0 \(/)
    expect(stderr).toMatch(/#\d+ [\d.]+ 1\n/)
    const [, seconds = '0', cpu = '0'] = /DONE ([\d.]+)s \(CPU ([\d.]+)s/.exec(stderr) ?? []
    expect(Number(seconds)).toBeGreaterThan(3 * Number(cpu))
  })

  it('--cgroup-parent: the step is below it', async () => {
    const parent = `slipway-e2e-${process.pid}`
    const path = context('sleep 5')
    const running = ws.start('build', '--progress=plain', `--cgroup-parent=/${parent}`, path)
    await until('the step to be below it', () =>
      left().some((group) => group.includes(`/${parent}/slipway-`) && processesIn(group) !== ''),
    )
    const groups = left()
    running.kill('SIGTERM')
    expect((await running.ended).status).toBe(143)
    expect(left()).toEqual([])
    expect(groups.filter((group) => existsSync(group))).toEqual([])
    for (const group of groups) rmdirSync(dirname(group))
  })

  it('what the kernel refuses is told before anything is built', () => {
    const { status, stderr } = build('true', '--cpuset-cpus=4000')
    expect(status).toBe(1)
    expect(stderr).toMatch(/ERROR: failed to build: set limit cpuset.cpus=4000: the kernel does not accept/)
    expect(stderr).not.toContain('FROM')
    expect(left()).toEqual([])
  })

  it('without cgroups: memory is limited for each process, the rest is an error', () => {
    const unmounted = (script: string, ...flags: readonly string[]) => {
      const command = `umount -l -a -t cgroup,cgroup2 && exec "$@"`
      const argv = [executable, 'build', '--progress=plain', ...flags, context(script)]
      return spawnSync('unshare', ['-m', 'sh', '-c', command, 'sh', ...argv], {
        env: ws.env,
        encoding: 'utf8',
      })
    }
    const { status, stderr } = unmounted('tail -c 100m /dev/zero', '--memory=64m')
    expect(stderr).toMatch(
      /limit each process of a RUN, not all together: memory 64m \(rlimit; --memory cannot be enforced here: no cgroup file system is mounted\)/,
    )
    expect(stderr).toMatch(/out of memory/)
    expect(status).toBe(1)
    expect(unmounted('head -c 10m /dev/zero | tail -c 10m | wc -c', '--memory=64m').status).toBe(0)
    const refused = unmounted('true', '--memory=64m', '--pids=10')
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/ERROR: failed to build: --memory cannot be enforced here/)
    expect(refused.stderr).toContain('help: mount one')
  })

  it('SIGKILL: the next build removes what a killed one left', async () => {
    const killed = ws.start('build', '--memory=64m', '--pids=50', context('sleep 600'))
    await until('the step to run', () => left().some((group) => processesIn(group) !== ''))
    const groups = left()
    killed.kill('SIGKILL')
    await killed.ended
    await until('its processes to end', () => groups.every((group) => processesIn(group) === ''))
    expect(left()).toEqual(groups)
    ws.ok('build', context('echo next'))
    expect(readdirSync(join(ws.root, 'store-v1/cgroups'))).toEqual([])
    expect(groups.filter((group) => existsSync(group))).toEqual([])
  })

  it('--step-timeout: ends the whole container and says so', () => {
    const started = Date.now()
    const { status, stderr } = build(
      'echo begun; trap "" TERM; (trap "" TERM; sleep 300) & sleep 300; sleep 300',
      '--step-timeout=1500ms',
    )
    expect(status).toBe(1)
    expect(Date.now() - started).toBeLessThan(30_000)
    expect(stderr).toMatch(
      /ERROR: failed to build: process ".*" did not complete successfully: it was ended when the time of a step \(1500ms\) was over\n {2}log: (.*)\n/,
    )
    const [, log = ''] = /^ {2}log: (.*)$/m.exec(stderr) ?? []
    expect(readFileSync(log, 'utf8')).toBe('begun\n')
    expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
    expect(build('sleep 0.1', '--step-timeout=1m').status).toBe(0)
  })

  it('--build-timeout: ends the build and says so', () => {
    const { status, stderr } = build('echo before; sleep 300', '--build-timeout=1s')
    expect(status).toBe(1)
    const told = /ERROR: failed to build: the time of the build \(1s\) is over\n {2}log: (.*)\n$/
    expect(stderr).toMatch(told)
    expect(readFileSync(told.exec(stderr)?.[1] ?? '', 'utf8')).toBe('before\n')
    expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
    expect(build('echo in time', '--build-timeout=10m').status).toBe(0)
  })

  it('holds for the shell of a step that failed, too, and so does its runtime', () => {
    for (const flags of [[], missing('crun') === undefined ? ['--runtime=crun'] : []]) {
      const failed = build(`echo ${flags.length}; exit 3`, '--memory=64m', '--pids=50', ...flags)
      expect(failed.status).toBe(1)
      const shell = (script: string): Finished => ws.slipway('shell', '--last-failed', 'sh', '-c', script)
      expect(shell('exec tail -c 100m /dev/zero').status).toBe(137)
      expect(shell('head -c 10m /dev/zero | tail -c 10m | wc -c').stdout).toBe('10485760\n')
      expect(shell('for i in $(seq 100); do sleep 5 & done').stderr).toMatch(/fork/)
    }
    expect(left()).toEqual([])
  })

  it('usage: the metadata file has that of each step that ran', () => {
    const file = join(ws.directory, 'metadata.json')
    const app = context('head -c 41m /dev/zero | tail -c 41m | wc -c')
    const steps = () => {
      ws.ok('build', '-q', '--metadata-file', file, app)
      return JSON.parse(readFileSync(file, 'utf8'))['slipway.steps']
    }
    const [step] = steps()
    expect(step.name).toMatch(/2\/2\] RUN head -c 41m/)
    expect(step.peakMemoryBytes).toBeGreaterThan(40 << 20)
    expect([step.wallMs, step.cpuMs].every(Number.isInteger)).toBe(true)
    expect(steps()).toBeUndefined()
  })

  it('usage: an event of each step', () => {
    const { stderr } = ws.ok(
      'build',
      '--progress=rawjson',
      context('head -c 40m /dev/zero | tail -c 40m | wc -c'),
    )
    const events = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const [usage] = events.filter(({ type }) => type === 'usage')
    const graph = events.find(({ type }) => type === 'graph')
    expect(graph.steps.find(({ step }: { step: string }) => step === usage.step).title).toContain(
      'head -c 40m',
    )
    expect(usage.peakMemoryBytes).toBeGreaterThan(40 << 20)
    expect(usage.peakMemoryBytes).toBeLessThan(200 << 20)
    expect(usage.cpuMs).toBeGreaterThan(0)
    expect(usage.wallMs).toBeGreaterThan(usage.cpuMs / 4)
  })

  it.each([
    ['--memory=5m', 'at least 6m'],
    ['--memory=much', 'a size such as'],
    ['--memory-swap=64m', '--memory-swap needs --memory'],
    ['--cpus=0.001', 'a number from 0.01'],
    ['--cpus=99999', 'a number from 0.01'],
    ['--cpu-period=50000', '--cpu-period needs --cpu-quota'],
    ['--cpu-quota=10', 'microseconds from 1000'],
    ['--cpuset-cpus=a', 'a list such as'],
    ['--pids=x', 'a whole number'],
    ['--step-timeout=5', 'a duration such as'],
    ['--step-timeout=-5s', 'a duration such as'],
    ['--build-timeout=0s', 'a duration such as'],
    ['--cgroup-parent=../x', 'a path below the root'],
  ])('refuses %s', (flag, reason) => {
    const { status, stderr } = build('true', flag)
    expect(status).toBe(125)
    expect(stderr).toContain(reason)
  })

  it('refuses contradictions', () => {
    expect(build('true', '--cpus=1', '--cpu-quota=5000').stderr).toContain('cannot be used with')
    expect(build('true', '-m=64m', '--memory-swap=32m').stderr).toContain('at least --memory')
  })
})
