// slipway killed at random moments of builds: nothing runs on, nothing stays mounted, the next build succeeds and
// removes what was left. SLIPWAY_KILLS sets how often (12 if it is not set), SLIPWAY_KILLS_SEED repeats a run.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cgroupsMissing } from '../support/cgroups.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, until, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')
const kills = Number(process.env.SLIPWAY_KILLS ?? 12)
const seed = Number(process.env.SLIPWAY_KILLS_SEED ?? Date.now() % 1_000_000)
const hasCgroups =
  cgroupsMissing() === undefined &&
  ['memory', 'pids'].every((name) => existsSync(`/sys/fs/cgroup/${name}/cgroup.procs`))

/** Numbers from 0 to 1 that a seed repeats. */
function numbers(start: number): () => number {
  let state = start
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

interface Started {
  readonly pid: string
  readonly parent: string
  /** Since the machine came up: a pid is used again, both are not. */
  readonly since: string
}

/** What can be told of a process that may be gone by now. */
function ofProcess<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

function processes(): Started[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    const text = ofProcess(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
    // proc_pid_stat(5), behind the name, which may hold anything: state is field 3, the parent 4, the start 22.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? []
    const [state = 'Z', parent = ''] = fields
    return state === 'Z' ? [] : [{ pid, parent, since: fields[19] ?? '' }]
  })
}

/** A process and all that it and they have started. */
function family(pid: number): Started[] {
  const all = processes()
  const found = all.filter((one) => one.pid === String(pid))
  for (const above of found) found.push(...all.filter((one) => one.parent === above.pid))
  return found
}

/** Ids of processes that see something of `directory` mounted, that were started with `marker`, or are of the family. */
function survivors(directory: string, marker: string, members: readonly Started[]): string[] {
  const old = new Set(members.map(({ pid, since }) => `${pid} ${since}`))
  return processes()
    .filter(({ pid, since }) => {
      if (Number(pid) === process.pid) return false
      const mounts = ofProcess(() => readFileSync(`/proc/${pid}/mountinfo`, 'utf8')) ?? ''
      const command = ofProcess(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1')) ?? ''
      return old.has(`${pid} ${since}`) || mounts.includes(directory) || command.includes(marker)
    })
    .map(({ pid }) => pid)
}

/** What belongs into a state directory when no build runs; everything else was left behind. */
const belongs = [
  /^(?:index\.json|oci-layout|usage\.json|active|ingest|damaged|origins|cgroups|failed|variants)$/,
  /^blobs(?:\/sha256(?:\/[0-9a-f]{64})?)?$/,
  /^records(?:\/[0-9a-f]{2}(?:\/[0-9a-f]{64}\.json)?)?$/,
  /^plans(?:\/[0-9a-f]{64})?$/,
  /^builds(?:\/[0-9a-f]{64}\.json)?$/,
  /^files(?:\/[0-9a-f]{64})?$/,
  /^stat-cache(?:\/[0-9a-f]{64}(?:\.tree)?)?$/,
  /^layers(?:\/[A-Za-z0-9]+\.json)?$/,
  // A collector removes those of dead processes.
  /^leases(?:\/[0-9a-f]{32})?$/,
  /^logs(?:\/[\w.-]+-\d+-[0-9a-f]{8}\.log)?$/,
  /^snapshots(?:\/[0-9A-Za-z]+(?:\/unsynced|\/size|\/fs(?:\/.*)?)?)?$/s,
  /^locks(?:\/(?:index|ingest|swept|gate|collect|snapshot-[0-9a-f]+|cache-[0-9a-f]{64}-\d+))?$/,
  /^cache-mounts(?:\/[0-9a-f]{64}(?:\/(?:cache\.json|\d+(?:\/(?:used|fs(?:\/.*)?))?))?)?$/s,
]

/** Directories that a cgroup called `name` at the top of any hierarchy has. */
function cgroupsIn(name: string): string[] {
  const top = '/sys/fs/cgroup'
  const hierarchies = existsSync(top) ? ['.', ...readdirSync(top)] : []
  return hierarchies
    .map((hierarchy) => join(top, hierarchy, name))
    .filter((path) => existsSync(path))
    .flatMap((path) => [path, ...directoriesIn(path)])
}

function directoriesIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(path, name))
}

/** Id and content of every cache, as they are on disk. */
function caches(store: string): { readonly id: string; readonly directory: string }[] {
  return directoriesIn(join(store, 'cache-mounts')).flatMap((directory) => {
    const about = join(directory, 'cache.json')
    // A build was killed that was about to make it.
    if (!existsSync(about)) return []
    const { id } = JSON.parse(readFileSync(about, 'utf8')) as { id: string }
    const contents = directoriesIn(directory).map((instance) => join(instance, 'fs'))
    return contents.filter((path) => existsSync(path)).map((path) => ({ id, directory: path }))
  })
}

