// Builds the same Dockerfiles with slipway and the peers that are installed, in turns, and prints medians, and ratios
// of the fastest runs (others work on the machine, too), as Markdown. usage: npm run bench [-- --only TEXT,TEXT] [--peers slipway,docker] [--work DIRECTORY]
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { context } from './contexts.mjs'
import { largeFile } from './language.mjs'
import { largeLayer } from './memory.mjs'
import { buildah, docker, registry, run, slipway } from './peers.mjs'
import { rootless } from './rootless.mjs'
import { rows } from './rows.mjs'
import { concurrentBuilds, logThroughput, overlap, stepOverhead } from './steps.mjs'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    peers: { type: 'string', default: 'docker,buildah' },
    work: { type: 'string', default: tmpdir() },
  },
})
const wantedPeers = values.peers.split(',')
const isWanted = (name) =>
  values.only.split(',').some((text) => name.toLowerCase().includes(text.toLowerCase()))

const started = performance.now()
const work = mkdtempSync(join(values.work, 'slipway-bench-'))
const cleanups = [() => rmSync(work, { recursive: true, force: true, maxRetries: 3 })]
const cleanUp = async () => {
  for (const step of cleanups.splice(0).reverse()) await step()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)))
}

const fastest = (list) => Math.min(...list)
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1]
const shown = (seconds) => `${seconds.toFixed(seconds < 1 ? 3 : 2)} s`
const goals = []

/** Notes whether a goal was reached; the cell that says so. */
function judge(name, value, goal, unit) {
  if (goal === undefined) return '–'
  goals.push({ name, isMet: value <= goal })
  return `≤ ${goal}${unit}: ${value <= goal ? 'met' : '**missed**'}`
}

function time(argv, env) {
  const start = performance.now()
  run(argv, { env })
  return (performance.now() - start) / 1000
}

/** Seconds of each competitor, run in turns. */
async function interleave(competitors, runs, discard = 0) {
  const times = competitors.map(() => [])
  for (let turn = 0; turn < discard + runs; turn++) {
    for (const [i, { prepare, env, isSlow }] of competitors.entries()) {
      if (isSlow && (turn < discard || turn >= discard + Math.ceil(runs / 5))) continue
      const seconds = time(await prepare(turn), env)
      if (turn >= discard) times[i].push(seconds)
    }
  }
  return times
}

async function compare(row, all) {
  const peers = all.filter((peer) => row.peers?.includes(peer.name) ?? true)
  await row.setup?.(peers)
  const competitors = peers.map((peer) => ({
    prepare: (turn) => row.turn(peer, turn),
    env: peer.env,
    // No goal depends on it, and it would take most of the time.
    isSlow: peer.name === 'buildah',
  }))
  const { yardstick } = row
  if (yardstick !== undefined) {
    // Reading certificates would more than double the time of a bare node.
    const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env
    competitors.push({ prepare: yardstick.turn, env })
  }
  const times = await interleave(competitors, row.runs, row.discard)
  const cells = all.map((peer) => {
    const list = times[peers.indexOf(peer)]
    if (list === undefined) return '–'
    const range = list.length > 1 ? ` (${Math.min(...list).toFixed(2)}–${Math.max(...list).toFixed(2)})` : ''
    return `${shown(median(list))}${range}`
  })
  const against = peers.findIndex((peer) => peer.name === 'docker')
  const ratio = against === -1 ? undefined : fastest(times[0]) / fastest(times[against])
  const last =
    ratio === undefined ? ['–', '–'] : [`${ratio.toFixed(2)} ×`, judge(row.name, ratio, row.goal, ' ×')]
  return [`| ${[row.name, ...cells, ...last].join(' | ')} |`, ...measured(row, times)]
}

/** The line about the row's plain command. */
function measured({ name, yardstick }, times) {
  if (yardstick === undefined) return []
  const [ours, plain] = [fastest(times[0]), fastest(times.at(-1))]
  const verdict = judge(`${name} by ${yardstick.name}`, ours / plain, yardstick.goal, ' ×')
  return [
    `${name}: ${shown(ours)}, ${yardstick.name} ${shown(plain)}: ${(ours / plain).toFixed(2)} × (${verdict})`,
  ]
}

async function startUp(us) {
  const lines = []
  for (const [title, certificates] of [
    ['without', undefined],
    ['with', process.env.NODE_EXTRA_CA_CERTS ?? '/etc/ssl/certs/ca-certificates.crt'],
  ]) {
    const { NODE_EXTRA_CA_CERTS: _, ...rest } = us.env
    const env = certificates === undefined ? rest : { ...rest, NODE_EXTRA_CA_CERTS: certificates }
    const [ours, bare] = await interleave(
      [
        { prepare: () => [us.exe, '--version'], env },
        { prepare: () => [process.execPath, '-e', '0'], env },
      ],
      31,
      2,
    )
    const name = `\`slipway --version\` ${title} NODE_EXTRA_CA_CERTS`
    const ratio = median(ours) / median(bare)
    const figures = `${shown(median(ours))}, bare node ${shown(median(bare))}: ${ratio.toFixed(2)} ×`
    lines.push(`${name}: ${figures} (${judge(name, ratio, 2, ' ×')})`)
  }
  return lines
}

