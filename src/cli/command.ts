// Command lines the way docker's users write them: commander, with pflag's boolean values and docker's exit codes.
import { Command, CommanderError, type Help } from 'commander'
import { SlipwayError } from '../core/error.ts'

/** Exit status of a command whose flags cannot be understood, as docker's. */
export const usageExitCode = 125

/** Collects a repeatable option; never swallows the arguments behind it. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value]
}

/** Collects a repeatable option whose values may also be separated by commas. */
export function collectList(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), ...value.split(',').filter((part) => part !== '')]
}

/** A parser for an option that is known but cannot be honoured: using it is an error that names it. */
export function unsupported(flag: string, instead: string): (value: string) => never {
  return (value) => {
    throw new SlipwayError({
      code: 'ERR_FLAG_UNSUPPORTED',
      message: `${flag}${value ? ` ${value}` : ''} is not supported yet`,
      hint: instead,
    })
  }
}

export class DockerCommand extends Command {
  override createCommand(name?: string): DockerCommand {
    return new DockerCommand(name)
  }

  override createHelp(): Help {
    const help = super.createHelp()
    const describe = help.optionDescription.bind(help)
    // An empty list as default says nothing.
    help.optionDescription = (option) => describe(option).replace(' (default: [])', '')
    return help
  }

  /** Rewrites `--flag=true|false` of boolean options before commander, which knows no such form, sees them. */
  override parseOptions(argv: string[]): ReturnType<Command['parseOptions']> {
    return super.parseOptions(rewriteBooleans(argv, this))
  }
}

const truth: Readonly<Record<string, boolean>> = {
  '1': true,
  t: true,
  true: true,
  '0': false,
  f: false,
  false: false,
}

function rewriteBooleans(argv: readonly string[], command: Command): string[] {
  const out: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? ''
    if (arg === '--') return [...out, ...argv.slice(i)]
    const equals = arg.indexOf('=')
    const flag = equals === -1 ? arg : arg.slice(0, equals)
    const option = flag.startsWith('-')
      ? command.options.find((o) => o.long === flag || o.short === flag)
      : undefined
    const takesValue = option !== undefined && (option.required || option.optional)
    if (takesValue && equals === 2 && flag === option.short) {
      // pflag's `-m=64m`, of which commander would take `=64m`.
      out.push(flag, arg.slice(equals + 1))
    } else if (option === undefined || takesValue) {
      out.push(arg)
      if (takesValue && equals === -1 && i + 1 < argv.length) out.push(argv[++i] ?? '')
    } else if (equals === -1) {
      out.push(arg)
    } else {
      const value = truth[arg.slice(equals + 1).toLowerCase()]
      if (value === undefined) {
        throw new CommanderError(
          usageExitCode,
          'slipway.boolean',
          `invalid boolean value ${JSON.stringify(arg)}`,
        )
      }
      if (value) out.push(flag)
    }
  }
  return out
}

/** Arguments of a command, checked as docker does: a wrong number is exit status 1, not 125. */
export function expectArguments(
  command: Command,
  args: readonly string[],
  least: number,
  most = least,
): void {
  if (args.length >= least && args.length <= most) return
  const wanted =
    least === most
      ? `${least === 0 ? 'no arguments' : `${least} argument${least === 1 ? '' : 's'}`}`
      : most === Number.POSITIVE_INFINITY
        ? `at least ${least} argument${least === 1 ? '' : 's'}`
        : `${least} to ${most} arguments`
  throw new SlipwayError({
    code: 'ERR_ARGUMENTS',
    message: `"slipway ${command.name()}" requires ${wanted}, got ${args.length}`,
    hint: `see 'slipway ${command.name()} --help'`,
  })
}

/** What commander found wrong with a command line, in docker's words. */
export function usageFailure(thrown: CommanderError, command: string | undefined): SlipwayError {
  const [message = '', suggestion] = thrown.message.replace(/^error: /, '').split('\n')
  const near = suggestion?.match(/Did you mean (.*)\?/)?.[1]
  const isCommand = thrown.code === 'commander.unknownCommand'
  const page = isCommand || command === undefined ? 'slipway --help' : `slipway ${command} --help`
  return new SlipwayError({
    code: 'ERR_USAGE',
    message: message
      .replace(/^unknown option '(.*)'$/, 'unknown flag: $1')
      .replace(/^option '(.*)' argument missing$/, 'flag needs an argument: $1'),
    hint: near === undefined ? `see '${page}'` : `did you mean ${near}?`,
    data: { exitStatus: isCommand ? 1 : usageExitCode },
  })
}

/** A flag's value that cannot be understood; exit status 125 as docker's. */
export function usageError(flag: string, value: string, wanted: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_FLAG_INVALID',
    message: `invalid value ${JSON.stringify(value)} for ${flag}`,
    hint: `give it as ${wanted}`,
    data: { exitStatus: usageExitCode },
  })
}

/** The value of a flag that takes one of a few words, or the usage error that lists them. */
export function oneOf<T extends string>(flag: string, value: string, values: readonly T[]): T {
  const known = values.find((v) => v === value)
  if (known === undefined) throw usageError(flag, value, `one of ${values.join(', ')}`)
  return known
}
