// The /etc/hosts and /etc/resolv.conf of a build container, with BuildKit's rules.
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { Mount, ProcessSpec } from './types.ts'

const mainPath = '/etc/resolv.conf'
/** What systemd-resolved really asks; its stub on 127.0.0.53 is only reachable on the host. */
const resolvedPath = '/run/systemd/resolve/resolv.conf'
const publicServers = ['8.8.8.8', '8.8.4.4', '2001:4860:4860::8888', '2001:4860:4860::8844']

/** In the place of an address: that of the machine itself. */
const hostGateway = 'host-gateway'
/** For steps on the machine's network. */
const hostAddress = '127.0.0.1'

/** The two files as read-only mounts. Throws ERR_HOST_GATEWAY. */
export function networkFiles(spec: ProcessSpec): readonly Mount[] {
  checkHostGateway(spec)
  return [
    { kind: 'file', target: '/etc/hosts', mode: 0o644, content: hostsText(spec.hostname, spec.hosts) },
    { kind: 'file', target: mainPath, mode: 0o644, content: resolvText(spec) },
  ]
}

/** The text of /etc/hosts: loopback names, then `hosts` in their order. */
export function hostsText(hostname: string, hosts: ProcessSpec['hosts']): string {
  const own = `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`
  return own + hosts.map(({ name, ip }) => `${ip === hostGateway ? hostAddress : ip}\t${name}\n`).join('')
}

/** A namespace of its own has no address of the machine itself: that is what keeps the step off its services. */
function checkHostGateway({ network, networkNamespace, hosts }: ProcessSpec): void {
  const asked = hosts.find(({ ip }) => ip === hostGateway)
  if (asked === undefined || network !== 'default' || networkNamespace === undefined) return
  throw new SlipwayError({
    code: 'ERR_HOST_GATEWAY',
    message: `add host ${asked.name}: the network of the step has no way to this machine's own services`,
    hint: "use the host's network: --network=host",
  })
}

function resolvText({ network, networkNamespace }: ProcessSpec): string {
  const joined = network === 'default' ? networkNamespace : undefined
  const own = joined?.resolvConf === undefined ? '' : readIfPresent(joined.resolvConf)
  if (own !== '') return own
  const main = readIfPresent(mainPath)
  // Differs: BuildKit takes the host's own servers away from every step, also from one on the host's network.
  if (network !== 'none' && joined === undefined) return resolvConf(main, { keepLoopback: true })
  const servers = parseResolvConf(main).servers
  const usesStub = servers.length === 1 && servers[0] === '127.0.0.53'
  return resolvConf(usesStub ? readIfPresent(resolvedPath) : main, {
    keepLoopback: false,
    ...(joined?.nameservers === undefined ? {} : { fallback: joined.nameservers }),
  })
}

// On this thread: the files are small, and a trip to libuv's pool costs ten times what reading one does.
function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return ''
    throw thrown
  }
}

export interface ResolvConfOptions {
  readonly keepLoopback: boolean
  /** Servers where none is left; public ones if absent. */
  readonly fallback?: readonly string[]
}

/** The resolv.conf for a container, from the host's. Without `keepLoopback` loopback servers go, they answer on the host only. */
export function resolvConf(hostText: string, options: ResolvConfOptions): string {
  const { servers, search, resolverOptions, other } = parseResolvConf(hostText)
  const kept = options.keepLoopback ? servers : servers.filter((server) => !isLoopback(server))
  const lines = (kept.length > 0 ? kept : (options.fallback ?? publicServers)).map(
    (server) => `nameserver ${server}`,
  )
  if (search.length > 0) lines.push(`search ${search.join(' ')}`)
  if (resolverOptions.length > 0) lines.push(`options ${resolverOptions.join(' ')}`)
  return [...lines, ...other].map((line) => `${line}\n`).join('')
}

interface ResolvConf {
  readonly servers: readonly string[]
  readonly search: readonly string[]
  readonly resolverOptions: readonly string[]
  /** Lines with other keywords, as they are. */
  readonly other: readonly string[]
}

function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = []
  const resolverOptions: string[] = []
  const other: string[] = []
  let search: string[] = []
  for (const line of text.split('\n')) {
    if (/^[#;]/.test(line)) continue
    const [keyword, ...values] = line.trim().split(/\s+/)
    if (keyword === 'nameserver') servers.push(...values.slice(0, 1).filter(isAddress))
    // Only the last of `search` and its old name `domain` counts (resolv.conf(5)).
    else if (keyword === 'search' || keyword === 'domain') search = values.length > 0 ? values : search
    else if (keyword === 'options') resolverOptions.push(...values)
    else if (keyword) other.push(line)
  }
  return { servers, search, resolverOptions, other }
}

function isAddress(text: string): boolean {
  return isIP(text) !== 0
}

function isLoopback(address: string): boolean {
  return /^(127\.|::1(%|$)|::ffff:127\.)/i.test(address)
}
