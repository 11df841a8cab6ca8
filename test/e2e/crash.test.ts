// Killed, interrupted and out of space: nothing runs on, nothing stays mounted, the store verifies, the next build works.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, until, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

/** Processes whose command line holds `marker`. */
function running(marker: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(marker)
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
      throw error
    }
  })
}

/** Mounts below `directory`, in the mount namespace of any process. */
function mounts(directory: string): string[] {
  const found = new Set<string>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const line of readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n')) {
        if (line.includes(directory)) found.add(line)
      }
    } catch (error) {
      if (!['ENOENT', 'ESRCH', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  return [...found]
}

describe.skipIf(lacking !== undefined)(`crashes (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const sleeper = (marker: string): string =>
    ws.context(marker, {
      Dockerfile: `FROM base\nRUN echo first > /first\nRUN echo ${marker} > /second; (sleep 9${marker} &) ; sleep 8${marker}\nRUN echo third > /third\n`,
    })

  const settled = async (marker: string): Promise<void> => {
    await until('every process of the step to end', () => running(marker).length === 0, 10_000)
    expect(mounts(ws.root)).toEqual([])
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
  }

  it('SIGKILL in the middle of a step', async () => {
    const marker = '10001'
    const context = sleeper(marker)
    const build = ws.start('build', '--progress=plain', '-t', 'killed', context)
    await until('the step to run', () => running(`sleep\x008${marker}`).length > 0)
    build.kill('SIGKILL')
    await build.ended
    await settled(marker)
    const next = ws.ok(
      'build',
      '--progress=plain',
      '-t',
      'next',
      ws.context('after', { Dockerfile: 'FROM base\nRUN echo first > /first\nRUN echo ok\n' }),
    )
    expect(next.stderr).toMatch(/#\d+ [\d.]+ ok/)
    expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
    expect(readdirSync(join(ws.root, 'store-v1/ingest'))).toEqual([])
  })

  it.each([
    ['SIGINT', 130, '20002'],
    ['SIGTERM', 143, '30003'],
  ] as const)('%s stops the step and exits %i', async (signal, status, marker) => {
    const build = ws.start('build', '--progress=plain', sleeper(marker))
    await until('the step to run', () => running(`sleep\x008${marker}`).length > 0)
    build.kill(signal)
    const ended = await build.ended
    expect(ended).toMatchObject({ status, signal: null })
    expect(ended.stderr).toContain('interrupted')
    expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
    await settled(marker)
  })

  it('two builds of the same thing at once run it once', async () => {
    const context = ws.context('twice', {
      Dockerfile: 'FROM base\nRUN echo token-$RANDOM$RANDOM > /token; sleep 1\nRUN cat /token\n',
    })
    const builds = [
      ws.start('build', '--progress=plain', '-t', 'one', context),
      ws.start('build', '--progress=plain', '-t', 'two', context),
    ]
    const ended = await Promise.all(builds.map((b) => b.ended))
    expect(ended.map((e) => e.status)).toEqual([0, 0])
    expect(ws.ok('run', 'one', 'cat', '/token').stdout).toBe(ws.ok('run', 'two', 'cat', '/token').stdout)
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
  })

  it('a full disk is one clear error and leaves a store that works', () => {
    const disk = join(ws.directory, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk])
    try {
      using small = workspace({ SLIPWAY_ROOT: join(disk, 'state') })
      imageFromTar(small, 'base', busyboxTar())
      const inStep = small.slipway(
        'build',
        '--progress=plain',
        small.context('fill', { Dockerfile: 'FROM base\nRUN dd if=/dev/zero of=/big bs=1M count=64\n' }),
      )
      expect(inStep.status).toBe(1)
      expect(inStep.stderr).toMatch(/No space left on device/)
      const inCopy = small.slipway(
        'build',
        '--progress=plain',
        small.context('large', { Dockerfile: 'FROM base\nCOPY large /\n', large: Buffer.alloc(40 << 20, 1) }),
      )
      expect(inCopy.status).toBe(1)
      expect(inCopy.stderr).toMatch(/ENOSPC|no space left on device/i)
      expect(inCopy.stderr).not.toMatch(/^ {4}at /m)
      expect(small.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
      expect(readdirSync(join(small.root, 'store-v1/active'))).toEqual([])
      small.ok('build', '-q', small.context('fits', { Dockerfile: 'FROM base\nRUN echo fits\n' }))
    } finally {
      execFileSync('umount', [disk])
    }
  })

  it('a reader that goes away does not end in a stack trace', () => {
    const output = execFileSync(
      'sh',
      ['-c', `'${join(import.meta.dirname, '../../dist/slipway')}' inspect base 2>&1 | head -c 1`],
      { env: ws.env, encoding: 'utf8' },
    )
    expect(output).toBe('[')
  })
})
