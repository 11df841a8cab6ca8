// The end of the process: after its output, unless somebody wants it to end now.
import { constants } from 'node:os'

/** How long who interrupted a command waits for a reader of its last words. */
const patienceMs = 1000

const interrupts = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Ends the process with `status` when all output is written: idle connections must not keep a finished command alive.
 * A reader that takes nothing keeps nobody who interrupted the command, or does so now.
 */
export function leave(status: number): void {
  const end = (): void => process.exit(status)
  const statuses = interrupts.map((name) => 128 + constants.signals[name])
  for (const [index, name] of interrupts.entries()) process.on(name, () => process.exit(statuses[index]))
  if (statuses.includes(status)) setTimeout(end, patienceMs)
  process.stdout.write('', () => process.stderr.write('', end))
}
