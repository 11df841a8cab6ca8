// dockerd with its BuildKit, on a data root and a socket of its own; the peer that results are compared with.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeMounted } from './remove-mounted.ts'
import { tool, until } from './slipway.ts'

export interface Docker {
  /** Runs the docker client; fails the test unless it exits 0. */
  run(...args: readonly string[]): string
  stop(): Promise<void>
}

/** The dockerd of this machine, or what is missing. */
export function dockerdMissing(): string | undefined {
  return existsSync('/usr/sbin/dockerd') && existsSync('/usr/bin/docker') ? undefined : 'dockerd (docker.io)'
}

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
  return {
    run: (...args) => tool('/usr/bin/docker', args, env),
    async stop() {
      const ended = new Promise((done) => child.on('exit', done))
      child.kill('SIGTERM')
      await ended
      removeMounted(root)
    },
  }
}
