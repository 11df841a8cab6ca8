// What a container runs: CMD, ENTRYPOINT, SHELL, HEALTHCHECK.
import { nearest } from '../../core/diagnostic.ts'
import { parseDuration } from '../../core/duration.ts'
import type { Cmd, Entrypoint, Healthcheck, Shell } from '../ast.ts'
import { isBlank, nextBlank } from '../characters.ts'
import { readCommand } from '../command.ts'
import { type Flags, flagsOf, readFlags } from '../flags.ts'
import { commonOf, type InstructionText, missingArgument } from '../instruction-text.ts'
import { spanIn } from '../logical-line.ts'

export function readCmd(text: InstructionText): Cmd | undefined {
  const flags = readFlags(text)
  const command = readCommand(text)
  return command && { kind: 'CMD', ...commonOf(text, flags.all), command }
}

export function readEntrypoint(text: InstructionText): Entrypoint | undefined {
  const flags = readFlags(text)
  const command = readCommand(text)
  return command && { kind: 'ENTRYPOINT', ...commonOf(text, flags.all), command }
}

export function readShell(text: InstructionText): Shell | undefined {
  const flags = readFlags(text)
  const command = readCommand(text)
  if (command === undefined) return undefined
  if (command.form === 'exec' ? command.args.length === 0 : command.text === '') return missingArgument(text)
  if (command.form === 'exec') return { kind: 'SHELL', ...commonOf(text, flags.all), args: command.args }
  const words = command.text.split(/\s+/)
  const isPlain = command.text.length < 60 && !/["'[\],\\]/.test(command.text)
  const form = isPlain ? JSON.stringify(words).replaceAll('","', '", "') : '["executable", "parameter"]'
  const hint = `write it as SHELL ${form}`
  const message = 'SHELL requires the arguments to be in JSON form'
  text.report.error('ShellNotJson', message, command.span, { hint })
  return undefined
}

const healthFlags = {
  interval: 'word',
  timeout: 'word',
  'start-period': 'word',
  'start-interval': 'word',
  retries: 'word',
} as const

export function readHealthcheck(text: InstructionText): Healthcheck | undefined {
  if (text.args === '') return missingArgument(text)
  const { line, report } = text
  const { start, end } = text.split.args
  const typeEnd = nextBlank(line.text, start, end)
  const type = line.text.slice(start, typeEnd).toUpperCase()
  let from = typeEnd
  while (from < end && isBlank(line.text[from])) from++
  const rest = { start: from, end }
  if (type === 'NONE') {
    if (rest.start < rest.end) {
      const span = spanIn(line, rest.start, rest.end)
      report.error('UnexpectedArgument', 'HEALTHCHECK NONE takes no arguments', span)
    }
    return { kind: 'HEALTHCHECK', ...commonOf(text, flagsOf(text)) }
  }
  const flags = readFlags(text, healthFlags)
  const times = readTimes(text, flags)
  const typeSpan = spanIn(line, start, typeEnd)
  if (type !== 'CMD') {
    // `--interval 30s CMD x`: the flag without a value was reported, and this is its value.
    const last = flagsOf(text).at(-1)
    if (last !== undefined && last.value === undefined && /^\d/.test(type)) return undefined
    const message = `Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`
    const close = nearest(type, ['CMD', 'NONE'])
    const hint =
      close === undefined
        ? 'write it as HEALTHCHECK CMD <command>, or as HEALTHCHECK NONE'
        : `did you mean ${close}?`
    report.error('UnknownHealthcheck', message, typeSpan, { hint })
    return undefined
  }
  const command = readCommand(text, rest)
  if (command === undefined) return undefined
  if (command.form === 'exec' ? command.args.length === 0 : command.text === '') {
    const hint = 'for example HEALTHCHECK CMD curl -f http://localhost/'
    report.error('MissingArgument', 'Missing command after HEALTHCHECK CMD', typeSpan, { hint })
    return undefined
  }
  return { kind: 'HEALTHCHECK', ...commonOf(text, flags.all), command, ...times }
}

type Times = Pick<Healthcheck, 'interval' | 'timeout' | 'startPeriod' | 'startInterval' | 'retries'>

function readTimes(text: InstructionText, flags: Flags): Times {
  const interval = readTime(text, flags, 'interval')
  const timeout = readTime(text, flags, 'timeout')
  const startPeriod = readTime(text, flags, 'start-period')
  const startInterval = readTime(text, flags, 'start-interval')
  const retries = readRetries(text, flags)
  return {
    ...(interval === undefined ? {} : { interval }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(startPeriod === undefined ? {} : { startPeriod }),
    ...(startInterval === undefined ? {} : { startInterval }),
    ...(retries === undefined ? {} : { retries }),
  }
}

function readTime(text: InstructionText, flags: Flags, name: keyof typeof healthFlags): number | undefined {
  const word = flags.word(name)
  if (word === undefined || word.text === '') return undefined
  const time = parseDuration(word.text)
  if (typeof time === 'string') {
    const hint = 'a duration is numbers with units, for example 30s or 1m30s'
    text.report.error('InvalidDuration', time, word.span, { hint })
    return undefined
  }
  if (time !== 0 && time < 1_000_000) {
    const message = `Interval ${JSON.stringify(name)} cannot be less than 1ms`
    text.report.error('InvalidDuration', message, word.span)
    return undefined
  }
  return time
}

function readRetries(text: InstructionText, flags: Flags): number | undefined {
  const word = flags.word('retries')
  if (word === undefined || word.text === '') return undefined
  const retries = /^[+-]?\d+$/.test(word.text) ? Number(word.text) : Number.NaN
  if (Number.isNaN(retries)) {
    const message = `--retries is not a number: ${word.text}`
    text.report.error('InvalidRetries', message, word.span, { hint: 'write a number such as 3' })
  } else if (retries < 0) {
    text.report.error('InvalidRetries', `--retries cannot be negative (${retries})`, word.span)
  } else if (retries > 2 ** 31 - 1) {
    text.report.error('InvalidRetries', `--retries is too large: ${word.text}`, word.span)
  } else {
    return retries
  }
  return undefined
}
