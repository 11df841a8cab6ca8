// The builders a benchmark row is run with: slipway, and whichever peers are installed, each with a state of its own.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const repo = resolve(import.meta.dirname, '../..')

/** Runs a command line without a shell; throws with its output when it fails. */
export function run(argv, options = {}) {
  const result = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', maxBuffer: 1 << 28, ...options })
  if (result.status !== 0 && !options.mayFail) {
    throw new Error(
      `${argv.join(' ')}: exit ${result.status ?? result.signal}\n${result.stdout}${result.stderr}`,
    )
  }
  return result
}

/** The command's highest resident memory in bytes, sampled from the kernel's own high-water mark. */
export async function peakMemory(argv, options = {}) {
  const child = spawn(argv[0], argv.slice(1), { stdio: 'ignore', ...options })
  let peak = 0
  let ended
  child.on('exit', (code) => {
    ended = code
  })
  while (ended === undefined) {
    try {
      const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))
      if (match) peak = Math.max(peak, Number(match[1]) * 1024)
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error
    }
    await sleep(10)
  }
  if (ended !== 0) throw new Error(`${argv.join(' ')}: exit ${ended}`)
  return peak
}

const installed = (name) => spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()

export function slipway(work) {
  const root = join(work, 'slipway')
  const env = { ...process.env, SLIPWAY_ROOT: root }
  const exe = join(repo, 'dist/slipway')
  return {
    name: 'slipway',
    env,
    build: (context, flags) => [exe, 'build', '--progress=plain', ...flags, context],
    pull: (ref) => [exe, 'pull', '-q', ref],
    push: (ref) => [exe, 'push', '-q', ref],
    tag: (from, to) => [exe, 'tag', from, to],
    exe,
    forget: () => rmSync(root, { recursive: true, force: true }),
    stop: () => rmSync(root, { recursive: true, force: true }),
  }
}

/** dockerd's BuildKit with a data root of its own, or undefined where dockerd is not installed. */
export async function docker(work) {
  const daemon = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find((path) => existsSync(path))
  const client = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : installed('docker')
  if (!daemon || !client) return undefined
  const root = join(work, 'docker')
  mkdirSync(root, { recursive: true })
  const socket = `unix://${root}/d.sock`
  const child = spawn(
    daemon,
    [
      '--bridge=none',
      '--iptables=false',
      '--data-root',
      join(root, 'data'),
      '--exec-root',
      join(root, 'exec'),
      '--pidfile',
      join(root, 'd.pid'),
      '-H',
      socket,
      '--insecure-registry=127.0.0.0/8',
    ],
    { stdio: 'ignore' },
  )
  const env = { ...process.env, DOCKER_HOST: socket, DOCKER_BUILDKIT: '1' }
  for (let i = 0; ; i++) {
    if (spawnSync(client, ['version'], { env }).status === 0) break
    if (i > 100) throw new Error('dockerd did not start')
    await sleep(200)
  }
  const version = execFileSync(client, ['version', '-f', '{{.Server.Version}}'], {
    env,
    encoding: 'utf8',
  }).trim()
  return {
    name: `docker ${version} (BuildKit)`,
    env,
    build: (context, flags) => [client, 'build', '--progress=plain', '--network=host', ...flags, context],
    pull: (ref) => [client, 'pull', '-q', ref],
    push: (ref) => [client, 'push', ref],
    tag: (from, to) => [client, 'tag', from, to],
    forget: () => {
      run([client, 'builder', 'prune', '-af'], { env })
      run(['sh', '-c', `${client} images -aq | sort -u | xargs -r ${client} rmi -f`], { env, mayFail: true })
    },
    stop: async () => {
      child.kill('SIGTERM')
      await new Promise((done) => child.on('exit', done))
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** buildah with layers (its cache), or undefined where it is not installed. */
export function buildah(work) {
  const exe = installed('buildah')
  if (!exe) return undefined
  const root = join(work, 'buildah')
  const base = [
    exe,
    '--root',
    join(root, 'root'),
    '--runroot',
    join(root, 'run'),
    '--storage-driver',
    'overlay',
  ]
  return {
    name: 'buildah',
    env: { ...process.env, TMPDIR: '/var/tmp' },
    build: (context, flags) => [
      ...base,
      'build',
      '--layers',
      '--network=host',
      '--tls-verify=false',
      ...flags,
      context,
    ],
    pull: (ref) => [...base, 'pull', '-q', '--tls-verify=false', ref],
    push: (ref) => [...base, 'push', '-q', '--tls-verify=false', ref],
    tag: (from, to) => [...base, 'tag', from, to],
    forget: () => run([...base, 'rmi', '-af'], { mayFail: true }),
    stop: () => rmSync(root, { recursive: true, force: true }),
  }
}

/** Debian's docker-registry on a free port of 127.0.0.1; the benchmark's only network. */
export async function registry(work) {
  const exe = installed('docker-registry')
  if (!exe) throw new Error('docker-registry is not installed (apt-get install docker-registry)')
  const port = 5900 + Math.floor(Math.random() * 90)
  const child = spawn(exe, ['serve', '/dev/stdin'], { stdio: ['pipe', 'ignore', 'ignore'] })
  child.stdin.end(
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(work, 'registry')}}}\nhttp: {addr: "127.0.0.1:${port}"}\n`,
  )
  for (let i = 0; i < 50; i++) {
    const up = await fetch(`http://127.0.0.1:${port}/v2/`).then(
      (r) => r.ok,
      () => false,
    )
    if (up) return { host: `127.0.0.1:${port}`, stop: () => child.kill() }
    await sleep(100)
  }
  throw new Error('docker-registry did not start')
}
