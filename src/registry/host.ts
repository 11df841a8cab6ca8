// Which hosts are which: docker's names for its hub, and what counts as this machine or a private network.
import { BlockList, isIP } from 'node:net'

/** The key of Docker Hub's credentials in docker's config.json. */
export const hubCredentialKey = 'https://index.docker.io/v1/'

/** `host[:port]` that answers for a reference's registry. */
export function hostOf(registry: string): string {
  return registry === 'docker.io' || registry === 'index.docker.io' ? 'registry-1.docker.io' : registry
}

/** Whether a URL's hostname (or `host:port`) is this machine. */
export function isLoopback(host: string): boolean {
  const name = bareHost(host)
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

/** Whether a hostname is a literal address of a private, link-local, loopback or unspecified network. */
export function isPrivateLiteral(host: string): boolean {
  const name = bareHost(host)
  if (isLoopback(name)) return true
  const family = isIP(name)
  if (family === 0) return false
  const list = new BlockList()
  for (const [network, prefix] of [
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
    ['192.168.0.0', 16],
  ] as const) {
    list.addSubnet(network, prefix, 'ipv4')
  }
  list.addSubnet('fc00::', 7, 'ipv6')
  list.addSubnet('fe80::', 10, 'ipv6')
  list.addAddress('::', 'ipv6')
  return list.check(name, family === 4 ? 'ipv4' : 'ipv6')
}

/** Whether a hostname says this machine or what answers machines of themselves (link-local: metadata of clouds). */
export function isLocalLiteral(host: string): boolean {
  const name = bareHost(host)
  if (isLoopback(name) || name.endsWith('.localhost')) return true
  const family = isIP(name)
  if (family === 0) return false
  const list = new BlockList()
  list.addSubnet('0.0.0.0', 8, 'ipv4')
  list.addSubnet('127.0.0.0', 8, 'ipv4')
  list.addSubnet('169.254.0.0', 16, 'ipv4')
  list.addSubnet('fe80::', 10, 'ipv6')
  list.addAddress('::', 'ipv6')
  // Knows the addresses of IPv4 in their IPv6 form, too.
  return list.check(name, family === 4 ? 'ipv4' : 'ipv6')
}

function bareHost(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(host)
  if (bracketed?.[1] !== undefined) return bracketed[1]
  const name = host.toLowerCase()
  return isIP(name) === 6 ? name : name.replace(/:\d+$/, '')
}
