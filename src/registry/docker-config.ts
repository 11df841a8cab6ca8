// Docker's config.json: where it is and that it is what docker would read. Nothing of it is ever printed.
import { readFileSync } from 'node:fs'
import { errnoOf, SlipwayError } from '../core/error.ts'

/** What the environment says of the file: DOCKER_CONFIG, else HOME. */
export type ConfigEnvironment = Readonly<Record<string, string | undefined>>

/** One registry's entry in `auths`. */
export interface AuthEntry {
  readonly auth?: unknown
  readonly username?: unknown
  readonly password?: unknown
  readonly identitytoken?: unknown
  readonly registrytoken?: unknown
}

/** The members that are read; the objects among them are objects, what is in them is not checked. */
export interface DockerConfig {
  readonly auths?: Readonly<Record<string, AuthEntry | null>>
  readonly credsStore?: unknown
  readonly credHelpers?: Readonly<Record<string, unknown>>
  /** By the address of a docker daemon, or `default`; not checked at all. */
  readonly proxies?: unknown
}

/** The user's file, empty when there is none. Throws ERR_CREDENTIALS_INVALID. */
export async function readDockerConfig(environment: ConfigEnvironment): Promise<DockerConfig> {
  const directory = environment.DOCKER_CONFIG || (environment.HOME && `${environment.HOME}/.docker`)
  if (!directory) return {}
  const path = `${directory}/config.json`
  try {
    return parseDockerConfig(readFileSync(path, 'utf8'), path)
  } catch (thrown) {
    const errno = errnoOf(thrown)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return {}
    if (thrown instanceof SlipwayError) throw thrown
    throw new SlipwayError({
      code: 'ERR_CREDENTIALS_INVALID',
      message: `read ${path}: ${errno ?? 'it cannot be read'}`,
      cause: thrown,
    })
  }
}

/** The content of such a file, which `path` names in messages. Throws ERR_CREDENTIALS_INVALID. */
export function parseDockerConfig(text: string, path: string): DockerConfig {
  const fail = (why: string): never => {
    // The parser's own message would quote the file.
    throw new SlipwayError({ code: 'ERR_CREDENTIALS_INVALID', message: `read ${path}: ${why}` })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return fail('it is not JSON')
  }
  const isObject = (v: unknown): boolean => v !== null && typeof v === 'object' && !Array.isArray(v)
  if (!isObject(value)) return fail('it is not a JSON object')
  const file = value as DockerConfig
  for (const member of ['auths', 'credHelpers'] as const) {
    if (file[member] !== undefined && !isObject(file[member])) fail(`${member} is not an object`)
  }
  return file
}
