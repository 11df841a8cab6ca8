// A helper never outlives what started it.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { dist, withDirectory } from '../sys/native.ts'

/** Whether the process exists and is not a zombie. */
function isRunning(pid: number): boolean {
  const path = `/proc/${pid}/stat`
  return existsSync(path) && !/\) [ZX] /.test(readFileSync(path, 'latin1'))
}

test('a helper that waits for its request dies with its parent', async () => {
  await withDirectory(async (base) => {
    execFileSync('mkfifo', [join(base, 'request')])
    // Opened for both directions the pipe never ends, so only the parent's death can stop the helper.
    const script = `exec 3<>${base}/request 4>/dev/null; ${join(dist, 'slipway-helper')} files $$ & echo $!; wait`
    const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = parent.stdout === null ? [''] : await once(parent.stdout, 'data')
    const pid = Number(String(line))
    await sleep(100)
    expect(isRunning(pid)).toBe(true)
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    for (let tries = 0; tries < 100 && isRunning(pid); tries++) await sleep(10)
    expect(isRunning(pid)).toBe(false)
  })
})
