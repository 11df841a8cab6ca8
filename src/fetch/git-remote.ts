// Addresses of repositories: what git may see of them, and which credentials belong to them.
import type { ReadSecret } from './secret.ts'

export interface GitRemote {
  /** Without passwords: git's arguments are seen by everybody on the machine. */
  readonly url: string
  /** What git is configured with to be let in. */
  readonly config: readonly (readonly [name: string, value: string])[]
}

/** The remote as git is to be given it. Secrets (BuildKit's names, those of the host first) win over what the address says. */
export async function gitRemote(address: string, secret: ReadSecret): Promise<GitRemote> {
  const web = /^(https?:\/\/)(?:([^/@]*)@)?([^/]*)(.*)$/.exec(address)
  if (web === null) return { url: address.replace(/^((?:ssh|git):\/\/[^/:@]*):[^/@]*@/, '$1@'), config: [] }
  const [, scheme = '', user, host = '', path = ''] = web
  const url = `${scheme}${host}${path}`
  const header = (await secretHeader(host, secret)) ?? (user === undefined ? undefined : basic(user))
  if (header === undefined) return { url, config: [] }
  return { url, config: [[`http.${scopeOf(url)}.extraheader`, `Authorization: ${header}`]] }
}

async function secretHeader(host: string, secret: ReadSecret): Promise<string | undefined> {
  for (const suffix of [`.${host}`, '']) {
    const header = await secret(`GIT_AUTH_HEADER${suffix}`)
    if (header !== undefined) return header
    const token = await secret(`GIT_AUTH_TOKEN${suffix}`)
    if (token !== undefined) return basic(`x-access-token:${token}`, false)
  }
  return undefined
}

function basic(user: string, isEncoded = true): string {
  const colon = user.includes(':') ? user : `${user}:`
  const plain = isEncoded ? decoded(colon) : colon
  return `basic ${Buffer.from(plain).toString('base64')}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (thrown) {
    if (thrown instanceof URIError) return text
    throw thrown
  }
}

/** Submodules on github.com get the same token, as BuildKit does it; others only below the repository's own address. */
function scopeOf(url: string): string {
  return /^https:\/\/(?:www\.)?github\.com\//.exec(url)?.[0] ?? url
}
