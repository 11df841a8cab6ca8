// Programs that connect a network namespace to the host's network from user space, without the host's loopback.
import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'

export interface NetworkProgram {
  readonly name: 'pasta' | 'slirp4netns'
  /** Absolute. */
  readonly program: string
  /** `@` stands for the namespace's file. */
  readonly args: readonly string[]
  /** What it answers name look-ups on, if it does. */
  readonly nameservers?: readonly string[]
}

/** The best one in `path` ($PATH), or why there is none. */
export function findNetworkProgram(path: string, tun = '/dev/net/tun'): NetworkProgram | string {
  const pasta = findIn(path, 'pasta')
  const slirp = pasta === undefined ? findIn(path, 'slirp4netns') : undefined
  if (pasta === undefined && slirp === undefined) return 'neither pasta nor slirp4netns is installed'
  if (!isOpen(tun)) return `${tun} cannot be opened`
  return pasta === undefined ? slirp4netns(slirp ?? '') : pastaProgram(pasta)
}

function pastaProgram(program: string): NetworkProgram {
  // Ports of neither side are forwarded, and the gateway's address is not the host's loopback.
  const closed = ['--no-map-gw', ...['-t', '-u', '-T', '-U'].flatMap((flag) => [flag, 'none'])]
  // As "nobody", its default for root, it may not enter the namespace; it gives up its privileges once it is there.
  const args = [
    ...['--foreground', '--quiet', '--config-net', '--runas', '0:0', ...closed],
    ...['--netns', '@'],
  ]
  return { name: 'pasta', program, args }
}

function slirp4netns(program: string): NetworkProgram {
  return {
    name: 'slirp4netns',
    program,
    args: [
      ...['--configure', '--mtu=65520', '--disable-host-loopback', '--enable-sandbox', '--enable-seccomp'],
      ...['--netns-type=path', '@', 'tap0'],
    ],
    nameservers: ['10.0.2.3'],
  }
}

function findIn(path: string, name: string): string | undefined {
  return path
    .split(':')
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find((program) => {
      try {
        accessSync(program, constants.X_OK)
        return statSync(program).isFile()
      } catch {
        return false
      }
    })
}

/** Whether the device is there for us: a container may have none, and an ordinary user's rights depend on the distribution. */
function isOpen(device: string): boolean {
  try {
    accessSync(device, constants.R_OK | constants.W_OK)
    return statSync(device).isCharacterDevice()
  } catch {
    return false
  }
}
