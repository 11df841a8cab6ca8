// Debian's docker-registry as a real peer: started on a free port of 127.0.0.1 with its data in a temporary directory.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

export interface DebianRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string
}

const program = '/usr/bin/docker-registry'

/** Whether the program is installed (package docker-registry). */
export const hasDebianRegistry: boolean = existsSync(program)

/** Starts it and waits until it answers; with `auth` it wants the user `user` with the password `secret`. */
export async function startDebianRegistry(options: { readonly auth?: true } = {}): Promise<DebianRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-registry-'))
  const port = await freePort()
  const htpasswd = join(directory, 'htpasswd')
  await copyFile(new URL('../../fixtures/registry/htpasswd', import.meta.url), htpasswd)
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret: 'for tests' },
    ...(options.auth ? { auth: { htpasswd: { realm: 'test', path: htpasswd } } } : {}),
  }
  // JSON is YAML.
  await writeFile(join(directory, 'config.yml'), JSON.stringify(config))
  const child = spawn(program, ['serve', join(directory, 'config.yml')], { stdio: 'ignore' })
  const host = `127.0.0.1:${port}`
  try {
    await answers(host, child)
  } catch (thrown) {
    await stop(child, directory)
    throw thrown
  }
  return { host, [Symbol.asyncDispose]: () => stop(child, directory) }
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }
  await rm(directory, { recursive: true, force: true })
}

async function answers(host: string, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`)
    const isUp = await new Promise<boolean>((resolve) => {
      get(`http://${host}/v2/`, (response) => {
        response.resume()
        resolve(true)
      }).once('error', () => resolve(false))
    })
    if (isUp) return
    await setTimeout(50)
  }
  throw new Error('docker-registry does not answer')
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
