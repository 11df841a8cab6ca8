// Builds the same Dockerfiles with slipway and its installed peers, in turn, and prints medians and ratios as Markdown.
// usage: npm run bench [-- --only TEXT] [--peers slipway,docker] [--work DIR]
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildah, docker, peakMemory, registry, run, slipway } from './peers.mjs'
import { context, manyFiles, rows } from './rows.mjs'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    peers: { type: 'string', default: 'slipway,docker,buildah' },
    work: { type: 'string', default: tmpdir() },
  },
})
const work = mkdtempSync(join(values.work, 'slipway-bench-'))
const wanted = values.peers.split(',')
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1]
const seconds = (list) => `${median(list).toFixed(2)} s`
const spread = (list) => `${Math.min(...list).toFixed(2)}–${Math.max(...list).toFixed(2)}`

const reg = await registry(work)
const peers = [
  slipway(work),
  wanted.includes('docker') ? await docker(work) : undefined,
  wanted.includes('buildah') ? buildah(work) : undefined,
].filter((peer) => peer !== undefined)

function time(argv, env) {
  const start = process.hrtime.bigint()
  run(argv, { env })
  return Number(process.hrtime.bigint() - start) / 1e9
}

try {
  // Base images: busybox, and 600 MB in 20,000 files, made with slipway itself and pushed.
  const us = peers[0]
  const base = `${reg.host}/bench/base:1`
  mkdirSync(join(work, 'base'))
  cpSync('/bin/busybox', join(work, 'base/busybox'))
  const busybox = 'COPY busybox /bin/busybox\nRUN ["/bin/busybox","--install","-s","/bin"]\n'
  context(join(work, 'base-ctx'), `FROM scratch\n${busybox}`)
  cpSync('/bin/busybox', join(work, 'base-ctx/busybox'))
  run(us.build(join(work, 'base-ctx'), ['-t', base, '--push']), { env: us.env })
  if ('pull + unpack'.includes(values.only.slice(0, 6))) {
    context(join(work, 'big-image'), `FROM ${base}\nCOPY files /files\n`)
    manyFiles(join(work, 'big-image/files'), 20_000, 30_000)
    run(us.build(join(work, 'big-image'), ['-t', `${reg.host}/bench/big:1`, '--push']), { env: us.env })
  }
  for (const peer of peers) run(peer.pull(base), { env: peer.env })

  const lines = [
    `| what | ${peers.map((p) => p.name).join(' | ')} | slipway ÷ ${peers[1]?.name ?? 'peer'} |`,
    `|---|${peers.map(() => '---').join('|')}|---|`,
  ]
  for (const row of rows(work, base, reg.host)) {
    if (!row.name.includes(values.only)) continue
    const times = new Map(peers.map((peer) => [peer, []]))
    for (let i = 0; i <= row.runs; i++) {
      for (const peer of peers) {
        row.before(peer, i === 0)
        const t = time(row.argv(peer), peer.env)
        if (i > 0 || row.runs <= 3) times.get(peer).push(t)
      }
    }
    const cells = peers.map((p) => `${seconds(times.get(p))} (${spread(times.get(p))})`)
    const ratio = peers[1] ? (median(times.get(us)) / median(times.get(peers[1]))).toFixed(2) : '–'
    lines.push(`| ${row.name} | ${cells.join(' | ')} | ${ratio} |`)
    process.stderr.write(`${lines.at(-1)}\n`)
  }

  if ('--version'.includes(values.only)) {
    const ours = []
    const bare = []
    for (let i = 0; i < 21; i++) {
      ours.push(time([us.exe, '--version'], us.env))
      bare.push(time([process.execPath, '-e', '0'], us.env))
    }
    lines.push(
      '',
      `\`slipway --version\` ${median(ours).toFixed(3)} s, bare \`node -e 0\` ${median(bare).toFixed(3)} s: ${(median(ours) / median(bare)).toFixed(2)} ×`,
    )
  }
  if ('memory'.includes(values.only)) {
    context(join(work, 'gib'), `FROM scratch\nCOPY blob /blob\n`)
    run(['sh', '-c', `head -c 1073741824 /dev/urandom > ${join(work, 'gib/blob')}`])
    const build = await peakMemory(us.build(join(work, 'gib'), ['-t', `${reg.host}/bench/gib:1`]), {
      env: us.env,
    })
    const push = await peakMemory(us.push(`${reg.host}/bench/gib:1`), { env: us.env })
    us.forget()
    writeFileSync(join(work, 'gib/Dockerfile'), `FROM ${reg.host}/bench/gib:1\nWORKDIR /x\n`)
    const pull = await peakMemory(us.build(join(work, 'gib'), []), { env: us.env })
    const mb = (n) => `${(n / 1e6).toFixed(0)} MB`
    lines.push(
      '',
      `peak memory with a 1 GiB layer: build ${mb(build)}, push ${mb(push)}, pull and unpack ${mb(pull)}`,
    )
  }
  process.stdout.write(`${availableParallelism()} CPUs, node ${process.version}\n\n${lines.join('\n')}\n`)
} finally {
  for (const peer of peers) await peer.stop()
  reg.stop()
  rmSync(work, { recursive: true, force: true })
}
