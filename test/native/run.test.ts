// `slipway-helper run` where it is more than what every sandbox promises (test/contract/sandbox.ts).
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import { prepareRoot } from '../../src/sandbox/prepare-root.ts'
import { encodeRunRequest } from '../../src/sandbox/run-request.ts'
import { stepFilter } from '../../src/sandbox/seccomp/step-filter.ts'
import type { ProcessSpec, Sandbox } from '../../src/sandbox/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { runIn, sleepers } from '../contract/sandbox/run-in.ts'
import { containersMissing, type Layers, makeLayers } from '../sandbox/busybox-root.ts'
import { missing } from '../support/missing.ts'

const dist = new URL('../../dist', import.meta.url).pathname
const here = new URL('.', import.meta.url).pathname
const helper = join(dist, 'slipway-helper')
const lacking = existsSync(helper) ? containersMissing() : 'needs dist/slipway-helper'
const needs = lacking === undefined ? '' : ` (${lacking})`

describe.skipIf(lacking !== undefined)(`slipway-helper run${needs}`, () => {
  let layers: Layers
  let box: Sandbox
  beforeAll(() => {
    layers = makeLayers()
    box = nativeSandbox({ native: openNative(dist) })
    execFileSync('cc', [
      '-static',
      '-O1',
      '-D_GNU_SOURCE',
      '-o',
      join(layers.base, 'bin/probe'),
      join(here, 'probe.c'),
    ])
  })
  afterAll(() => layers.remove())

  test('the system call filter gives exactly these verdicts', async () => {
    const { out } = await runIn(layers, box, { args: ['/bin/probe'] })
    const verdicts = Object.fromEntries(
      out
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')),
    )
    const native = process.arch === 'x64' ? { ...common, ...x86 } : common
    expect(verdicts).toEqual(native)
  })

  test('the first thing a step does finds process 1 without files of the host', async () => {
    // 3 tells process 1 whether the program could be started, 4 is the status stream.
    for (let round = 0; round < 10; round++) {
      const { out } = await runIn(layers, box, { args: ['/bin/ls', '/proc/1/fd'] })
      expect(out).toMatch(/^(3\n)?4\n$/)
    }
  })

  test('a set-uid program gains its owner', async () => {
    const layer = layers.layer({ bin: null })
    execFileSync('cp', [join(layers.base, 'bin/probe'), join(layer, 'bin/suid')])
    chmodSync(join(layer, 'bin/suid'), 0o4755)
    const { out } = await runIn(layers, box, {
      args: ['/bin/suid', 'id'],
      user: '1000:1000',
      lower: [layers.base, layer],
    })
    expect(out).toBe('uid=1000 euid=0\n')
  })

  test('an interpreter of /proc/self/exe reaches the helper read-only', async () => {
    // A program of its own: that of the other tests is always running somewhere, and so "busy".
    const own = layers.layer({})
    execFileSync('cp', [helper, own])
    const native = { ...openNative(dist), helper: join(own, 'slipway-helper') }
    const ownBox = nativeSandbox({ native })
    const layer = layers.layer({ evil: '#!/proc/self/exe\n' })
    chmodSync(join(layer, 'evil'), 0o755)
    const { exit, err } = await runIn(layers, ownBox, { args: ['/evil'], lower: [layers.base, layer] })
    expect([exit.code, err]).toEqual([2, 'slipway-helper is a part of slipway and is not run by hand\n'])

    const running = runIn(layers, ownBox, { script: 'sleep 8871' })
    const settled = expect(running).rejects.toThrow('died')
    await waitFor(() => sleepers('8871') === 1)
    const outer = await waitFor(() => childHelper())
    const first = await waitFor(() => processes().find(({ parent }) => parent === outer.pid))
    const held = openSync(`/proc/${first.pid}/exe`, oPath)
    process.kill(outer.pid, 'SIGKILL')
    await settled
    await waitFor(() => sleepers('8871') === 0)
    expect(errnoOfOpen(`/proc/self/fd/${held}`)).toBe('EROFS')
    closeSync(held)
  })

  test('killing the helper leaves no process and no mount', async () => {
    const running = runIn(layers, box, { script: 'sleep 8881 & setsid sleep 8882 & sleep 8883' })
    const settled = expect(running).rejects.toMatchObject({ code: 'ERR_SANDBOX_HELPER_DIED' })
    await waitFor(() => sleepers('888[123]') === 3)
    expect(mounts(layers.directory)).toBeGreaterThan(0)
    process.kill((await waitFor(() => childHelper())).pid, 'SIGKILL')
    await settled
    await waitFor(() => sleepers('888[123]') === 0 && mounts(layers.directory) === 0)
  })

  test('killing the caller leaves no process and no mount', async () => {
    const request = join(layers.directory, 'request')
    writeFileSync(request, requestFor(spec({ args: ['/bin/sleep', '8891'] })))
    const caller = spawn('/bin/sh', ['-c', '"$0" run $$ 3<"$1" 4>/dev/null >/dev/null; :', helper, request], {
      stdio: 'ignore',
    })
    await waitFor(() => sleepers('8891') === 1)
    caller.kill('SIGKILL')
    await waitFor(() => sleepers('8891') === 0 && mounts(layers.directory) === 0)
  })

  test('SIGTERM reaches the process and its children', async () => {
    const request = join(layers.directory, 'request')
    writeFileSync(request, requestFor(spec({ args: ['/bin/sh', '-c', 'sleep 8895 | cat'] })))
    const status = join(layers.directory, 'status')
    const child = spawn(helper, ['run', String(process.pid)], {
      stdio: ['ignore', 'ignore', 'inherit', openSync(request, 'r'), openSync(status, 'w')],
      env: {},
    })
    await waitFor(() => sleepers('8895') === 1)
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
    expect(readFileSync(status, 'utf8')).toMatch(
      /^\{"started":true}\n\{"exit":\{"code":143,"signal":15,"user_us":\d+,"system_us":\d+,"max_rss_kib":\d+}}\n$/,
    )
  })

  test.skipIf(missing('script') !== undefined)(
    'on a terminal it is the foreground job, and gives it back (needs script)',
    async () => {
      const request = join(layers.directory, 'request')
      const status = join(layers.directory, 'status')
      const text = 'test -t 0 && echo on-a-terminal; trap "echo interrupted" INT; sleep 8899; exit 5'
      writeFileSync(request, requestFor(spec({ args: ['/bin/sh', '-c', text] }), 'inherit'))
      const command = `${helper} run $$ 3<${request} 4>${status}; read line; echo "got $line"`
      const terminal = spawn('script', ['-qec', `sh -c '${command}'`, '/dev/null'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      let seen = ''
      terminal.stdout.on('data', (chunk: Buffer) => {
        seen += chunk.toString()
      })
      await waitFor(() => sleepers('8899') === 1)
      terminal.stdin.write('\x03')
      await waitFor(() => sleepers('8899') === 0 && readIfThere(status).includes('exit'))
      terminal.stdin.write('typed\n')
      await new Promise((resolve) => terminal.once('close', resolve))
      expect(seen.replace(/\r/g, '')).toMatch(/^on-a-terminal\n\^Cinterrupted\n(typed\n)?got typed\n/)
      expect(readFileSync(status, 'utf8')).toMatch(
        /^\{"started":true}\n\{"exit":\{"code":5,"user_us":\d+,"system_us":\d+,"max_rss_kib":\d+}}\n$/,
      )
    },
  )

  test.skipIf(missing('setarch', 'taskset', 'choom') !== undefined)(
    'nothing that the caller is under reaches the step (needs util-linux)',
    async () => {
      const request = join(layers.directory, 'request')
      const status = join(layers.directory, 'status')
      const look =
        'umask; ulimit -Sn; ulimit -Ss; ulimit -Hc; cat /proc/self/oom_score_adj /proc/self/personality; ' +
        'grep -E "^(SigIgn|SigBlk|Cpus_allowed_list|CapInh)" /proc/self/status; env | grep -c SECRET'
      writeFileSync(request, requestFor(spec({ args: ['/bin/sh', '-c', look] })))
      const burden = 'umask 077; ulimit -Sn 77; ulimit -Ss 1024; trap "" INT PIPE TERM; exec setarch -R'
      const child = spawn(
        'sh',
        ['-c', `${burden} taskset -c 0 choom -n 500 -- ${helper} run ${process.pid}`],
        {
          stdio: ['ignore', 'pipe', 'inherit', openSync(request, 'r'), openSync(status, 'w')],
          env: { PATH: process.env.PATH, SECRET: 'x', LD_PRELOAD: '' },
        },
      )
      let out = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        out += chunk.toString()
      })
      await new Promise((resolve) => child.once('close', resolve))
      const all = readFileSync('/sys/devices/system/cpu/online', 'utf8').trim()
      expect(out.replace(/\t/g, ' ').split('\n')).toEqual([
        ...[
          '0022',
          '1024',
          '8192',
          '0',
          '0',
          '00000000',
          'SigBlk: 0000000000000000',
          'SigIgn: 0000000000000000',
        ],
        ...['CapInh: 0000000000000000', `Cpus_allowed_list: ${all}`, '0', ''],
      ])
    },
  )

  test('a step has a session keyring of its own', async () => {
    const program = join(layers.base, 'bin/keyring')
    const source = join(layers.directory, 'keyring.c')
    writeFileSync(
      source,
      '#include <stdio.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n' +
        'int main(void) { printf("%ld\\n", syscall(SYS_keyctl, 0, -3, 1)); }\n',
    )
    execFileSync('cc', ['-static', '-D_GNU_SOURCE', '-o', program, source])
    const outside = execFileSync(program, { encoding: 'utf8' })
    // Only an insecure step may ask.
    const { out } = await runIn(layers, box, { args: ['/bin/keyring'], security: 'insecure' })
    expect(Number(out)).toBeGreaterThan(0)
    expect(out).not.toBe(outside)
    expect((await runIn(layers, box, { args: ['/bin/keyring'] })).out).toBe('-1\n')
  })

  test('a limit that cannot be had is an error, by default it is what can be had', async () => {
    const hard = 1 << 30
    const asked = runIn(layers, box, { rlimits: [{ name: 'nofile', soft: hard, hard }] })
    await expect(asked).rejects.toThrow(/set limit/)
  })

  test('a step costs a few process starts, not more', async () => {
    const measure = async (run: () => Promise<unknown>): Promise<number> => {
      const started = performance.now()
      for (let i = 0; i < 20; i++) await run()
      return performance.now() - started
    }
    const start = (): Promise<unknown> =>
      new Promise((resolve) =>
        spawn('/bin/busybox', ['true'], { stdio: ['ignore', 'pipe', 'pipe'] }).once('close', resolve),
      )
    const ratios: number[] = []
    // Side by side, so that a busy machine slows both. Idle it is about 5 ms to 1 ms.
    for (let round = 0; round < 3; round++) {
      const plain = await measure(start)
      ratios.push((await measure(() => runIn(layers, box, { args: ['/bin/true'] }))) / plain)
    }
    expect(Math.min(...ratios)).toBeLessThan(15)
  })

  function spec(changes: Partial<ProcessSpec>): ProcessSpec {
    const { upper, work } = layers.writable()
    return {
      root: { lower: [layers.base], upper, work },
      args: ['/bin/true'],
      env: ['PATH=/bin'],
      cwd: '/',
      user: '',
      hostname: 'h',
      network: 'default',
      security: 'sandbox',
      mounts: [],
      hosts: [],
      ...changes,
    }
  }
})

