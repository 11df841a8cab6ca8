// The builders that are compared: slipway and whichever peers are installed, each with a state of its own that is
// used from the first round to the last; and the registry they share.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const repository = resolve(import.meta.dirname, '../..')

/** Runs a command line without a shell; throws with its output when it fails. */
export function run(argv, options = {}) {
  const result = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', maxBuffer: 1 << 28, ...options })
  if (result.status === 0) return result
  const how = result.error?.message ?? `exit ${result.status ?? result.signal}`
  throw new Error(`${argv.join(' ')}: ${how}\n${result.stdout}${result.stderr}`)
}

function installed(...names) {
  for (const name of names) {
    const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
    if (found) return found
  }
  return undefined
}

/** The built slipway; `root(name)` is the environment of a further state directory. */
export function slipway(work) {
  const exe = join(repository, 'dist/slipway')
  const root = (name) => ({ ...process.env, SLIPWAY_ROOT: join(work, name) })
  return {
    name: 'slipway',
    exe,
    root,
    env: root('slipway'),
    build: (context, flags) => [exe, 'build', '--progress=plain', ...flags, context],
    pull: (ref) => [exe, 'pull', '-q', ref],
    push: (ref) => [exe, 'push', '-q', ref],
    stop: () => undefined,
  }
}

/** dockerd's BuildKit with a data root of its own, or undefined where dockerd is not installed. */
export async function docker(work) {
  const daemon = installed('/usr/sbin/dockerd', 'dockerd')
  // The client of the daemon's own version where there are several.
  const client = installed('/usr/bin/docker', 'docker')
  if (!daemon || !client) return undefined
  const root = join(work, 'docker')
  mkdirSync(root)
  const directories = ['data-root', 'exec-root', 'pidfile'].flatMap((name) => [`--${name}`, join(root, name)])
  const host = `unix://${root}/d.sock`
  const network = ['--bridge=none', '--iptables=false', '--insecure-registry=127.0.0.0/8']
  const child = spawn(daemon, [...network, ...directories, '-H', host], { stdio: 'ignore' })
  const ended = new Promise((done) => child.once('exit', done))
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_BUILDKIT: '1' }
  const version = [client, 'version', '-f', '{{.Server.Version}}']
  for (let i = 0; spawnSync(client, version.slice(1), { env }).status !== 0; i++) {
    if (i > 100 || child.exitCode !== null) throw new Error('dockerd did not start')
    await sleep(200)
  }
  return {
    name: 'docker',
    title: `dockerd ${run(version, { env }).stdout.trim()}`,
    env,
    build: (context, flags) => [client, 'build', '--progress=plain', '--network=host', ...flags, context],
    pull: (ref) => [client, 'pull', '-q', ref],
    push: (ref) => [client, 'push', '-q', ref],
    stop: async () => {
      child.kill('SIGTERM')
      await ended
      unmountBelow(root)
    },
  }
}

/** dockerd leaves its network namespace mounted. */
function unmountBelow(root) {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
  for (const point of points.reverse()) if (point.startsWith(`${root}/`)) run(['umount', point])
}

/** buildah with layers (its cache), or undefined where it is not installed. */
export function buildah(work) {
  const exe = installed('buildah')
  if (!exe) return undefined
  const root = join(work, 'buildah')
  const base = [exe, '--root', `${root}/root`, '--runroot', `${root}/run`, '--storage-driver', 'overlay']
  const plainHttp = '--tls-verify=false'
  return {
    name: 'buildah',
    title: run([exe, '--version']).stdout.trim().split(' ').slice(0, 3).join(' ').replace(' version', ''),
    env: { ...process.env, TMPDIR: '/var/tmp' },
    build: (context, flags) => [
      ...base,
      'build',
      '--layers',
      '--isolation=chroot',
      plainHttp,
      ...flags,
      context,
    ],
    pull: (ref) => [...base, 'pull', '-q', plainHttp, ref],
    push: (ref) => [...base, 'push', '-q', plainHttp, ref],
    stop: () => {
      if (existsSync(root)) unmountBelow(root)
    },
  }
}

/** Debian's docker-registry on a free port of 127.0.0.1; the benchmark's only network. */
export async function registry(work) {
  const exe = installed('docker-registry')
  if (!exe) throw new Error('docker-registry is not installed (apt-get install docker-registry)')
  const port = await freePort()
  const config = `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${work}/registry}}\nhttp: {addr: "127.0.0.1:${port}"}\n`
  const file = join(work, 'registry.yml')
  writeFileSync(file, config)
  const child = spawn(exe, ['serve', file], { stdio: 'ignore' })
  for (let i = 0; i < 50; i++) {
    const isUp = await fetch(`http://127.0.0.1:${port}/v2/`).then(
      (response) => response.ok,
      () => false,
    )
    if (isUp) return { host: `127.0.0.1:${port}`, stop: () => child.kill() }
    await sleep(100)
  }
  throw new Error('docker-registry did not start')
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
