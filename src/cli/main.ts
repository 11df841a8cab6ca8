// The command line: finds the command, runs it, turns its failure into one message and an exit status.
import { CommanderError } from 'commander'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { DockerCommand, usageFailure } from './command.ts'
import { commands } from './commands/all.ts'
import { delayOptimization } from './engine.ts'
import { printFailure } from './failure.ts'

/** Runs one command line (without the program's name); resolves with the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  delayOptimization()
  const lost: Error[] = []
  for (const stream of [process.stdout, process.stderr]) stream.on('error', (error) => lost.push(error))
  const status = await run(argv)
  // What has just failed is told of later than now. A reader that went away (`slipway images | head`) wants no more.
  const failed = [...lost, process.stdout.errored].find((error) => error && errnoOf(error) !== 'EPIPE')
  return status === 0 && failed ? printFailure(lostOutput(failed)) : status
}

function lostOutput(cause: Error): SlipwayError {
  const errno = errnoOf(cause)
  const reason = errno === 'ENOSPC' ? 'no space left on device' : (errno ?? cause.message)
  return new SlipwayError({ code: 'ERR_OUTPUT_LOST', message: `write the output: ${reason}`, cause })
}

async function run(argv: readonly string[]): Promise<number> {
  let status = 0
  const asked = plainForm(argv)
  try {
    const program = programFor(asked, (code) => {
      status = code
    })
    await program.parseAsync(asked, { from: 'user' })
    return status
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return printFailure(thrown)
    // Help and version end a command line too, successfully.
    return thrown.exitCode === 0 ? 0 : printFailure(usageFailure(thrown, commandOf(asked)))
  }
}

/** What every command does before it touches anything, so that a start-up snapshot made afterwards holds it ready. */
export async function warm(): Promise<void> {
  programFor(['build'], () => undefined).parseOptions(['--help'])
  await import('../build.ts')
  const { warmUpBuild } = await import('../app/warm-up.ts')
  await warmUpBuild()
  const { rehearse } = await import('./rehearse.ts')
  const directory = process.env.SLIPWAY_REHEARSAL
  if (directory) await rehearse(directory)
}

function programFor(argv: readonly string[], finish: (status: number) => void): DockerCommand {
  const program = new DockerCommand('slipway')
    .description('Builds container images from Dockerfiles, without a daemon.')
    .version(process.env.SLIPWAY_VERSION ?? '0.0.0', '-v, --version', 'print the version')
    .enablePositionalOptions()
    .showHelpAfterError(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride()
  // Only the command that is asked for is built in full; the others need just their line in the help.
  const asked = commandOf(argv)
  for (const [name, { summary, define }] of Object.entries(commands)) {
    const command = program.command(name).summary(summary).description(summary)
    command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .allowExcessArguments(true)
    if (name === asked) define(command as DockerCommand, finish)
  }
  return program
}

/** The same command line without its short forms: nothing at all and `help` ask for the help. */
function plainForm(argv: readonly string[]): string[] {
  if (argv.length === 0) return ['--help']
  const [first, second] = argv
  if (first !== 'help') return [...argv]
  return second === undefined ? ['--help'] : [second, '--help']
}

function commandOf(argv: readonly string[]): string | undefined {
  return argv.find((arg) => !arg.startsWith('-'))
}
