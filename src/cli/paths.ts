// Where things are on this machine, decided from the environment once per command.
import { availableParallelism, homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { HostOptions } from '../app/host.ts'
import { SlipwayError } from '../core/error.ts'

/** The state directory: `SLIPWAY_ROOT`, else /var/lib/slipway for root, else XDG data home. */
export function stateRoot(): string {
  if (process.env.SLIPWAY_ROOT) return process.env.SLIPWAY_ROOT
  if (process.getuid?.() === 0) return '/var/lib/slipway'
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'slipway')
}

/** Refuses, in one line and before anything is touched, what only root can do for now. */
export function requireRoot(act: string): void {
  if (process.getuid?.() === 0) return
  throw new SlipwayError({
    code: 'ERR_NOT_ROOT',
    message: `${act}: only root can do this, rootless containers are not supported yet`,
    hint: 'run it with sudo, or as root of a virtual machine',
  })
}

/** Everything a host is opened with, from the environment. */
export function hostOptions(): HostOptions {
  const extraCa = process.env.SLIPWAY_EXTRA_CA_CERTS ?? process.env.NODE_EXTRA_CA_CERTS
  return {
    root: stateRoot(),
    // The launcher says where the native parts are; a bundle started by hand lies beside them.
    dist: process.env.SLIPWAY_DIST ?? dirname(process.argv[1] ?? '.'),
    ...(extraCa ? { extraCaFile: extraCa } : {}),
    environment: process.env,
    cpus: availableParallelism(),
    os: process.platform,
    architecture: process.arch,
  }
}
