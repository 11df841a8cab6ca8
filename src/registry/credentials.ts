// The user's credentials from docker's config.json and credential helpers. Nothing here is ever printed.
import { spawn } from 'node:child_process'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { type AuthEntry, type DockerConfig, parseDockerConfig, readDockerConfig } from './docker-config.ts'
import { hostOf, hubCredentialKey } from './host.ts'
import type { RegistryOptions } from './types.ts'

export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** docker calls it identity token: exchanged for a bearer token by POST. */
  | { readonly kind: 'refresh'; readonly token: string }
  /** Sent as it is. */
  | { readonly kind: 'bearer'; readonly token: string }

/** The credentials for a reference's registry; undefined when the user has none. */
export type FindCredentials = (registry: string) => Promise<Credentials | undefined>

const helperTimeoutMs = 60_000
const maxHelperBytes = 1 << 20

/** Reads the config file at the first question; the answers are kept. */
export function openCredentials(environment: RegistryOptions['environment']): FindCredentials {
  let config: Promise<DockerConfig> | undefined
  const known = new Map<string, Promise<Credentials | undefined>>()
  return (registry) => {
    config ??= readConfig(environment)
    const found = known.get(registry) ?? config.then((file) => find(file, registry, environment))
    known.set(registry, found)
    return found
  }
}

async function readConfig(environment: RegistryOptions['environment']): Promise<DockerConfig> {
  const inline = environment.DOCKER_AUTH_CONFIG
  return inline ? parseDockerConfig(inline, 'DOCKER_AUTH_CONFIG') : readDockerConfig(environment)
}

async function find(
  config: DockerConfig,
  registry: string,
  environment: RegistryOptions['environment'],
): Promise<Credentials | undefined> {
  const isHub = hostOf(registry) === hostOf('docker.io')
  const serverUrl = isHub ? hubCredentialKey : registry
  const helper = pick(config.credHelpers, registry) ?? (config.credsStore || undefined)
  if (helper !== undefined) {
    const found = await askHelper(helper, serverUrl, environment)
    if (found !== undefined) return found
  }
  const entry = pick(config.auths, registry)
  return entry ? toCredentials(entry) : undefined
}

/** The member for a registry under any spelling docker has used: bare host, URL, the hub's historical address. */
function pick<T>(members: Readonly<Record<string, T>> | undefined, registry: string): T | undefined {
  const wanted = hostOf(registry)
  for (const [key, value] of Object.entries(members ?? {})) {
    const host = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '')
    if (host === registry || hostOf(host) === wanted) return value
  }
  return undefined
}

function toCredentials(entry: AuthEntry): Credentials | undefined {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  if (text(entry.registrytoken) !== '') return { kind: 'bearer', token: text(entry.registrytoken) }
  if (text(entry.identitytoken) !== '') return { kind: 'refresh', token: text(entry.identitytoken) }
  const decoded = Buffer.from(text(entry.auth), 'base64').toString('utf8').replace(/\0+$/, '')
  const colon = decoded.indexOf(':')
  if (colon > 0)
    return { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
  if (text(entry.username) === '') return undefined
  return { kind: 'password', username: text(entry.username), password: text(entry.password) }
}

/** The protocol of docker-credential-helpers: the server on stdin, `{Username, Secret}` on stdout. */
async function askHelper(
  helper: unknown,
  serverUrl: string,
  environment: RegistryOptions['environment'],
): Promise<Credentials | undefined> {
  const name = String(helper)
  const program = `docker-credential-${name}`
  const fail = (why: string, cause?: unknown): SlipwayError =>
    new SlipwayError({
      code: 'ERR_CREDENTIAL_HELPER',
      message: `ask ${program} for ${serverUrl}: ${why}`,
      hint: "docker's config.json names this helper in credsStore or credHelpers",
      ...(cause === undefined ? {} : { cause }),
    })
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) throw fail('its name has unexpected characters')
  const { code, output } = await runHelper(program, serverUrl, environment).catch((thrown: unknown) => {
    throw fail(
      errnoOf(thrown) === 'ENOENT' ? 'the program is not installed' : String(errnoOf(thrown)),
      thrown,
    )
  })
  if (code !== 0) {
    if (/credentials not found|no credentials server URL/i.test(output)) return undefined
    // Helpers print their errors on stdout, where the secret would be: only a short first line is shown.
    throw fail(code === null ? 'it did not answer in time' : `it failed with exit code ${code}`)
  }
  let answer: { Username?: unknown; Secret?: unknown } | null
  try {
    answer = JSON.parse(output) as typeof answer
  } catch {
    throw fail('its answer is not JSON')
  }
  if (typeof answer?.Secret !== 'string' || answer.Secret === '') return undefined
  return answer.Username === '<token>'
    ? { kind: 'refresh', token: answer.Secret }
    : { kind: 'password', username: String(answer.Username ?? ''), password: answer.Secret }
}

function runHelper(
  program: string,
  input: string,
  environment: RegistryOptions['environment'],
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      env: { ...environment },
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: helperTimeoutMs,
      killSignal: 'SIGKILL',
    })
    // Who is interrupted does not wait for it, but nor shall it be left behind.
    const stop = (): void => void child.kill('SIGKILL')
    process.once('exit', stop)
    const chunks: Buffer[] = []
    let bytes = 0
    child.once('error', (thrown) => {
      process.off('exit', stop)
      reject(thrown)
    })
    // What could not be started may have no streams either.
    if (child.pid === undefined) return
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength
      if (bytes > maxHelperBytes) child.kill('SIGKILL')
      else chunks.push(chunk)
    })
    // A helper may exit without reading.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.once('close', (code) => {
      process.off('exit', stop)
      resolve({ code, output: Buffer.concat(chunks).toString('utf8') })
    })
  })
}