describe.skipIf(lacking !== undefined)(`a malformed request${needs}`, () => {
  const sanitized = join(dist, 'sanitize/slipway-helper')
  const program = existsSync(sanitized) ? sanitized : helper
  const nowhere: ProcessSpec = {
    root: { lower: ['/nonexistent/a', '/nonexistent/b'], upper: '/nonexistent/u', work: '/nonexistent/w' },
    args: ['/bin/true', 'x'],
    env: ['A=b'],
    cwd: '/',
    user: 'u',
    hostname: 'h',
    network: 'none',
    security: 'sandbox',
    mounts: [
      { kind: 'file', target: '/f', content: 'text', mode: 0o400 },
      { kind: 'tmpfs', target: '/t' },
      { kind: 'bind', source: '/nonexistent/s', target: '/b', readOnly: true },
    ],
    hosts: [],
  }

  const place = (path: string) => ({ path, isDirectory: path === 't', isOfImage: true })
  const options = {
    stdio: 'pipe',
    filter: stepFilter,
    namespace: openNative(dist).userNamespace(),
    prepared: {
      user: { uid: 5, gid: 6, groups: [6, 7], home: '/' },
      stubs: '/nonexistent/w/stubs',
      places: ['f', 't', 'b'].map(place),
      cwd: '',
    },
  } as const

  test('ends in a reported failure, never in a crash', () => {
    const random = generator(20240601)
    const valid = encodeRunRequest(nowhere, options)
    for (let round = 0; round < 150; round++) {
      const request = round % 3 === 0 ? noise(random) : mutate(valid, random)
      const { status, stdout, stderr } = runRaw(request)
      expect({ round, status, stderr, failed: /^\{"failed":\{.*\}\}\n$/.test(stdout) }).toEqual({
        round,
        status: 1,
        stderr: '',
        failed: true,
      })
    }
  })

  test('that ends early says so', () => {
    const { stdout } = runRaw(encodeRunRequest(nowhere, options).subarray(0, 40))
    expect(JSON.parse(stdout)).toMatchObject({ failed: { kind: 'request-cut' } })
  })

  // `sh` joins the status stream to its stdout, which spawnSync can collect.
  function runRaw(request: Buffer): { status: number | null; stdout: string; stderr: string } {
    const script = '"$0" run $$ 3<&0 4>&1 1>/dev/null </dev/null; exit $?'
    const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script, program], {
      input: request,
      encoding: 'latin1',
    })
    return { status, stdout, stderr }
  }
})

