// slipway killed at random moments of builds: nothing runs on, nothing stays mounted, the next build succeeds and
// removes what was left. SLIPWAY_KILLS sets how often (500 outside CI), SLIPWAY_KILLS_SEED repeats a run.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, until, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')
const kills = Number(process.env.SLIPWAY_KILLS ?? 12)
const seed = Number(process.env.SLIPWAY_KILLS_SEED ?? Date.now() % 1_000_000)
const hasCgroups = ['memory', 'pids'].every((name) => existsSync(`/sys/fs/cgroup/${name}/cgroup.procs`))

/** Numbers from 0 to 1 that a seed repeats. */
function numbers(start: number): () => number {
  let state = start
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

/** Ids of processes that see something of `directory` mounted, and of those that were started with `marker`. */
function survivors(directory: string, marker: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false
    try {
      const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
      return mounts.includes(directory) || readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(marker)
    } catch (error) {
      if (['ENOENT', 'ESRCH', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
      throw error
    }
  })
}

describe.skipIf(lacking !== undefined)(`kills, seed ${seed} (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const marker = `kills-${process.pid}`
  const limits = hasCgroups ? ['--memory=64m', '--pids=100'] : []
  const dockerfile = [
    'FROM base AS one',
    'ARG TURN',
    `RUN echo "$TURN ${marker}" > /one; seq 1 20000; sleep 0.05`,
    'RUN --network=none head -c 3000000 /dev/urandom > /random; (sleep 300 &) ; rm /etc/group',
    'FROM base AS two',
    'ARG TURN',
    'COPY files /files',
    `RUN echo "$TURN ${marker}"; mkdir -p /deep/a/b/c; chown -R 7:8 /deep; [ $((TURN % 3)) != 0 ]`,
    'FROM base',
    'COPY --from=one /one /random /made/',
    'COPY --from=two /deep /deep',
    'WORKDIR /work',
    'RUN cat /made/one',
    '',
  ].join('\n')

  it(`leaves nothing after ${kills} of them`, async () => {
    const next = numbers(seed)
    const context = ws.context('killed', {
      Dockerfile: dockerfile,
      ...Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`files/${i}`, `${i}\n`.repeat(i * 20)])),
    })
    let ended = 0
    for (let turn = 0; turn < kills; turn++) {
      const flags = ['--progress=plain', `--build-arg=TURN=${turn}`, ...(next() < 0.5 ? limits : [])]
      const build = ws.start('build', ...flags, '-t', `killed:${turn % 5}`, context)
      await sleep(next() * 1200)
      build.kill('SIGKILL')
      const { signal } = await build.ended
      if (signal !== 'SIGKILL') ended++
      await until('everything of it to end', () => survivors(ws.root, marker).length === 0, 20_000)
    }
    // Most of them must have been in the middle of something.
    expect(ended).toBeLessThan(Math.max(2, kills))

    ws.ok('build', '-q', ...limits, '--build-arg=TURN=100001', '-t', 'after', context)
    expect(ws.ok('run', 'after', 'cat', '/made/one').stdout).toBe(`100001 ${marker}\n`)
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    const store = join(ws.root, 'store-v1')
    const names = (directory: string): string[] => {
      const path = join(store, directory)
      return existsSync(path) ? readdirSync(path) : []
    }
    expect(names('active')).toEqual([])
    expect(names('ingest')).toEqual([])
    expect(names('cgroups')).toEqual([])
    expect(names('failed')).toEqual([])
    const everything = readdirSync(ws.root, { recursive: true, encoding: 'utf8' })
    const outside = everything.filter((path) => !path.startsWith('store-v1/snapshots/'))
    expect(outside.filter((path) => /\.(?:new|tmp|part|ordered)\b/.test(path))).toEqual([])
  }, 3_600_000)
})
