// Debian's docker-registry on a free port of 127.0.0.1.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './slipway.ts'

export interface RealRegistry {
  /** `127.0.0.1:port`. */
  readonly host: string
  stop(): void
}

export async function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().on('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

export async function startRegistry(): Promise<RealRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-registry-'))
  const port = await freePort()
  const config = join(directory, 'config.yml')
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(directory, 'data')}}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:${port}"}\n`,
  )
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  await until('docker-registry', () =>
    fetch(`http://127.0.0.1:${port}/v2/`).then(
      (response) => response.ok,
      () => false,
    ),
  )
  return {
    host: `127.0.0.1:${port}`,
    stop() {
      child.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
