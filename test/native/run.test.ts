// `slipway-helper run` where it is more than what every sandbox promises (test/contract/sandbox.ts): the terminal, what
// the caller is under, limits, and what a step costs.
import { spawn } from 'node:child_process'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { processIn, runIn, sleepers } from '../contract/sandbox/run-in.ts'
import { missing } from '../support/missing.ts'
import { readIfThere, waitFor } from './processes.ts'
import { describeRun, helper, requestFor } from './run-rig.ts'

describeRun((rig) => {
  test.skipIf(missing('script') !== undefined)(
    'on a terminal it is the foreground job, and gives it back (needs script)',
    async () => {
      const request = join(rig.layers.directory, 'request')
      const status = join(rig.layers.directory, 'status')
      const text = 'test -t 0 && echo on-a-terminal; trap "echo interrupted" INT; sleep 8899; exit 5'
      writeFileSync(request, requestFor(processIn(rig.layers, { args: ['/bin/sh', '-c', text] }), 'inherit'))
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
      const request = join(rig.layers.directory, 'request')
      const status = join(rig.layers.directory, 'status')
      const look =
        'umask; ulimit -Sn; ulimit -Ss; ulimit -Hc; cat /proc/self/oom_score_adj /proc/self/personality; ' +
        'grep -E "^(SigIgn|SigBlk|Cpus_allowed_list|CapInh)" /proc/self/status; env | grep -c SECRET'
      writeFileSync(request, requestFor(processIn(rig.layers, { args: ['/bin/sh', '-c', look] })))
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

  test('a limit that cannot be had is an error, by default it is what can be had', async () => {
    const hard = 1 << 30
    const asked = runIn(rig.layers, rig.box, { rlimits: [{ name: 'nofile', soft: hard, hard }] })
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
      ratios.push((await measure(() => runIn(rig.layers, rig.box, { args: ['/bin/true'] }))) / plain)
    }
    expect(Math.min(...ratios)).toBeLessThan(15)
  })
})
