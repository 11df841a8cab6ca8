// The shape of a command's page.
import type { DockerCommand } from './command.ts'

export interface CommandPage {
  readonly summary: string
  /** Adds arguments, options and the action; `finish` receives the exit status. */
  define(command: DockerCommand, finish: (status: number) => void): void
}
