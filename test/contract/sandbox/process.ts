// The process of a step: what it gets, how it ends, and that nothing of it is left.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { processIn, type SandboxUnderTest, sleepers, testContext } from './run-in.ts'

/** Times that nobody else sleeps: implementations are tried at the same time. */
const nap = String(100_000 + process.pid)

/** Output, environment, signals and cancellation. */
export function describeProcess(under: SandboxUnderTest): void {
  const { run, script } = under

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
      const started = performance.now()
      await under.box.run(
        processIn(under.layers, {
          args: ['/bin/sh', '-c', `dd if=/dev/zero bs=1M count=${megabytes} 2>/dev/null | tr '\\0' x`],
        }),
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
      let length = 0
      const running = under.box.run(
        processIn(under.layers, { args: ['/bin/yes'], env: [] }),
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
      const spec = processIn(under.layers, { args: ['/bin/sh', '-c', text] })
      const io = { output: () => abort.abort(new Error('enough')) }
      await expect(under.box.run(spec, io, testContext(abort.signal))).rejects.toThrow('enough')
      expect(readFileSync(join(spec.root.upper, 'bye'), 'utf8')).toBe('bye\n')
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
}
