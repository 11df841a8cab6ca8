// What running a step costs beside the step itself: the time around a process, stages side by side, output passed on.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { context } from './contexts.mjs'
import { peak } from './memory.mjs'
import { run } from './peers.mjs'

const more = 40
const fastest = (list) => Math.min(...list)

function seconds(argv, env) {
  const start = performance.now()
  run(argv, { env })
  return (performance.now() - start) / 1000
}

/**
 * Milliseconds of one more `RUN true`, from cache miss to committed layer, for each peer, and of `unshare … chroot true`
 * on the same root: the difference between a build of 41 and one of a single step.
 */
export function stepOverhead({ work, base, peers }) {
  const of = (count) => {
    const steps = Array.from({ length: count }, (_, i) => `RUN ["/bin/busybox","true","${i}"]\n`)
    return context(join(work, `true-${count}`), `FROM ${base}\nARG TURN\n${steps.join('')}`)
  }
  const [one, many] = [of(1), of(1 + more)]
  const root = join(work, 'true-root')
  mkdirSync(join(root, 'bin'), { recursive: true })
  run(['cp', '/bin/busybox', join(root, 'bin/busybox')])
  const script = `i=0; while [ $i -lt ${more} ]; do unshare -mpfi chroot "$1" /bin/busybox true; i=$((i+1)); done`
  const plain = ['sh', '-c', script, 'sh', root]
  const times = Object.fromEntries(
    [...peers.map(({ name }) => name), 'unshare'].map((name) => [name, [[], []]]),
  )
  for (let turn = 0; turn < 7; turn++) {
    for (const peer of peers) {
      for (const [i, directory] of [one, many].entries()) {
        times[peer.name][i].push(
          seconds(peer.build(directory, ['--build-arg', `TURN=${turn}`, '--no-cache']), peer.env),
        )
      }
    }
    times.unshare[0].push(0)
    times.unshare[1].push(seconds(plain))
  }
  return Object.fromEntries(
    Object.entries(times).map(([name, [short, long]]) => [
      name,
      ((fastest(long) - fastest(short)) * 1000) / more,
    ]),
  )
}

const spin = 'i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done'
const spinAlone = () => fastest([0, 1, 2].map(() => seconds(['/bin/busybox', 'sh', '-c', spin])))

/** How much longer than the ideal independent stages take: 8 that wait, and 8 and 6 that compute on `cpus` CPUs. */
export function overlap({ work, base, us, cpus }) {
  const stages = (name, count, command) => {
    const all = Array.from(
      { length: count },
      (_, i) => `FROM ${base} AS s${i}\nARG TURN\nRUN ${command} && echo ${i} > /s${i}\n`,
    )
    const copies = Array.from({ length: count }, (_, i) => `COPY --from=s${i} /s${i} /\n`)
    return context(join(work, name), `${all.join('')}FROM ${base}\n${copies.join('')}`)
  }
  const of = (directory) =>
    fastest(
      [0, 1, 2].map((turn) =>
        seconds(us.build(directory, ['--no-cache', '--build-arg', `TURN=${turn}`]), us.env),
      ),
    )
  const alone = spinAlone()
  const computing = (count) => of(stages(`computing-${count}`, count, spin)) / ((count * alone) / cpus)
  return {
    waiting: of(stages('waiting', 8, 'sleep 2')) / 2,
    computing: computing(8),
    computingSix: computing(6),
  }
}

/**
 * 8 builds of different projects at the same time on one state directory: how much longer they take than `cpus` CPUs need
 * for 8 times what one alone computes, and the highest memory of one.
 */
export async function concurrentBuilds({ work, base, us, cpus }) {
  const directories = Array.from({ length: 8 }, (_, i) =>
    context(join(work, `project-${i}`), `FROM ${base}\nARG TURN\nRUN echo ${i} && ${spin}\n`),
  )
  const commands = (turn) =>
    directories.map((directory) => us.build(directory, ['--build-arg', `TURN=${turn}`]))
  const alone = fastest(commands('alone').map((argv) => cpuSeconds(argv, us.env)))
  let best = Number.POSITIVE_INFINITY
  for (const turn of [0, 1, 2]) {
    const start = performance.now()
    await Promise.all(commands(turn).map((argv) => ended(argv, us.env)))
    best = Math.min(best, (performance.now() - start) / 1000)
  }
  const peaks = await Promise.all(commands('memory').map((argv) => peak(argv, us.env)))
  return { ratio: best / ((8 * alone) / cpus), memory: Math.max(...peaks) }
}

/** What a command and all that it starts compute. */
function cpuSeconds(argv, env) {
  const { stdout } = run(['sh', '-c', '"$@" >/dev/null 2>&1 && times', 'sh', ...argv], { env })
  const [, children = ''] = stdout.trim().split('\n')
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + m * 60 + Number(s), 0)
}

function ended(argv, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: 'ignore', env })
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${argv.join(' ')}: exit ${code}`)),
    )
  })
}

/** Megabytes a second of a step's output, how many of its lines did not arrive, and the highest memory of slipway. */
export async function logThroughput({ work, base, us }) {
  const megabytes = 400
  const line = 'x'.repeat(79)
  const made = context(
    join(work, 'log-base'),
    `FROM ${base}\nRUN yes ${line} | head -c ${megabytes}000000 > /log\n`,
  )
  run(us.build(made, ['-t', 'bench-log']), { env: us.env })
  const argv = us.build(context(join(work, 'log'), 'FROM bench-log\nRUN cat /log\n'), ['--no-cache'])
  const counted = ['sh', '-c', 'line=$1; shift; "$@" 2>&1 | grep -c "$line$"', 'sh', line, ...argv]
  let took = Number.POSITIVE_INFINITY
  let lost = 0
  for (let turn = 0; turn < 3; turn++) {
    const start = performance.now()
    const { stdout } = run(counted, { env: us.env })
    took = Math.min(took, (performance.now() - start) / 1000)
    lost = Math.max(lost, (megabytes * 1e6) / 80 - Number(stdout))
  }
  return { speed: megabytes / took, lost, memory: await peak(argv, us.env) }
}
