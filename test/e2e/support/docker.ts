// dockerd with its BuildKit, on a data root and a socket of its own; the peer that results are compared with.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Peer } from './peer.ts'
import { removeMounted } from './remove-mounted.ts'
import { finish, tool, until } from './slipway.ts'

export interface Docker extends Peer {
  /** Runs the docker client; fails the test unless it exits 0. */
  run(...args: readonly string[]): string
}

/** The dockerd of this machine, or what is missing. */
export function dockerdMissing(): string | undefined {
  return existsSync('/usr/sbin/dockerd') && existsSync('/usr/bin/docker') ? undefined : 'dockerd (docker.io)'
}

const busy = /Error after fallback to chroot: no such file or directory/

export async function startDocker(): Promise<Docker> {
  const root = mkdtempSync(join(tmpdir(), 'slipway-dockerd-'))
  const host = `unix://${root}/d.sock`
  const child = spawn(
    '/usr/sbin/dockerd',
    [
      '--bridge=none',
      '--iptables=false',
      '--data-root',
      `${root}/data`,
      '--exec-root',
      `${root}/exec`,
      '--pidfile',
      `${root}/d.pid`,
      '-H',
      host,
    ],
    { stdio: 'ignore' },
  )
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_BUILDKIT: '1', DOCKER_CONFIG: join(root, 'config') }
  await until('dockerd', () => spawnSync('/usr/bin/docker', ['version'], { env }).status === 0, 60_000)
  const docker = (...args: readonly string[]) => finish('/usr/bin/docker', args, env)
  const ok = async (...args: readonly string[]) => {
    const { status, stdout, stderr } = await docker(...args)
    if (status !== 0) throw new Error(`docker ${args.join(' ')}: exit ${status}\n${stdout}\n${stderr}`)
    return stdout
  }
  return {
    run: (...args) => tool('/usr/bin/docker', args, env),
    async share(reference, archive) {
      const loaded = await ok('load', '-i', archive)
      if (!loaded.includes(`${reference}:latest`)) throw new Error(`docker load: ${loaded}`)
    },
    async build({ slug, context, args, hasTree, directory, reader }) {
      const build = ['build', '--network=host', '-q', ...args]
      let built = await docker(...build, '-t', slug, context)
      // dockerd's unpacking of archives trips over its own mounts when the machine is busy; that is no refusal.
      for (let again = 0; again < 5 && busy.test(built.stderr); again++) {
        built = await docker(...build, '-t', slug, context)
      }
      if (built.status !== 0) return { kind: 'refused', message: built.stderr }
      const file = join(directory, `${slug}-docker`)
      await ok('save', '-o', file, slug)
      if (hasTree) await ok(...build, '-o', `type=tar,dest=${file}.tree`, context)
      return {
        kind: 'built',
        archive: await reader.archive(file),
        tree: hasTree ? await reader.tar(`${file}.tree`) : [],
      }
    },
    async stop() {
      const ended = new Promise((done) => child.on('exit', done))
      child.kill('SIGTERM')
      await ended
      removeMounted(root)
    },
  }
}