function requestFor(spec: ProcessSpec, stdio: 'pipe' | 'inherit' = 'pipe'): Buffer {
  const native = openNative(dist)
  const prepared = prepareRoot(spec, native)
  return encodeRunRequest(spec, { stdio, filter: stepFilter, namespace: native.userNamespace(), prepared })
}

/** O_PATH: a hold on the file that neither reads nor writes; Node does not name it. */
const oPath = 0o10000000

interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: parentOf(name), command: commandOf(Number(name)) }))
}

function parentOf(pid: string): number {
  return Number(/\) \S (\d+)/.exec(readIfThere(`/proc/${pid}/stat`))?.[1] ?? 0)
}

function commandOf(pid: number): string {
  return readIfThere(`/proc/${pid}/cmdline`)
}

function isHelper(command: string): boolean {
  return /(^|\/)slipway-helper\0run\0/.test(command)
}

function childHelper(): Process | undefined {
  return processes().find(({ command, parent }) => parent === process.pid && isHelper(command))
}

/** How many mount tables of the machine name `directory`. */
function mounts(directory: string): number {
  return processes().filter(({ pid }) => readIfThere(`/proc/${pid}/mountinfo`).includes(directory)).length
}

// Processes end while they are looked at.
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function errnoOfOpen(path: string): string {
  try {
    closeSync(openSync(path, 'r+'))
    return 'writable'
  } catch (thrown) {
    return String((thrown as NodeJS.ErrnoException).code)
  }
}

