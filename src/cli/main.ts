// The command line: finds the command, runs it, turns its failure into one message and an exit status.
import { CommanderError } from 'commander'
import { SlipwayError } from '../core/error.ts'
import { DockerCommand, usageExitCode } from './command.ts'
import { commands } from './commands/all.ts'

/** Runs one command line (without the program's name); resolves with the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  // A reader that went away (`slipway images | head`) ends the output, not the build, and never with a stack.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  let status = 0
  try {
    const program = programFor(argv, (code) => {
      status = code
    })
    await program.parseAsync([...argv], { from: 'user' })
    return status
  } catch (thrown) {
    return reportFailure(thrown)
  }
}

/** What every command does before it touches anything, so that a start-up snapshot made afterwards holds it ready. */
export async function warm(): Promise<void> {
  programFor(['build'], () => undefined).parseOptions(['--help'])
  programFor([], () => undefined).helpInformation()
  const [{ warmUpBuild }] = await Promise.all([
    import('../app/warm-up.ts'),
    import('../build.ts'),
    import('../app/images.ts'),
  ])
  await warmUpBuild()
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
  const asked = argv.find((arg) => !arg.startsWith('-'))
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

function reportFailure(thrown: unknown): number {
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return 0
    const unknownCommand = thrown.code === 'commander.unknownCommand' || thrown.code === 'commander.help'
    if (thrown.code === 'commander.help') process.stderr.write(`see 'slipway --help'\n`)
    else process.stderr.write(`ERROR: ${thrown.message.replace(/^error: /, '')}\n`)
    return unknownCommand ? 1 : usageExitCode
  }
  if (thrown instanceof SlipwayError) {
    process.stderr.write(`ERROR: ${thrown.message}\n`)
    if (thrown.hint) process.stderr.write(`  help: ${thrown.hint}\n`)
    return typeof thrown.data?.exitStatus === 'number' ? thrown.data.exitStatus : 1
  }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  process.stderr.write(`ERROR: ${error.message}\n`)
  if (process.env.SLIPWAY_DEBUG) process.stderr.write(`${error.stack}\n`)
  else
    process.stderr.write(
      '  help: this looks like a bug in slipway; SLIPWAY_DEBUG=1 prints where it happened\n',
    )
  return 1
}
