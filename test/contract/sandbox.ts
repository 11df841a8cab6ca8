// What every Sandbox promises, as tests against the real kernel.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Context } from '../../src/core/context.ts'
import { SlipwayError } from '../../src/core/error.ts'
import type { Exit, ProcessSpec, Sandbox } from '../../src/sandbox/types.ts'
import { containersMissing, type Layers, makeLayers } from '../sandbox/busybox-root.ts'

export interface SandboxCase {
  readonly sandbox: () => Sandbox
  /** What it needs and is not here; the suite's name then says so. */
  readonly missing?: string | undefined
  /** What an OCI runtime cannot do that slipway's own sandbox can. */
  readonly lacks?: readonly ('ids above 2^31-1' | 'a passwd that is no file')[]
}

export interface Ran {
  /** Without its usage. */
  readonly exit: Exit
  readonly usage: Exit['usage']
  readonly out: string
  readonly err: string
  readonly upper: string
}

export type Changes = Partial<Omit<ProcessSpec, 'root'>> & {
  readonly lower?: readonly string[]
  readonly script?: string
  readonly signal?: AbortSignal
}

/** A context that records nothing. */
export function testContext(signal: AbortSignal = new AbortController().signal): Context {
  return { signal, emit: () => undefined, now: () => '2024-01-01T00:00:00Z', debug: () => undefined }
}

/** Runs a process on a fresh upper directory; the default is a shell script on the busybox base. */
export async function runIn(layers: Layers, sandbox: Sandbox, changes: Changes): Promise<Ran> {
  const { upper, work } = layers.writable()
  const chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  const { lower, script, signal, ...spec } = changes
  const { usage, ...exit } = await sandbox.run(
    {
      root: { lower: lower ?? [layers.base], upper, work },
      args: ['/bin/sh', '-c', script ?? 'true'],
      env: ['PATH=/bin'],
      cwd: '/',
      user: '',
      hostname: 'buildkitsandbox',
      network: 'default',
      security: 'sandbox',
      mounts: [],
      hosts: [],
      ...spec,
    },
    { output: (stream, chunk) => chunks[stream].push(chunk) },
    testContext(signal),
  )
  layers.done(work)
  const [out, err] = [Buffer.concat(chunks.stdout).toString(), Buffer.concat(chunks.stderr).toString()]
  return { exit, usage, out, err, upper }
}

/** Times that nobody else sleeps: implementations are tried at the same time. */
const nap = String(100_000 + process.pid)

