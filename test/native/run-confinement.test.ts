// What a step run by `slipway-helper run` may do and can reach, where that is more than what every sandbox promises
// (test/contract/sandbox.ts).
import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import { openNative } from '../../src/sys/native.ts'
import { runIn, sleepers } from '../contract/sandbox/run-in.ts'
import { dist } from '../sys/native.ts'
import { childHelper, processes, waitFor } from './processes.ts'
import { describeRun, helper } from './run-rig.ts'
import { verdicts } from './seccomp-verdicts.ts'

const probe = join(import.meta.dirname, 'probe.c')
/** O_PATH: a hold on the file that neither reads nor writes; Node does not name it. */
const oPath = 0o10000000

describeRun((rig) => {
  beforeAll(() => {
    execFileSync('cc', ['-static', '-O1', '-D_GNU_SOURCE', '-o', join(rig.layers.base, 'bin/probe'), probe])
  })

  test('the system call filter gives exactly these verdicts', async () => {
    const { out } = await runIn(rig.layers, rig.box, { args: ['/bin/probe'] })
    const found = Object.fromEntries(
      out
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')),
    )
    expect(found).toEqual(verdicts)
  })

  test('the first thing a step does finds process 1 without files of the host', async () => {
    // 3 tells process 1 whether the program could be started, 4 is the status stream.
    for (let round = 0; round < 10; round++) {
      const { out } = await runIn(rig.layers, rig.box, { args: ['/bin/ls', '/proc/1/fd'] })
      expect(out).toMatch(/^(3\n)?4\n$/)
    }
  })

  test('a set-uid program gains its owner', async () => {
    const layer = rig.layers.layer({ bin: null })
    execFileSync('cp', [join(rig.layers.base, 'bin/probe'), join(layer, 'bin/suid')])
    chmodSync(join(layer, 'bin/suid'), 0o4755)
    const { out } = await runIn(rig.layers, rig.box, {
      args: ['/bin/suid', 'id'],
      user: '1000:1000',
      lower: [rig.layers.base, layer],
    })
    expect(out).toBe('uid=1000 euid=0\n')
  })

  test('an interpreter of /proc/self/exe reaches the helper read-only', async () => {
    // A program of its own: that of the other tests is always running somewhere, and so "busy".
    const own = rig.layers.layer({})
    execFileSync('cp', [helper, own])
    const native = { ...openNative(dist), helper: join(own, 'slipway-helper') }
    const ownBox = nativeSandbox({ native })
    const layer = rig.layers.layer({ evil: '#!/proc/self/exe\n' })
    chmodSync(join(layer, 'evil'), 0o755)
    const { exit, err } = await runIn(rig.layers, ownBox, {
      args: ['/evil'],
      lower: [rig.layers.base, layer],
    })
    expect([exit.code, err]).toEqual([2, 'slipway-helper is a part of slipway and is not run by hand\n'])

    const running = runIn(rig.layers, ownBox, { script: 'sleep 8871' })
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

  test('a step has a session keyring of its own', async () => {
    const program = join(rig.layers.base, 'bin/keyring')
    const source = join(rig.layers.directory, 'keyring.c')
    writeFileSync(
      source,
      '#include <stdio.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n' +
        'int main(void) { printf("%ld\\n", syscall(SYS_keyctl, 0, -3, 1)); }\n',
    )
    execFileSync('cc', ['-static', '-D_GNU_SOURCE', '-o', program, source])
    const outside = execFileSync(program, { encoding: 'utf8' })
    // Only an insecure step may ask.
    const { out } = await runIn(rig.layers, rig.box, { args: ['/bin/keyring'], security: 'insecure' })
    expect(Number(out)).toBeGreaterThan(0)
    expect(out).not.toBe(outside)
    expect((await runIn(rig.layers, rig.box, { args: ['/bin/keyring'] })).out).toBe('-1\n')
  })
})

function errnoOfOpen(path: string): string {
  try {
    closeSync(openSync(path, 'r+'))
    return 'writable'
  } catch (thrown) {
    return String((thrown as NodeJS.ErrnoException).code)
  }
}