describe.skipIf(lacking !== undefined)(`kills, seed ${seed} (needs ${lacking ?? 'nothing more'})`, () => {
  const marker = `kills-${process.pid}`
  const word = randomBytes(16).toString('hex')
  const limits = hasCgroups ? ['--memory=64m', '--pids=100', `--cgroup-parent=/${marker}`] : []
  const temporary = mkdtempSync(join(tmpdir(), 'slipway-kills-'))
  let ws: Workspace
  beforeAll(() => {
    ws = workspace({ KILLS_WORD: word, TMPDIR: temporary })
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => {
    ws?.[Symbol.dispose]()
    rmSync(temporary, { recursive: true, force: true })
    for (const path of cgroupsIn(marker).reverse()) rmdirSync(path)
  })

  const files: Readonly<Record<string, string>> = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [i, `${i}\n`.repeat(i * 20)]),
  )
  const numbered = Array.from({ length: 2000 }, (_, i) => `${i + 1}\n`).join('')
  const dockerfile = [
    'FROM base AS one',
    'ARG TURN',
    `RUN echo "$TURN ${marker}" > /one; seq 1 20000; sleep 0.05`,
    'RUN --network=none head -c 3000000 /dev/urandom > /random; (sleep 300 &) ; rm /etc/group',
    'FROM base AS files',
    'COPY files /files',
    'FROM files AS two',
    'ARG TURN',
    [
      'RUN --mount=type=cache,target=/log --mount=type=tmpfs,target=/scratch --mount=target=/context,rw',
      '--mount=type=secret,id=word,target=/run/word --mount=type=secret,id=word,env=WORD',
      `echo "$TURN ${marker}"; [ "$(cat /run/word)" = "$WORD" ] || { echo no secret; exit 9; };`,
      'cp -r /context/files /scratch; cp /run/word /scratch; rm -r /context/files;',
      'seq 1 2000 > /log/.$TURN; mv /log/.$TURN /log/$TURN; mkdir -p /deep/a/b/c; chown -R 7:8 /deep;',
      '[ $((TURN % 3)) != 0 ]',
    ].join(' '),
    'FROM base AS three',
    'ARG TURN',
    [
      'RUN --mount=type=cache,id=full-$TURN,from=files,source=/files,target=/full',
      '--mount=type=cache,id=one,sharing=locked,target=/one --mount=from=files,source=/files,target=/files,rw',
      '[ "$(ls /full | wc -l)" = 50 ] || { echo cache is not full; exit 9; };',
      'rm /files/1; cp /full/49 /one/.49; mv /one/.49 /one/49; sleep 0.02',
    ].join(' '),
    'FROM base',
    'COPY --from=one /one /random /made/',
    'COPY --from=two /deep /deep',
    'COPY --from=three /etc/passwd /made/',
    'WORKDIR /work',
    'RUN cat /made/one',
    '',
  ].join('\n')

  it(`leaves nothing after ${kills} of them`, async () => {
    const next = numbers(seed)
    const context = ws.context('killed', {
      Dockerfile: dockerfile,
      ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`files/${name}`, text])),
    })
    const secret = '--secret=id=word,env=KILLS_WORD'
    let ended = 0
    for (let turn = 0; turn < kills; turn++) {
      const flags = ['--progress=plain', secret, `--build-arg=TURN=${turn}`, ...(next() < 0.5 ? limits : [])]
      const build = ws.start('build', ...flags, '-t', `killed:${turn % 5}`, context)
      await sleep(next() * 1500)
      const members = family(build.pid)
      build.kill('SIGKILL')
      const { signal, stderr } = await build.ended
      if (signal !== 'SIGKILL') ended++
      expect(stderr).not.toMatch(/^#\d+ [\d.]+ (?:no secret|cache is not full)$/m)
      await until('everything of it to end', () => survivors(ws.root, marker, members).length === 0, 20_000)
    }
    // Most of them must have been in the middle of something.
    expect(ended).toBeLessThan(Math.max(2, kills))

    ws.ok('build', '-q', secret, ...limits, '--build-arg=TURN=100001', '-t', 'after', context)
    expect(ws.ok('run', 'after', 'cat', '/made/one').stdout).toBe(`100001 ${marker}\n`)
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    const store = join(ws.root, 'store-v1')
    for (const name of ['active', 'ingest', 'cgroups', 'failed']) {
      expect(existsSync(join(store, name)) ? readdirSync(join(store, name)) : [], name).toEqual([])
    }
    expect(readdirSync(ws.root)).toEqual(['store-v1'])
    const everything = readdirSync(store, { recursive: true, encoding: 'utf8' })
    expect(everything.filter((path) => !belongs.some((pattern) => pattern.test(path)))).toEqual([])
    const stays = cgroupsIn(marker).filter((path) => path.endsWith(`/${marker}`))
    expect(cgroupsIn(marker)).toEqual(stays)
    expect(readdirSync(temporary)).toEqual([])
    expect(spawnSync('grep', ['-rlF', word, ws.root], { encoding: 'utf8' }).stdout).toBe('')
    for (const { id, directory } of caches(store)) {
      const isFilled = id.startsWith('/full-')
      const found = readdirSync(directory).filter((name) => !name.startsWith('.'))
      if (isFilled) expect(found.toSorted(), id).toEqual(Object.keys(files).toSorted())
      for (const name of found) {
        const whole = isFilled || id === '/one' ? files[name] : numbered
        expect(readFileSync(join(directory, name), 'utf8') === whole, `${id} ${name}`).toBe(true)
      }
    }
  }, 3_600_000)
})