/** Registers the suite for one implementation. */
export function describeSandbox(name: string, { sandbox, missing, lacks = [] }: SandboxCase): void {
  const reason = missing ?? containersMissing()
  const title = reason === undefined ? name : `${name} (${reason})`
  describe.skipIf(reason !== undefined)(title, () => {
    let layers: Layers
    let box: Sandbox
    beforeAll(() => {
      layers = makeLayers()
      box = sandbox()
    })
    afterAll(() => layers.remove())
    const run = (changes: Changes): Promise<Ran> => runIn(layers, box, changes)
    const script = (text: string, changes: Changes = {}): Promise<Ran> => run({ script: text, ...changes })
    const failure = async (changes: Changes): Promise<SlipwayError> => {
      const thrown: unknown = await run(changes).then(
        () => undefined,
        (error: unknown) => error,
      )
      expect(thrown).toBeInstanceOf(SlipwayError)
      return thrown as SlipwayError
    }

    describe('the process', () => {
      test('its exit code is the result', async () => {
        expect((await script('exit 0')).exit).toEqual({ code: 0 })
        expect((await script('exit 42')).exit).toEqual({ code: 42 })
        expect((await script('exit 127')).exit).toEqual({ code: 127 })
      })
      test('what it used is told, or nothing is', async () => {
        const { usage } = await script('i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.1')
        if (usage === undefined) return
        expect(usage.wallMs).toBeGreaterThan(100)
        expect(usage.cpuMs).toBeGreaterThan(0)
        expect(usage.cpuMs).toBeLessThan(usage.wallMs)
        expect(usage.peakMemoryBytes).toBeGreaterThan(100_000)
        expect(usage.peakMemoryBytes).toBeLessThan(100 << 20)
      })
      test('a signal is 128 plus its number', async () => {
        expect((await script('kill -9 $$')).exit).toEqual({ code: 137, signal: 9 })
        expect((await script('kill -TERM $$')).exit).toEqual({ code: 143, signal: 15 })
      })
      test('streams stay apart and in order', async () => {
        const { out, err } = await script(
          'echo a; echo b >&2; echo c; echo d >/dev/stderr; echo e >/dev/stdout',
        )
        expect([out, err]).toEqual(['a\nc\ne\n', 'b\nd\n'])
      })
      test('another user may open /dev/stdout', async () => {
        expect((await script('echo x > /dev/stdout', { user: '1000:1000' })).out).toBe('x\n')
      })
      test('the environment is exactly what was given, and HOME', async () => {
        const env = ['B=2', 'A=x=y z', 'EMPTY=', 'ÜML=ä']
        const { out } = await run({ args: ['/bin/env'], env })
        expect(out).toBe('B=2\nA=x=y z\nEMPTY=\nÜML=ä\nHOME=/\n')
        const given = await run({ args: ['/bin/env'], env: ['HOME=/given'] })
        expect(given.out).toBe('HOME=/given\n')
      })
      test('arguments arrive byte for byte', async () => {
        const { out } = await run({ args: ['/bin/printf', '%s|', 'a b', '', 'ä\n"', '$X'] })
        expect(out).toBe('a b||ä\n"|$X|')
      })
      test('stdin is empty', async () => {
        expect((await script('cat; stat -L -c %t:%T /proc/self/fd/0')).out).toBe('1:3\n')
      })
      test('nothing else is open', async () => {
        // The fourth is the directory that ls itself reads.
        expect((await script('ls /proc/self/fd | wc -l')).out.trim()).toBe('4')
      })
      test('signals, umask and limits are those of a fresh login', async () => {
        const { out } = await script("grep -E '^Sig(Blk|Ign)|^ShdPnd' /proc/self/status; umask; ulimit -c")
        expect(out.replace(/[\t ]+/g, ' ')).toBe(
          'ShdPnd: 0000000000000000\nSigBlk: 0000000000000000\nSigIgn: 0000000000000000\n0022\n0\n',
        )
      })
      test('host name, process ids and ipc are its own', async () => {
        const { out } = await script('hostname; test $$ -lt 100 && echo low; ls /proc | grep -c "^[0-9]"', {
          hostname: 'boat',
        })
        const [hostname, low, processes] = out.split('\n')
        expect([hostname, low]).toEqual(['boat', 'low'])
        expect(Number(processes)).toBeLessThan(6)
      })
      test('a large output is intact', async () => {
        const megabytes = 100
        const hash = createHash('sha256')
        let length = 0
        const { upper, work } = layers.writable()
        const started = performance.now()
        await box.run(
          {
            root: { lower: [layers.base], upper, work },
            args: ['/bin/sh', '-c', `dd if=/dev/zero bs=1M count=${megabytes} 2>/dev/null | tr '\\0' x`],
            env: ['PATH=/bin'],
            cwd: '/',
            user: '',
            hostname: 'h',
            network: 'default',
            security: 'sandbox',
            mounts: [],
            hosts: [],
          },
          {
            output(_stream, chunk) {
              length += chunk.length
              hash.update(chunk)
            },
          },
          testContext(),
        )
        expect(length).toBe(megabytes << 20)
        expect(hash.digest('hex')).toBe(
          createHash('sha256')
            .update(Buffer.alloc(megabytes << 20, 'x'))
            .digest('hex'),
        )
        expect(performance.now() - started).toBeLessThan(20_000)
      })
      test('a process waits for the reader of its output', async () => {
        const abort = new AbortController()
        const { upper, work } = layers.writable()
        let length = 0
        const running = box.run(
          {
            root: { lower: [layers.base], upper, work },
            args: ['/bin/yes'],
            env: [],
            cwd: '/',
            user: '',
            hostname: 'h',
            network: 'default',
            security: 'sandbox',
            mounts: [],
            hosts: [],
          },
          {
            output(_stream, chunk) {
              length += chunk.length
            },
            drained: () => new Promise((resolve) => abort.signal.addEventListener('abort', () => resolve())),
          },
          testContext(abort.signal),
        )
        await new Promise((resolve) => setTimeout(resolve, 500))
        expect(length).toBeGreaterThan(0)
        expect(length).toBeLessThan(1 << 20)
        abort.abort(new Error('enough'))
        await expect(running).rejects.toThrow('enough')
      })
      test('background children neither hold the output nor survive', async () => {
        const started = performance.now()
        expect((await script(`sleep ${nap}1 & (sleep ${nap}2 & ) ; echo done`)).out).toBe('done\n')
        expect(performance.now() - started).toBeLessThan(5000)
        expect(sleepers(`${nap}[12]`)).toBe(0)
      })
      test('message queues are its own', async () => {
        expect((await script('echo > /dev/mqueue/left; ls /dev/mqueue')).out).toBe('left\n')
        expect((await script('ls /dev/mqueue')).out).toBe('')
      })
      test('orphans are reaped', async () => {
        const text =
          'for i in 1 2 3 4 5; do (true & ) ; done; sleep 0.2; grep -l "^State:.Z" /proc/[0-9]*/status | wc -l'
        expect((await script(text)).out.trim()).toBe('0')
      })
      test('canceling ends it, politely first', async () => {
        const abort = new AbortController()
        const text = 'trap "echo bye > /bye; exit 0" TERM; echo listening; sleep 300 & wait'
        const { upper, work } = layers.writable()
        const spec: ProcessSpec = {
          root: { lower: [layers.base], upper, work },
          args: ['/bin/sh', '-c', text],
          env: ['PATH=/bin'],
          cwd: '/',
          user: '',
          hostname: 'h',
          network: 'default',
          security: 'sandbox',
          mounts: [],
          hosts: [],
        }
        const io = { output: () => abort.abort(new Error('enough')) }
        await expect(box.run(spec, io, testContext(abort.signal))).rejects.toThrow('enough')
        expect(readFileSync(join(upper, 'bye'), 'utf8')).toBe('bye\n')
      })
      test('canceling ends it when it does not listen', async () => {
        const abort = new AbortController()
        setTimeout(() => abort.abort(new Error('enough')), 300)
        const started = performance.now()
        await expect(
          script(`trap "" TERM; sleep ${nap}3; sleep ${nap}4`, { signal: abort.signal }),
        ).rejects.toThrow('enough')
        expect(performance.now() - started).toBeLessThan(5000)
        expect(sleepers(`${nap}[34]`)).toBe(0)
      })
    })

    describe('starting', () => {
      test.each([
        [['nope'], 127, /exec: "nope": executable file not found in \$PATH/],
        [['/nope'], 127, /exec: "\/nope": stat \/nope: no such file or directory/],
        [['/etc'], 126, /exec: "\/etc": is a directory/],
        [['/etc/plain'], 126, /exec: "\/etc\/plain": permission denied/],
        [['/etc/foreign'], 126, /exec format error/],
        [['/etc/script'], 127, /interpreter or dynamic loader is missing/],
      ])('%j cannot be started: %i', async (args, exitCode, text) => {
        const layer = layers.layer({
          'etc/plain': 'x',
          'etc/foreign': 'not a program',
          'etc/script': '#!/no/sh\n',
        })
        for (const name of ['foreign', 'script']) chmodSync(join(layer, 'etc', name), 0o755)
        const error = await failure({ args, lower: [layers.base, layer] })
        expect(error.code).toBe('ERR_SANDBOX_EXEC')
        expect(error.data?.exitCode).toBe(exitCode)
        expect(error.message).toMatch(text)
        if (/format/.test(error.message)) expect(error.hint).toMatch(/architecture/)
      })
    })

    describe('the user', () => {
      const passwd =
        'root:x:0:0:root:/root:/bin/sh\nada:x:1001:1002::/home/ada:\n42:x:77:78::/n:\nnohome:x:5:5:::\n'
      const group = 'root:x:0:\nstaff:x:50:ada,bob\nada:x:1002:\naudio:x:63:bob,ada\nwheel:x:10:root\n'
      const files = { 'etc/passwd': passwd, 'etc/group': group }
      test.each([
        ['', 'uid=0(root) gid=0(root) groups=0(root),10(wheel) /root'],
        ['root', 'uid=0(root) gid=0(root) groups=0(root),10(wheel) /root'],
        ['ada', 'uid=1001(ada) gid=1002(ada) groups=50(staff),63(audio),1002(ada) /home/ada'],
        ['1001', 'uid=1001(ada) gid=1002(ada) groups=50(staff),63(audio),1002(ada) /home/ada'],
        ['ada:staff', 'uid=1001(ada) gid=50(staff) groups=50(staff) /home/ada'],
        ['ada:7', 'uid=1001(ada) gid=7 groups=7 /home/ada'],
        ['1001:7', 'uid=1001(ada) gid=7 groups=7 /home/ada'],
        ['3000', 'uid=3000 gid=0(root) groups=0(root) /'],
        ['3000:3001', 'uid=3000 gid=3001 groups=3001 /'],
        ['42', 'uid=77(42) gid=78 groups=78 /n'],
        ['nohome', 'uid=5(nohome) gid=5 groups=5 /'],
        ['4294967294:4294967294', 'uid=4294967294 gid=4294967294 groups=4294967294 /'],
      ])('%j', async (user, expected) => {
        if (user.startsWith('4294967294') && lacks.includes('ids above 2^31-1')) {
          expect((await failure({ user, lower: [layers.base, layers.layer(files)] })).code).toBe(
            'ERR_RUNTIME_FAILED',
          )
          return
        }
        const layer = layers.layer(files)
        const { out } = await script('echo "$(id) $HOME"', { user, lower: [layers.base, layer] })
        const sorted = out.trim().replace(/groups=(\S+)/, (_, list: string) => {
          const ids = [...new Set(list.split(','))].sort(
            (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10),
          )
          return `groups=${ids.join(',')}`
        })
        expect(sorted).toBe(expected)
      })
      test.each([
        ['nobody', 'unable to find user nobody: no matching entries in passwd file'],
        ['ada:nogroup', 'unable to find group nogroup: no matching entries in group file'],
        ['4294967295', 'unable to find user 4294967295: no matching entries in passwd file'],
        ['-1', 'unable to find user -1: no matching entries in passwd file'],
        ['99999999999', 'unable to find user 99999999999: no matching entries in passwd file'],
      ])('%j is refused', async (user, message) => {
        const error = await failure({ user, lower: [layers.base, layers.layer(files)] })
        expect([error.code, error.message]).toEqual(['ERR_SANDBOX_USER', message])
      })
      test('a passwd that is a pipe or leads outside is not read', async () => {
        const pipe = layers.layer({ etc: null })
        execFileSync('mkfifo', [join(pipe, 'etc/passwd')])
        expect((await failure({ user: 'ada', lower: [layers.base, pipe] })).message).toMatch(
          /not a regular file/,
        )
        const unread = { args: ['/bin/true'], user: '5:5', lower: [layers.base, pipe] }
        if (lacks.includes('a passwd that is no file')) {
          expect((await failure(unread)).message).toMatch(/not a regular file/)
        } else expect((await run(unread)).exit.code).toBe(0)
        const outside = join(layers.directory, 'host-passwd')
        writeFileSync(outside, 'ada:x:1001:1002::/:\n')
        const linked = layers.layer({ 'etc/passwd': { link: outside } })
        expect((await failure({ user: 'ada', lower: [layers.base, linked] })).message).toMatch(
          /no matching entries/,
        )
      })
      test('its capabilities are gone, the bounding set stays', async () => {
        const { out } = await script("grep -E '^Cap' /proc/self/status", { user: '1000:1000' })
        expect(out.match(/[0-9a-f]{16}/g)).toEqual([
          '0000000000000000',
          '0000000000000000',
          '0000000000000000',
          '00000000a80425fb',
          '0000000000000000',
        ])
      })
    })

    describe('the working directory', () => {
      test('is made for the user', async () => {
        const { out, upper } = await script('pwd; touch mine', { cwd: '/srv/app', user: '1000:1001' })
        expect(out).toBe('/srv/app\n')
        const made = statSync(join(upper, 'srv/app'))
        expect([made.uid, made.gid, made.mode & 0o7777]).toEqual([1000, 1001, 0o755])
      })
      test('stays as it is when it exists', async () => {
        const layer = layers.layer({ app: null })
        chownSync(join(layer, 'app'), 5, 6)
        chmodSync(join(layer, 'app'), 0o2750)
        expect((await script('stat -c "%u %g %a" .', { cwd: '/app', lower: [layers.base, layer] })).out).toBe(
          '5 6 2750\n',
        )
      })
      test('through a link never leaves the root', async () => {
        const outside = join(layers.directory, 'outside')
        const layer = layers.layer({
          out: { link: `../../../../..${outside}` },
          fd: { link: '/proc/self/fd/7' },
        })
        const { out } = await script('pwd -P; echo x > here', { cwd: '/out', lower: [layers.base, layer] })
        expect(out).toBe(`${outside}\n`)
        expect(existsSync(outside)).toBe(false)
      })
      test('that is a file is refused', async () => {
        const error = await failure({ cwd: '/etc/f', lower: [layers.base, layers.layer({ 'etc/f': 'x' })] })
        expect(error.message).toMatch(/working directory \/etc\/f: Not a directory/)
      })
    })

    describe('what it may do', () => {
      test('has the 14 default capabilities, a filter, and may gain privileges', async () => {
        const { out } = await script("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
        expect(out.replace(/\t/g, ' ')).toBe(
          'CapInh: 0000000000000000\nCapPrm: 00000000a80425fb\nCapEff: 00000000a80425fb\nCapBnd: 00000000a80425fb\n' +
            'CapAmb: 0000000000000000\nNoNewPrivs: 0\nSeccomp: 2\n',
        )
      })
      test('insecure has every capability, no filter and no masks', async () => {
        const mine = /CapEff:\t(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
        const text =
          "grep -E '^(CapEff|CapAmb|Seccomp:)' /proc/self/status; mount -t tmpfs x /tmp && echo mounted; grep -c ' /proc/' /proc/mounts"
        const { out } = await script(text, { security: 'insecure', user: '0:0' })
        expect(out.replace(/\t/g, ' ')).toBe(`CapEff: ${mine}\nCapAmb: ${mine}\nSeccomp: 0\nmounted\n0\n`)
      })
      test('insecure has the devices of a builder of images, and opens any', async () => {
        const text =
          'cd /dev; stat -c "%n %t:%T %a" kmsg cuse fuse kvm net/tun loop-control loop0 loop7; mknod /fresh c 1 5 && head -c 2 /fresh | wc -c'
        const { out } = await script(text, { security: 'insecure' })
        const nodes = ['kmsg 1:b', 'cuse a:cb', 'fuse a:e5', 'kvm a:e8', 'net/tun a:c8', 'loop-control a:ed']
        const loops = ['loop0 7:0', 'loop7 7:7']
        expect(out).toBe(`${[...nodes, ...loops].map((node) => `${node} 666\n`).join('')}2\n`)
      })
      test('cannot mount, make namespaces or leave them', async () => {
        const text =
          'mount -t tmpfs x /tmp || echo no; umount /etc/hosts || echo no; unshare -U true || echo no; nsenter -t 1 -m true || echo no'
        expect((await script(text)).out).toBe('no\nno\nno\nno\n')
      })
      test('devices can be made but not opened', async () => {
        const text =
          'for d in /x /dev/x /dev/shm/x /tmp/x; do mknod $d c 1 5 && head -c1 $d 2>/dev/null | tr "\\\\0" O; done; head -c 4 /dev/urandom | wc -c; echo z > /dev/null && echo null'
        const { out } = await script(text)
        expect(out).toBe('4\nnull\n')
      })
      test('an image cannot bring a device either', async () => {
        const layer = layers.layer({ etc: null })
        execFileSync('mknod', [join(layer, 'zero'), 'c', '1', '5'])
        expect((await script('head -c1 /zero && echo OPEN', { lower: [layers.base, layer] })).out).toBe('')
      })
      test('process 1 cannot be looked into', async () => {
        const text =
          'sleep 0.2; ls /proc/1/root; ls /proc/1/fd | grep -vx 4; readlink /proc/1/fd/* /proc/1/exe; cat /proc/1/environ; cat /proc/1/maps'
        expect((await script(text)).out).toBe('')
      })
    })

    describe('its file system', () => {
      test('/dev holds just what docker gives', async () => {
        const { out } = await script(
          'cd /dev; for f in *; do echo "$f $(stat -c "%a %t:%T %F" $f)"; done; stat -c %a /dev; ls pts shm mqueue; stat -L -c %a ptmx',
        )
        expect(out).toBe(
          [
            'fd 777 0:0 symbolic link',
            'full 666 1:7 character special file',
            'mqueue 1777 0:0 directory',
            'null 666 1:3 character special file',
            'ptmx 777 0:0 symbolic link',
            'pts 755 0:0 directory',
            'random 666 1:8 character special file',
            'shm 1777 0:0 directory',
            'stderr 777 0:0 symbolic link',
            'stdin 777 0:0 symbolic link',
            'stdout 777 0:0 symbolic link',
            'tty 666 5:0 character special file',
            'urandom 666 1:9 character special file',
            'zero 666 1:5 character special file',
            '755',
            'mqueue:',
            '',
            'pts:',
            'ptmx',
            '',
            'shm:',
            '666',
            '',
          ].join('\n'),
        )
      })
      test('secrets of the host are masked', async () => {
        const { out } = await script(
          'for f in kcore keys timer_list interrupts; do test -e /proc/$f && head -c1 /proc/$f | wc -c; done; ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : | grep -v "^$"',
        )
        expect(out.replace(/0\n/g, '')).toBe('')
      })
      test('the kernel is read-only', async () => {
        const text =
          'for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/mm/transparent_hugepage/enabled; do (echo x > $f) 2>&1 | grep -c "Read-only\\|nonexistent"; done; mkdir /sys/fs/cgroup/x 2>&1 | grep -c Read-only'
        expect((await script(text)).out).toBe('1\n1\n1\n1\n1\n')
      })
      test('limits are those asked for', async () => {
        const { out } = await script('ulimit -Sn; ulimit -Hn; ulimit -Sf; ulimit -Hf', {
          rlimits: [
            { name: 'nofile', soft: 256, hard: 512 },
            { name: 'fsize', soft: 1 << 20, hard: -1 },
          ],
        })
        expect(out).toBe('256\n512\n2048\nunlimited\n')
      })
      test('shared memory has the size asked for', async () => {
        expect((await script('df -k /dev/shm | tail -1 | awk "{print \\$2}"')).out).toBe('65536\n')
        const { out } = await script('df -k /dev/shm | tail -1 | awk "{print \\$2}"', {
          shmSizeBytes: 1 << 20,
        })
        expect(out).toBe('1024\n')
      })
      test('a step that changes nothing leaves nothing', async () => {
        const { upper } = await script('cat /etc/hosts /etc/resolv.conf > /dev/null')
        expect(readdirSync(upper)).toEqual([])
      })
      test('an empty image gets its mount points, and nothing of ours', async () => {
        const only = layers.layer({ x: 'x' })
        execFileSync('cp', ['/bin/busybox', join(only, 'busybox')])
        const { out, upper } = await run({ args: ['/busybox', 'cat', '/etc/hosts'], lower: [only] })
        expect(out).toMatch(/^127\.0\.0\.1\tlocalhost buildkitsandbox\n/)
        expect(readdirSync(upper).sort()).toEqual(['dev', 'proc', 'sys'])
      })
      test('nothing of the mounts of the process before shows', async () => {
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'file', target: '/only/here', content: 's', mode: 0o400 },
          { kind: 'tmpfs', target: '/scratch' },
          { kind: 'layers', lower: [layers.base], source: '/', target: '/base', readOnly: false },
        ]
        const first = await script('echo x > /base/made; ls -d /only/here /scratch /base/made', { mounts })
        expect(first.out).toBe('/base/made\n/only/here\n/scratch\n')
        const { out, upper } = await script('ls -d /only /scratch /base 2>/dev/null; ls /etc')
        expect(out).toBe('hosts\nresolv.conf\n')
        expect(readdirSync(upper)).toEqual([])
      })
      test('a place to mount on that the image hides is made and taken away', async () => {
        const had = layers.layer({ 'etc/hosts': 'old', 'etc/keep': '1' })
        const gone = layers.layer({ 'etc/hosts': { whiteout: true } })
        const linked = layers.layer({ 'var/run': { link: '/run' }, run: null })
        const lower = [layers.base, had, gone, linked]
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'file', target: '/var/run/deep/secret', content: 's', mode: 0o400 },
        ]
        const before = statSync(join(gone, 'etc')).mtimeMs
        const { out, upper } = await script('cat /etc/hosts | head -1; cat /var/run/deep/secret', {
          lower,
          mounts,
        })
        expect(out).toMatch(/^127\.0\.0\.1\t.*\ns$/)
        expect(existsSync(join(upper, 'run/deep'))).toBe(false)
        if (existsSync(join(upper, 'etc'))) {
          expect(readdirSync(join(upper, 'etc'))).toEqual([])
          expect(statSync(join(upper, 'etc')).mtimeMs).toBe(before)
        }
      })
      test('a resolv.conf that links to nowhere is given its target for the time of the step', async () => {
        const link = { link: '../run/systemd/resolve/stub-resolv.conf' }
        const lower = [layers.base, layers.layer({ 'etc/resolv.conf': link, run: null })]
        const { out, upper } = await script('grep -c nameserver /etc/resolv.conf', { lower })
        expect(Number(out)).toBeGreaterThan(0)
        expect(existsSync(join(upper, 'run/systemd'))).toBe(false)
        expect(existsSync(join(upper, 'etc/resolv.conf'))).toBe(false)
      })
      test('what the step puts beside a mount point stays', async () => {
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'file', target: '/run/secrets/a', content: 's', mode: 0o400 },
        ]
        const { upper } = await script('echo x > /run/secrets/b', { mounts })
        expect(readdirSync(join(upper, 'run/secrets'))).toEqual(['b'])
      })
      test('changes are an overlay upper directory', async () => {
        const layer = layers.layer({ 'old/a': 'a', 'old/b': 'b', 'data/x': 'x' })
        const text = 'rm /old/a; rm -r /data; mkdir /data; echo n > /data/n; echo more >> /old/b'
        const { upper } = await script(text, { lower: [layers.base, layer] })
        const hidden = lstatSync(join(upper, 'old/a'))
        expect([hidden.isCharacterDevice(), hidden.rdev]).toEqual([true, 0])
        expect(readFileSync(join(upper, 'old/b'), 'utf8')).toBe('bmore\n')
        expect(readdirSync(join(upper, 'data'))).toEqual(['n'])
        const { out } = await script('ls /old /data', { lower: [layers.base, layer, upper] })
        expect(out).toBe('/data:\nn\n\n/old:\nb\n')
      })
      test.each(['dev', 'proc', 'sys'])('an image whose /%s is a link is refused', async (name) => {
        const canary = join(layers.directory, `canary-${name}`)
        execFileSync('mkdir', ['-p', canary])
        const root = layers.layer({ bin: null, [name]: { link: canary } })
        const error = await failure({ lower: [root] })
        expect(error.code).toBe('ERR_SANDBOX_IMAGE')
        expect(error.message).toMatch(`/${name}: it is not a directory in the image`)
        expect(readdirSync(canary)).toEqual([])
      })
    })

    describe('mounts', () => {
      test('small files', async () => {
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'file', target: '/run/secrets/key', content: 'secret', mode: 0o400, uid: 7, gid: 8 },
          { kind: 'file', target: '/dev/pipes/EOF', content: '#!/bin/sh\necho ran', mode: 0o755 },
        ]
        const { out, upper } = await script(
          'stat -c "%a %u %g" /run/secrets/key; cat /run/secrets/key; echo; /dev/pipes/EOF; (echo x > /run/secrets/key) 2>&1 | grep -c Read-only',
          { mounts },
        )
        expect(out).toBe('400 7 8\nsecret\nran\n1\n')
        expect(readdirSync(upper)).toEqual([])
      })
      test('directories and files of the host', async () => {
        const source = layers.layer({ 'sub/f': 'f' })
        const target = { kind: 'bind', source } as const
        const mounts: ProcessSpec['mounts'] = [
          { ...target, target: '/ro', readOnly: true },
          { ...target, target: '/rw', readOnly: false },
          { kind: 'bind', source: join(source, 'sub/f'), target: '/one/file', readOnly: true },
        ]
        const { out, upper } = await script(
          'cat /ro/sub/f /one/file; (echo x > /ro/n) 2>&1 | grep -c Read-only; echo y > /rw/n',
          { mounts },
        )
        expect(out).toBe('ff1\n')
        expect(readFileSync(join(source, 'n'), 'utf8')).toBe('y\n')
        expect(readdirSync(upper)).toEqual([])
      })
      test('tmpfs', async () => {
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'tmpfs', target: '/scratch', sizeBytes: 1 << 20 },
          { kind: 'tmpfs', target: '/private', mode: 0o700 },
        ]
        const { out, upper } = await script(
          'stat -c %a /scratch /private; df -k /scratch | tail -1 | awk "{print \\$2}"; echo x > /scratch/f',
          { mounts },
        )
        expect(out).toBe('1777\n700\n1024\n')
        expect(readdirSync(upper)).toEqual([])
      })
      test('tmpfs with the mode of the directory below it, and read-only', async () => {
        const lower = [layers.base, layers.layer({ had: null })]
        chmodSync(join(lower[1] ?? '', 'had'), 0o710)
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'tmpfs', target: '/had' },
          { kind: 'tmpfs', target: '/had/new' },
          { kind: 'tmpfs', target: '/ro', readOnly: true },
        ]
        const text = 'stat -c %a /had /had/new; (echo x > /ro/f) 2>&1 | grep -c Read-only'
        const { out, upper } = await script(text, { lower, mounts })
        expect(out).toBe('710\n1777\n1\n')
        expect(readdirSync(upper)).toEqual([])
      })
      test('layers: files and directories of several, links inside them, and what a later one hides', async () => {
        const below = layers.layer({ 'd/a': 'a', 'd/gone': 'x', file: 'below', link: { link: '/d' } })
        const above = layers.layer({ 'd/gone': { whiteout: true }, 'd/b': 'b', file: 'above' })
        const view = { kind: 'layers', lower: [below, above], readOnly: true } as const
        const mounts: ProcessSpec['mounts'] = [
          { ...view, source: '/', target: '/all' },
          { ...view, source: '/file', target: '/dir/one' },
          { ...view, source: '/link', target: '/linked' },
          { ...view, source: '/link/../link/b', target: '/b' },
          { ...view, lower: [], source: '/', target: '/nothing' },
        ]
        const { out, upper } = await script(
          'ls /all /all/d; cat /dir/one; ls /linked /nothing; cat /b; (echo x > /all/n) 2>&1 | grep -c Read-only',
          { mounts },
        )
        expect(out).toBe('/all:\nd\nfile\nlink\n\n/all/d:\na\nb\nabove/linked:\na\nb\n\n/nothing:\nb1\n')
        expect(readdirSync(upper)).toEqual([])
      })
      test('layers: what is written there is gone afterwards', async () => {
        const layer = layers.layer({ 'd/a': 'a', 'd/b': 'b' })
        chmodSync(join(layer, 'd'), 0o750)
        const view = { kind: 'layers', lower: [layer], readOnly: false } as const
        const mounts: ProcessSpec['mounts'] = [
          { ...view, source: '/', target: '/all' },
          { ...view, source: '/d/b', target: '/one' },
        ]
        const text =
          'stat -c %a /all/d; echo n > /all/n; rm /all/d/a; echo more >> /one; cat /one; chmod 777 /all/d; ls /all /all/d'
        const { out, upper } = await script(text, { mounts })
        expect(out).toBe('750\nbmore\n/all:\nd\nn\n\n/all/d:\nb\n')
        expect(readdirSync(upper)).toEqual([])
        expect(readdirSync(join(layer, 'd'))).toEqual(['a', 'b'])
        expect(readFileSync(join(layer, 'd/b'), 'utf8')).toBe('b')
        expect(statSync(join(layer, 'd')).mode & 0o777).toBe(0o750)
      })
      test.each(['/up', '/abs', '/../../../../../../..'])(
        'layers: %s leads to nowhere outside',
        async (source) => {
          const outside = layers.layer({ secret: 'of the host' })
          const layer = layers.layer({ up: { link: `../../../../../..${outside}` }, abs: { link: outside } })
          const mounts: ProcessSpec['mounts'] = [
            { kind: 'layers', lower: [layer], source, target: '/x', readOnly: false },
          ]
          const ran = await script('find /x', { mounts }).catch((error: unknown) => error)
          if (ran instanceof SlipwayError) expect(ran.message).toMatch(/find mount source .*No such file/)
          else expect((ran as Ran).out).not.toContain('secret')
        },
      )
      test('one inside another', async () => {
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'tmpfs', target: '/a' },
          { kind: 'file', target: '/a/b/c', content: 'c', mode: 0o444 },
        ]
        expect((await script('cat /a/b/c', { mounts })).out).toBe('c')
      })
      test('a missing source is named', async () => {
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'bind', source: '/no/such', target: '/x', readOnly: true },
        ]
        expect((await failure({ mounts })).message).toMatch(
          /bind mount \/no\/such: No such file or directory/,
        )
        const inLayers: ProcessSpec['mounts'] = [
          { kind: 'layers', lower: [layers.base], source: '/no/such', target: '/x', readOnly: true },
        ]
        expect((await failure({ mounts: inLayers })).message).toMatch(
          /find mount source \/no\/such: No such file or directory/,
        )
      })
    })

    describe('network', () => {
      test('default has the interfaces of the host', async () => {
        const host = readdirSync('/sys/class/net').length
        expect((await script('ls /sys/class/net | wc -l')).out.trim()).toBe(String(host))
      })
      test('none has loopback only, and it works', async () => {
        const text = 'ls /sys/class/net; ping -c1 -W1 127.0.0.1 > /dev/null && echo pong'
        expect((await script(text, { network: 'none' })).out).toBe('lo\npong\n')
      })
      test('hosts are written in order', async () => {
        const hosts = [
          { name: 'db', ip: '10.1.1.1' },
          { name: 'v6', ip: 'fd00::1' },
        ]
        const { out } = await script('cat /etc/hosts', { hosts, hostname: 'me' })
        expect(out).toBe(
          '127.0.0.1\tlocalhost me\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.1.1\tdb\nfd00::1\tv6\n',
        )
      })
    })
  })
}

/** How many `sleep` processes with such an argument run on the host. */
export function sleepers(pattern: string): number {
  let count = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = `/proc/${pid}/cmdline`
    if (existsSync(command) && new RegExp(`^(/bin/)?sleep\0(${pattern})\0$`).test(readQuietly(command)))
      count++
  }
  return count
}

// A process may end while it is looked at.
function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
