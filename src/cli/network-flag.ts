// `--network` of a build: docker's words, and podman's `ns:` for a namespace that exists. Docker itself only knows
// another container's (`container:ID`), and slipway has no containers to name.
import { statSync } from 'node:fs'
import type { BuildRequest } from '../app/request.ts'
import { SlipwayError } from '../core/error.ts'
import { oneOf, usageError } from './command.ts'

/** Reads default, host, none, `ns:PATH` (podman's) or `ns:NAME` (of `ip netns`). Throws ERR_NETWORK_NAMESPACE when it is not there. */
export function networkFlag(text: string): Pick<BuildRequest, 'network' | 'networkNamespace'> {
  if (!text.startsWith('ns:')) {
    const modes = ['default', 'host', 'none'] as const
    if (!modes.some((mode) => mode === text)) {
      throw usageError('--network', text, 'one of default, host, none, ns:NAME, ns:PATH')
    }
    return { network: oneOf('--network', text, modes) }
  }
  const name = text.slice('ns:'.length)
  const isPath = name.startsWith('/')
  if (name === '' || name === '.' || name === '..' || (!isPath && name.includes('/'))) {
    throw usageError('--network', text, 'ns:NAME, as ip netns lists it, or ns:PATH')
  }
  const path = isPath ? name : `/run/netns/${name}`
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw new SlipwayError({
      code: 'ERR_NETWORK_NAMESPACE',
      message: `join network namespace ${path}: it does not exist`,
      hint: isPath ? 'give the path of a namespace file' : `make it with: ip netns add ${name}`,
    })
  }
  // Where ip-netns(8) keeps what a namespace has of its own.
  const own = isPath ? {} : { resolvConf: `/etc/netns/${name}/resolv.conf` }
  return { network: 'default', networkNamespace: { path, ...own } }
}
