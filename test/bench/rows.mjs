// The benchmark's rows: what is prepared once, what is done before each timed run, and the timed command.

import { randomBytes } from 'node:crypto'
import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './peers.mjs'

/** A context directory with a Dockerfile and files. */
export function context(directory, dockerfile, files = {}) {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'Dockerfile'), dockerfile)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  return directory
}

/** `count` files of about `bytes` each, 100 a directory; half of the content compresses. */
export function manyFiles(directory, count, bytes) {
  const noise = randomBytes(1 << 20)
  for (let i = 0; i < count; i++) {
    const folder = join(directory, `d${Math.floor(i / 100)}`)
    if (i % 100 === 0) mkdirSync(folder, { recursive: true })
    const half = bytes >> 1
    const at = (i * 7919) % (noise.length - half)
    writeFileSync(
      join(folder, `f${i}`),
      Buffer.concat([Buffer.from(`${i}\n`), noise.subarray(at, at + half), Buffer.alloc(bytes - half, 65)]),
    )
  }
}

/** Rows get {work, base: reference of a small busybox image, registry}; each yields {name, runs, only?, before, argv}. */
export function rows(work, base, registryHost) {
  const runSteps = Array.from({ length: 40 }, (_, i) => `RUN echo ${i} > /step-${i}`).join('\n')
  const steps = context(join(work, 'steps'), `FROM ${base}\nARG BUST\n${runSteps}\n`)
  const small = context(
    join(work, 'noop'),
    `FROM ${base}\nCOPY . /app\nRUN echo built > /built\nCMD ["sh"]\n`,
  )
  manyFiles(small, 200, 4096)
  const big = context(join(work, 'big'), `FROM ${base}\nCOPY . /app\n`)
  manyFiles(join(big, 'files'), 30_000, 8533)
  const bigImage = `${registryHost}/bench/big:1`
  const contextOf = (peer) => join(work, `big-${peer.name.split(' ')[0]}`)
  let turn = 0
  return [
    {
      name: 'no-op cached rebuild (200 files, 1 RUN)',
      runs: 11,
      before: (peer, first) => {
        if (first) run(peer.build(small, ['-t', 'noop']), { env: peer.env })
      },
      argv: (peer) => peer.build(small, ['-t', 'noop']),
    },
    {
      name: '40 RUN steps',
      runs: 5,
      before: () => {
        turn++
      },
      argv: (peer) => peer.build(steps, ['-t', 'steps', '--build-arg', `BUST=${process.pid}-${turn}`]),
    },
    {
      name: 'COPY of 30,000 files (250 MB), new context',
      runs: 3,
      before: (peer) => {
        peer.forget()
        run(peer.pull(base), { env: peer.env })
        rmSync(contextOf(peer), { recursive: true, force: true })
        cpSync(big, contextOf(peer), { recursive: true })
        run(['sync'])
      },
      argv: (peer) => peer.build(contextOf(peer), ['-t', 'big']),
    },
    {
      name: 'rebuild after 1 of 30,000 files changed',
      runs: 3,
      before: (peer) => {
        run(peer.build(contextOf(peer), ['-t', 'big']), { env: peer.env })
        appendFileSync(join(contextOf(peer), 'files', 'd0', 'f1'), 'changed\n')
        run(['sync'])
      },
      argv: (peer) => peer.build(contextOf(peer), ['-t', 'big']),
    },
    {
      name: 'pull + unpack, 600 MB / 20,000 files (slipway: and one RUN on it)',
      runs: 3,
      before: (peer) => {
        peer.forget()
        context(join(work, 'onbig'), `FROM ${bigImage}\nRUN ["/bin/busybox","true"]\n`)
        run(['sync'])
      },
      argv: (peer) => (peer.name === 'slipway' ? peer.build(join(work, 'onbig'), []) : peer.pull(bigImage)),
    },
    {
      name: 'push of a built 250 MB layer (compressing it)',
      runs: 3,
      before: (peer) => {
        turn++
        writeFileSync(join(contextOf(peer), 'turn'), `${turn}\n`)
        run(peer.build(contextOf(peer), ['-t', `${registryHost}/bench/push${turn}:1`]), { env: peer.env })
      },
      argv: (peer) => peer.push(`${registryHost}/bench/push${turn}:1`),
    },
  ]
}
