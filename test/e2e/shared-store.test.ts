// One state directory, many processes: builds, prunes and collections that are killed at random moments, with a check of
// everything after each; and builds and prunes side by side that all succeed. SLIPWAY_STORE_KILLS sets how often
// (500 outside CI), SLIPWAY_STORE_KILLS_SEED repeats a run.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { numbers } from './support/numbers.ts'
import { type Finished, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')
const kills = Number(process.env.SLIPWAY_STORE_KILLS ?? 10)
const seed = Number(process.env.SLIPWAY_STORE_KILLS_SEED ?? Date.now() % 1_000_000)

/** Bounds that every build exceeds. */
const tight = {
  SLIPWAY_GC_MAX_USED_SPACE: '12mb',
  SLIPWAY_GC_RESERVED_SPACE: '4mb',
  SLIPWAY_GC_MIN_FREE_SPACE: '0',
}

describe.skipIf(lacking !== undefined)(
  `a shared store, seed ${seed} (needs ${lacking ?? 'nothing more'})`,
  () => {
    let ws: Workspace
    let collecting: Workspace
    beforeAll(() => {
      ws = workspace()
      collecting = workspace({ ...tight, SLIPWAY_ROOT: ws.root })
      imageFromTar(ws, 'base', busyboxTar())
    })
    afterAll(() => {
      collecting?.[Symbol.dispose]()
      ws?.[Symbol.dispose]()
    })

    const dockerfile = [
      'FROM base AS one',
      'ARG TURN',
      'RUN echo "$TURN" > /one; head -c 1500000 /dev/urandom > /random',
      'FROM base AS two',
      'COPY files /files',
      'RUN --mount=type=cache,target=/cache echo x >> /cache/lines; cp -r /files /copy; rm /files/3',
      'FROM base',
      'COPY --from=one /one /random /made/',
      'COPY --from=two /copy /copy',
      'RUN cat /made/one; sha256sum /made/random > /sum',
      'WORKDIR /work',
      '',
    ].join('\n')
    const project = (name: string): string =>
      ws.context(name, {
        Dockerfile: dockerfile,
        ...Object.fromEntries(
          Array.from({ length: 30 }, (_, i) => [`files/${i}`, `${name} ${i}\n`.repeat(i * 20)]),
        ),
      })

    const verified = (): void => {
      const { stdout, status } = ws.slipway('store', 'verify')
      expect([status, stdout]).toEqual([0, expect.stringMatching(/^\d+ images?, 0 problems\n$/)])
    }
    /** What an image says about itself is what is in it: nothing of another build, nothing half-made. */
    const isWhole = (name: string, turn: number): void => {
      const { stdout } = ws.ok(
        'run',
        '--rm',
        name,
        'sh',
        '-c',
        'cat /made/one; sha256sum -c /sum; ls /copy | wc -l',
      )
      expect(stdout).toBe(`${turn}\n/made/random: OK\n30\n`)
    }

    it(`is sound after each of ${kills} kills, and has what was reported done`, async () => {
      const next = numbers(seed)
      const contexts = ['left', 'right'].map(project)
      const done = new Map<string, number>()
      const begun = performance.now()
      ws.ok('build', '-q', '--build-arg=TURN=100000', contexts[0] ?? '')
      // Not much longer than a build takes: most are to be killed while they run.
      const longest = performance.now() - begun
      let killed = 0
      for (let turn = 0; turn < kills; turn++) {
        const side = next() < 0.5 ? 0 : 1
        const name = `image-${side}-${turn % 3}`
        const arguments_ = ['--progress=plain', `--build-arg=TURN=${turn}`, '-t', name, contexts[side] ?? '']
        const by = next() < 0.5 ? collecting : ws
        if (by === collecting) rmSync(join(ws.root, 'store-v1/usage.json'), { force: true })
        const build = by.start('build', ...arguments_)
        const prune =
          next() < 0.6 ? ws.start('prune', '--force', ...(next() < 0.5 ? ['--all'] : [])) : undefined
        await sleep(next() * longest)
        const victims = next() < 0.3 && prune !== undefined ? [prune] : [build, prune]
        for (const victim of victims) victim?.kill('SIGKILL')
        const ended = await Promise.all([build.ended, prune?.ended])
        for (const one of ended) if (one !== undefined) expectFine(one)
        if (ended.some((one) => one?.signal === 'SIGKILL')) killed++
        if (ended[0].status === 0) done.set(name, turn)
        // Of an image that was being replaced either is there, of the others the one there was.
        else if (ended[0].signal === 'SIGKILL') done.delete(name)
        verified()
      }
      expect(killed).toBeGreaterThan(kills / 4)
      for (const [name, turn] of done) isWhole(name, turn)

      ws.ok('prune', '--force', '--all')
      verified()
      ws.ok('build', '-q', '--build-arg=TURN=100001', '-t', 'after', contexts[0] ?? '')
      isWhole('after', 100_001)
      ws.ok('prune', '--force', '--all')
      const store = join(ws.root, 'store-v1')
      for (const directory of ['active', 'ingest', 'leases', 'snapshots']) {
        expect([directory, readdirSync(join(store, directory))]).toEqual([directory, []])
      }
      for (const [name, turn] of done) isWhole(name, turn)
    }, 7_200_000)

    it('serves eight processes that build while two prune: all succeed', async () => {
      const contexts = ['same', 'same', 'same', 'other', 'third', 'fourth', 'fourth', 'fifth'].map(project)
      let isOver = false
      const pruning = [['--all'], []].map(async (flags) => {
        let rounds = 0
        for (; !isOver; rounds++) expectFine(await ws.start('prune', '--force', ...flags).ended, 0)
        return rounds
      })
      await Promise.all(
        contexts.map(async (context, index) => {
          for (let turn = 0; turn < 3; turn++) {
            const by = turn === 1 ? collecting : ws
            const name = `eight-${index}`
            expectFine(
              await by.start('build', '-q', `--build-arg=TURN=${turn}`, '-t', name, context).ended,
              0,
            )
          }
        }),
      )
      isOver = true
      expect(Math.min(...(await Promise.all(pruning)))).toBeGreaterThan(0)
      for (const index of contexts.keys()) isWhole(`eight-${index}`, 2)
      verified()
    }, 600_000)
  },
)

/** Killed, or ended by itself without an error. */
function expectFine({ status, signal, stderr }: Finished, wanted?: number): void {
  if (signal === 'SIGKILL' && wanted === undefined) return
  expect(status, stderr.replace(/^#.*\n|^\n/gm, '')).toBe(wanted ?? 0)
}
