// The proxies of docker's config.json, which docker's CLI passes to every build as build args.
import type { Outcome } from '../core/diagnostic.ts'
import { SlipwayError } from '../core/error.ts'
import { isProxyName } from '../plan/proxies.ts'
import { type ConfigEnvironment, readDockerConfig } from '../registry/docker-config.ts'

/**
 * `buildArgs` with the proxies of the daemon's entry in the file, else of `default`, in both spellings. A file that
 * cannot be read is a warning, as it is to docker.
 * Differs: a proxy the user gives in one spelling is not given in the other one by the file, which would win.
 */
export async function withProxyArgs(
  buildArgs: Readonly<Record<string, string>>,
  environment: ConfigEnvironment,
): Promise<Outcome<Readonly<Record<string, string>>>> {
  const given = new Set(
    Object.keys(buildArgs)
      .filter(isProxyName)
      .map((name) => name.toLowerCase()),
  )
  try {
    const { proxies } = await readDockerConfig(environment)
    const own = proxiesOf(proxies, environment.DOCKER_HOST || 'unix:///var/run/docker.sock')
    const added = own
      .filter(([name]) => !given.has(name))
      .flatMap(([name, value]) => [[name.toUpperCase(), value] as const, [name, value] as const])
    return { value: { ...Object.fromEntries(added), ...buildArgs }, diagnostics: [] }
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError)) throw thrown
    const message = `the build goes without docker's proxies: ${thrown.message}`
    return { value: buildArgs, diagnostics: [{ code: 'DockerConfigInvalid', severity: 'warning', message }] }
  }
}

const members = [
  ['httpProxy', 'http_proxy'],
  ['httpsProxy', 'https_proxy'],
  ['ftpProxy', 'ftp_proxy'],
  ['noProxy', 'no_proxy'],
  ['allProxy', 'all_proxy'],
] as const

/** Lower-case names with their values, those that have one. */
function proxiesOf(proxies: unknown, daemon: string): readonly (readonly [string, string])[] {
  if (proxies === undefined || proxies === null) return []
  const byDaemon = objectOf(proxies, 'proxies')
  const key = Object.hasOwn(byDaemon, daemon) ? daemon : 'default'
  if (!Object.hasOwn(byDaemon, key)) return []
  const config = objectOf(byDaemon[key], `proxies.${key}`)
  return members.flatMap(([member, name]) => {
    const value = config[member] ?? ''
    if (typeof value !== 'string') throw invalid(`proxies.${key}.${member} is not a string`)
    return value === '' ? [] : [[name, value] as const]
  })
}

function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>
  }
  throw invalid(`${name} is not an object`)
}

function invalid(why: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_CREDENTIALS_INVALID',
    message: `read docker's config.json: ${why}`,
  })
}