async function steps(surroundings) {
  const { us, peers } = surroundings
  const costs = stepOverhead(surroundings)
  const ms = (name) => `${costs[name].toFixed(1)} ms`
  const lines = [
    `One more \`RUN true\`: ${[...peers.map(({ name }) => name), 'unshare'].map((name) => `${name} ${ms(name)}`).join(', ')}.`,
  ]
  for (const [other, goal] of [
    ['unshare', 3],
    ['docker', 0.2],
  ]) {
    if (costs[other] === undefined) continue
    const ratio = costs[us.name] / costs[other]
    const name = `one more RUN true by ${other}`
    lines.push(`${name}: ${ratio.toFixed(2)} × (${judge(name, ratio, goal, ' ×')})`)
  }
  const cpus = availableParallelism()
  const { waiting, computing, computingSix } = overlap({ ...surroundings, cpus })
  const concurrent = await concurrentBuilds({ ...surroundings, cpus })
  for (const [what, ratio, goal] of [
    ['8 stages that wait', waiting, 1.3],
    ['8 stages that compute', computing, 1.3],
    ['6 stages that compute', computingSix, 1.1],
    ['8 builds at the same time', concurrent.ratio, 1.11],
  ]) {
    lines.push(`${what}: ${ratio.toFixed(2)} × the ideal (${judge(what, ratio, goal, ' ×')})`)
  }
  lines.push(
    `Memory of each of 8 builds: ${concurrent.memory} MB (${judge('memory of a build', concurrent.memory, 150, ' MB')})`,
  )
  const { speed, lost, memory } = await logThroughput(surroundings)
  lines.push(
    `Output of a step: ${speed.toFixed(0)} MB/s (${judge('time of a step with 100 MB of output', 100 / speed, 1, ' s')}), ${lost} lines lost (${judge('lines lost', lost, 0, '')}), peak memory ${memory} MB (${judge('memory of output', memory, 200, ' MB')})`,
  )
  return lines
}

async function main() {
  const reg = await registry(work)
  cleanups.push(reg.stop)
  const us = slipway(work)
  const peers = [us]
  if (wantedPeers.includes('docker')) peers.push(await docker(work))
  if (wantedPeers.includes('buildah')) peers.push(buildah(work))
  const present = peers.filter((peer) => peer !== undefined)
  cleanups.push(...present.map((peer) => peer.stop))

  const base = `${reg.host}/bench/base:1`
  const install = 'COPY busybox /bin/busybox\nRUN ["/bin/busybox","--install","-s","/bin"]\n'
  const baseContext = context(join(work, 'base'), `FROM scratch\n${install}`)
  cpSync('/bin/busybox', join(baseContext, 'busybox'))
  run(us.build(baseContext, ['-t', base, '--push']), { env: us.root('builder') })
  for (const peer of present) run(peer.pull(base), { env: peer.env })

  const report = []
  const say = (...lines) => {
    report.push(...lines)
    process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(0)} s] ${lines.join('\n')}\n`)
  }
  if (isWanted('version')) say(...(await startUp(us)))
  if (isWanted('parse and plan')) {
    const { first, later, load, grammars } = await largeFile(work)
    const ms = (value) => `${value.toFixed(1)} ms`
    const goal = judge('parse and plan', first, 30, ' ms')
    const saved = `without the start-up snapshot also ${ms(load)} of loading and ${ms(grammars)} for the grammars`
    say(
      `Parse and plan of 500 instructions in 50 stages: ${ms(first)} (${goal}), again ${ms(later)}; ${saved}.`,
    )
  }
  const table = []
  for (const row of rows({ work, base, registry: reg.host, slipway: us })) {
    if (!isWanted(row.name)) continue
    const [line, ...further] = await compare(row, present)
    table.push(line)
    say(line, ...further)
  }
  if (isWanted('run true')) say(...(await steps({ work, base, us, peers: present })))
  if (isWanted('rootless')) say(...(await rootless({ slipway: us, interleave, fastest })))
  if (isWanted('memory')) {
    const peaks = await largeLayer({ work, registry: reg.host, slipway: us })
    const cells = Object.entries(peaks).map(([what, mb]) => `${what} ${mb} MB`)
    const most = Math.max(...Object.values(peaks))
    say(`Peak memory with a layer of 1 GiB: ${cells.join(', ')} (${judge('memory', most, 200, ' MB')}).`)
  }
  print(present, table, report)
}

function print(peers, table, report) {
  const titles = peers.map((peer) => peer.title ?? peer.name)
  const minutes = ((performance.now() - started) / 60_000).toFixed(1)
  const missed = goals.filter((goal) => !goal.isMet).map((goal) => goal.name)
  const lines = [
    `${availableParallelism()} CPUs, node ${process.version}, ${minutes} minutes. Medians of runs in turns (fastest–slowest); ratios of the fastest.`,
    '',
    `| | ${titles.join(' | ')} | slipway ÷ docker | goal |`,
    `|---|${titles.map(() => '---|').join('')}---|---|`,
    ...table,
    '',
    ...report.filter((line) => !table.includes(line)).flatMap((line) => [line, '']),
    `${goals.length - missed.length} of ${goals.length} goals met${missed.length > 0 ? `; missed: ${missed.join(', ')}` : ''}`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

try {
  await main()
} finally {
  await cleanUp()
}
