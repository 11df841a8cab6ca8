// That nothing is left of a step when it, the helper or whoever called that is killed.
import { spawn } from 'node:child_process'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { processIn, runIn, sleepers } from '../contract/sandbox/run-in.ts'
import { childHelper, mounts, waitFor } from './processes.ts'
import { describeRun, helper, requestFor } from './run-rig.ts'

describeRun((rig) => {
  test('killing the helper leaves no process and no mount', async () => {
    const running = runIn(rig.layers, rig.box, { script: 'sleep 8881 & setsid sleep 8882 & sleep 8883' })
    const settled = expect(running).rejects.toMatchObject({ code: 'ERR_SANDBOX_HELPER_DIED' })
    await waitFor(() => sleepers('888[123]') === 3)
    expect(mounts(rig.layers.directory)).toBeGreaterThan(0)
    process.kill((await waitFor(() => childHelper())).pid, 'SIGKILL')
    await settled
    await waitFor(() => sleepers('888[123]') === 0 && mounts(rig.layers.directory) === 0)
  })

  test('killing the caller leaves no process and no mount', async () => {
    const request = join(rig.layers.directory, 'request')
    writeFileSync(request, requestFor(processIn(rig.layers, { args: ['/bin/sleep', '8891'] })))
    const caller = spawn('/bin/sh', ['-c', '"$0" run $$ 3<"$1" 4>/dev/null >/dev/null; :', helper, request], {
      stdio: 'ignore',
    })
    await waitFor(() => sleepers('8891') === 1)
    caller.kill('SIGKILL')
    await waitFor(() => sleepers('8891') === 0 && mounts(rig.layers.directory) === 0)
  })

  test('SIGTERM reaches the process and its children', async () => {
    const request = join(rig.layers.directory, 'request')
    writeFileSync(request, requestFor(processIn(rig.layers, { args: ['/bin/sh', '-c', 'sleep 8895 | cat'] })))
    const status = join(rig.layers.directory, 'status')
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
})
