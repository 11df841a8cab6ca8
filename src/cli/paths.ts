// Where things are on this machine, decided from the environment once per command.
import { availableParallelism, homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { HostOptions } from '../app/host.ts'
import { SlipwayError } from '../core/error.ts'

/** The state directory: `SLIPWAY_ROOT`, else /var/lib/slipway for root, else XDG data home. */
export function stateRoot(): string {
  if (process.env.SLIPWAY_ROOT) return process.env.SLIPWAY_ROOT
  if (callerId() === 0) return '/var/lib/slipway'
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'slipway')
}

/** Who called: in the user namespace that the launcher enters for an ordinary user everybody looks like root. */
function callerId(): number | undefined {
  const outside = process.env.SLIPWAY_CALLER_UID
  return outside === undefined ? process.getuid?.() : Number(outside)
}

/** Refuses, in one line and before anything is touched, what takes root's rights here or in a user namespace. */
export function requireRoot(act: string): void {
  const entered = process.env.SLIPWAY_NAMESPACE
  if (entered === 'ok' || (entered === undefined && process.getuid?.() === 0)) return
  throw new SlipwayError({
    code: 'ERR_NOT_ROOT',
    message: `${act}: ${entered ?? 'only root, or whoever starts dist/slipway itself, can do this'}`,
    hint: 'slipway doctor says what is missing on this machine',
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
    ...(process.env.SLIPWAY_PROGRAM ? { program: process.env.SLIPWAY_PROGRAM } : {}),
    cpus: availableParallelism(),
    os: process.platform,
    architecture: process.arch,
  }
}
