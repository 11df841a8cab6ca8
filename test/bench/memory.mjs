// The highest memory of slipway when one layer is 1 GiB, and when it is 30,000 files.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { context, manyFiles } from './contexts.mjs'
import { run } from './peers.mjs'

/** Megabytes (10^6 bytes) of each way a large layer can go. */
export async function largeLayer({ work, registry, slipway }) {
  const directory = context(join(work, 'gib'), 'FROM scratch\nCOPY blob /blob\n')
  run(['sh', '-c', `head -c 1073741824 /dev/urandom > ${directory}/blob`])
  const name = `${registry}/bench/gib:1`
  const env = slipway.root('gib-1')
  const to = (type) => slipway.build(directory, ['-o', `type=${type},dest=${join(work, `gib.${type}.tar`)}`])
  const user = context(join(work, 'gib-user'), `FROM ${name}\nWORKDIR /x\n`)
  const many = context(join(work, 'many'), 'FROM scratch\nCOPY . /many\n')
  manyFiles(many, 30_000, 8533)
  return {
    build: await peak(slipway.build(directory, ['-t', name]), env),
    '30,000 files': await peak(slipway.build(many, []), env),
    push: await peak(slipway.push(name), env),
    'OCI archive': await peak(to('oci'), env),
    'docker archive': await peak(to('docker'), env),
    'pull and unpack': await peak(slipway.build(user, []), slipway.root('gib-2')),
  }
}

/** The kernel's high-water marks of a process and its children, added up. */
export async function peak(argv, env) {
  const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], env })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr = (stderr + text).slice(-10_000)
  })
  const marks = new Map()
  let ended
  child.once('close', (code) => {
    ended = code ?? -1
  })
  while (ended === undefined) {
    for (const pid of [child.pid, ...childrenOf(child.pid)])
      marks.set(pid, markOf(pid) ?? marks.get(pid) ?? 0)
    await sleep(10)
  }
  if (ended !== 0) throw new Error(`${argv.join(' ')}: exit ${ended}\n${stderr}`)
  return Math.round([...marks.values()].reduce((sum, mark) => sum + mark, 0) / 1e6)
}

function childrenOf(pid) {
  return (proc(`${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean).map(Number)
}

function markOf(pid) {
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(proc(`${pid}/status`) ?? '')?.[1]
  return kilobytes && Number(kilobytes) * 1024
}

/** A file of /proc, or undefined when the process is gone. */
function proc(path) {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined
    throw error
  }
}
