// Where things are on this machine, decided from the environment once per command.
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The state directory: `SLIPWAY_ROOT`, else /var/lib/slipway for root, else XDG data home. */
export function stateRoot(): string {
  if (process.env.SLIPWAY_ROOT) return process.env.SLIPWAY_ROOT
  if (process.getuid?.() === 0) return '/var/lib/slipway'
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'slipway')
}

/** docker's configuration directory, which holds config.json with the registry credentials. */
export function dockerConfigDirectory(): string {
  return process.env.DOCKER_CONFIG || join(homedir(), '.docker')
}
