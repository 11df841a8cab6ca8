// OpenSSH's server on addresses of this machine alone, and agents for its clients: keys, ports and configuration are the test's own.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'

export interface SshServer extends AsyncDisposable {
  /** It listens on this port of 127.0.0.1. */
  readonly port: number
  /** It also listens here, on the port that addresses like `root@host:path` mean. */
  readonly host: string
  /** What it said so far: who came with which key. */
  log(): string
  /** Only these keys are let in from now on. */
  authorize(...keys: readonly SshKey[]): void
}

export interface SshKey {
  readonly file: string
  readonly publicKey: string
}

export interface SshAgent extends AsyncDisposable {
  readonly socket: string
}

/** Why sshd would let nobody in as root, or undefined: without PAM it looks at the password's field itself. */
export function rootLocked(): string | undefined {
  const shadow = existsSync('/etc/shadow') ? readFileSync('/etc/shadow', 'utf8') : ''
  return /^root:!/m.test(shadow) ? 'an account root that is not locked (usermod -p "*" root)' : undefined
}

/** A new key in `directory`. */
export function sshKey(directory: string, name: string, type = 'ed25519'): SshKey {
  const file = join(directory, name)
  must('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', name, '-f', file])
  return { file, publicKey: readFileSync(`${file}.pub`, 'utf8') }
}

/** A server whose files are in `directory`, shown by `hostKey`; on `port`, when one is given. It lets nobody in yet. Needs root. */
export async function sshServer(directory: string, hostKey: SshKey, given?: number): Promise<SshServer> {
  mkdirSync(directory, { recursive: true })
  const port = given ?? (await freePort())
  const host = `127.${10 + (process.pid % 200)}.${port >> 8}.${port & 255}`
  const authorized = join(directory, 'authorized_keys')
  const config = join(directory, 'sshd_config')
  writeFileSync(authorized, '')
  writeFileSync(
    config,
    [
      `ListenAddress 127.0.0.1:${port}`,
      `ListenAddress ${host}:22`,
      `HostKey ${hostKey.file}`,
      `AuthorizedKeysFile ${authorized}`,
      'PidFile none',
      'LogLevel VERBOSE',
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      // As hosts of repositories have it: without, git speaks its first protocol.
      'AcceptEnv GIT_PROTOCOL',
      '',
    ].join('\n'),
  )
  // Where sshd's unprivileged half is locked up; distributions make it when the service starts.
  const isOurs = !existsSync('/run/sshd')
  if (isOurs) mkdirSync('/run/sshd', { mode: 0o755 })
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const end = async (): Promise<void> => {
    await stop(child)
    if (isOurs) rmdirSync('/run/sshd')
  }
  try {
    await listening(child, port, () => said)
  } catch (thrown) {
    await end()
    throw thrown
  }
  return {
    port,
    host,
    log: () => said,
    authorize: (...keys) => writeFileSync(authorized, keys.map(({ publicKey }) => publicKey).join('')),
    [Symbol.asyncDispose]: end,
  }
}

/** An agent that has these keys. */
export async function sshAgent(socket: string, ...keys: readonly SshKey[]): Promise<SshAgent> {
  const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  for (let tries = 0; !existsSync(socket); tries++) {
    if (tries > 200) throw new Error('ssh-agent does not start')
    await new Promise((done) => setTimeout(done, 25))
  }
  for (const { file } of keys) must('ssh-add', ['-q', file], { ...process.env, SSH_AUTH_SOCK: socket })
  return { socket, [Symbol.asyncDispose]: () => stop(child) }
}

async function listening(child: ChildProcess, port: number, said: () => string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${said()}`)
    const isOpen = await new Promise<boolean>((done) => {
      const socket = createConnection(port, '127.0.0.1', () => done(true)).once('error', () => done(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await new Promise((done) => setTimeout(done, 25))
  }
  throw new Error(`sshd does not listen: ${said()}`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function must(program: string, args: readonly string[], env = process.env): void {
  const { status, stderr, error } = spawnSync(program, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`)
}