async function waitFor<T>(look: () => T): Promise<NonNullable<T>> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; ) {
    const seen = look()
    if (seen) return seen
    await sleep(20)
  }
  throw new Error(`waited in vain for ${look}`)
}

// A fixed sequence, so that a failing round can be repeated.
function generator(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

function noise(random: (limit: number) => number): Buffer {
  return Buffer.from(Array.from({ length: random(200) }, () => random(256)))
}

function mutate(valid: Buffer, random: (limit: number) => number): Buffer {
  const request = Buffer.from(valid)
  for (let i = 0; i <= random(4); i++) request[random(request.length)] = random(256)
  return request.subarray(0, random(5) === 0 ? random(request.length) : request.length)
}

const common = {
  clone: '0',
  'clone-newuser': 'EPERM',
  'clone-newns': 'EPERM',
  'clone-newcgroup': 'EPERM',
  clone3: 'ENOSYS',
  unshare: 'EPERM',
  'unshare-fs': 'EPERM',
  setns: 'EPERM',
  mount: 'EPERM',
  umount2: 'EPERM',
  pivot_root: 'EPERM',
  fsopen: 'EPERM',
  open_tree: 'EPERM',
  move_mount: 'EPERM',
  mount_setattr: 'EPERM',
  chroot: '0',
  keyctl: 'EPERM',
  add_key: 'EPERM',
  request_key: 'EPERM',
  bpf: 'EPERM',
  perf_event_open: 'EPERM',
  userfaultfd: 'EPERM',
  io_uring_setup: 'EPERM',
  open_by_handle_at: 'EPERM',
  name_to_handle_at: 'ENOENT',
  kexec_load: 'EPERM',
  init_module: 'EPERM',
  finit_module: 'EPERM',
  delete_module: 'EPERM',
  'ptrace-attach': 'ESRCH',
  process_vm_readv: '0',
  kcmp: 'EPERM',
  pidfd_open: '0',
  pidfd_getfd: 'EPERM',
  process_madvise: 'EPERM',
  'socket-inet': '0',
  'socket-unix': '0',
  'socket-netlink': '0',
  'socket-alg': 'EPERM',
  'socket-vsock': 'EPERM',
  'socket-alg-high-bits': 'EPERM',
  'personality-query': '0',
  'personality-linux32': '0',
  'personality-linux': '0',
  'personality-read-implies-exec': 'EPERM',
  swapon: 'EPERM',
  reboot: 'EPERM',
  settimeofday: 'EPERM',
  clock_settime: 'EPERM',
  sethostname: 'EPERM',
  setdomainname: 'EPERM',
  acct: 'EPERM',
  quotactl: 'EPERM',
  syslog: 'EPERM',
  vhangup: 'EPERM',
  mbind: 'EPERM',
  fanotify_init: 'EPERM',
  memfd_create: '0',
  copy_file_range: 'EBADF',
  statx: 'EFAULT',
  // These two are decided by the kernel, which may be older than the table.
  landlock: expect.stringMatching(/^(0|ENOSYS|EOPNOTSUPP)$/),
  'newest-known': expect.stringMatching(/^(ENOENT|ENOSYS)$/),
  'unknown-newer': 'ENOSYS',
}

// Without 32-bit emulation in the kernel those calls cannot even be made.
const i386 = (verdict: string): unknown => expect.stringMatching(new RegExp(`^(${verdict}|unsupported)$`))

const x86 = {
  ioperm: 'EPERM',
  iopl: 'EPERM',
  arch_prctl: '0',
  'x32-getpid': 'ENOSYS',
  'i386-getpid': i386('0'),
  'i386-unshare': i386('EPERM'),
  'i386-clone-newuser': i386('EPERM'),
  'i386-mount': i386('EPERM'),
  'i386-keyctl': i386('EPERM'),
  'i386-socket-alg': i386('EPERM'),
  'i386-clone3': i386('ENOSYS'),
}
