// Instructions that only write down a word or a list: WORKDIR, USER, EXPOSE, VOLUME, STOPSIGNAL, MAINTAINER.
import { argumentsGrammar } from '../../../grammar/arguments.ts'
import type { Expose, Maintainer, Stopsignal, User, Volume, Workdir } from '../ast.ts'
import { trimSpace } from '../characters.ts'
import { readStrings } from '../command.ts'
import { flagsOf, readFlags } from '../flags.ts'
import { commonOf, type InstructionText, missingArgument, onlyWord, wordOf } from '../instruction-text.ts'

export function readWorkdir(text: InstructionText): Workdir | undefined {
  const flags = readFlags(text)
  const path = onlyWord(text)
  return path && { kind: 'WORKDIR', ...commonOf(text, flags.all), path }
}

export function readUser(text: InstructionText): User | undefined {
  const flags = readFlags(text)
  const user = onlyWord(text)
  return user && { kind: 'USER', ...commonOf(text, flags.all), user }
}

export function readMaintainer(text: InstructionText): Maintainer | undefined {
  const flags = readFlags(text)
  const name = onlyWord(text)
  return name && { kind: 'MAINTAINER', ...commonOf(text, flags.all), name }
}

export function readStopsignal(text: InstructionText): Stopsignal | undefined {
  const flags = flagsOf(text)
  const signal = onlyWord(text)
  return signal && { kind: 'STOPSIGNAL', ...commonOf(text, flags), signal }
}

export function readExpose(text: InstructionText): Expose | undefined {
  const flags = readFlags(text)
  const words = argumentsGrammar(text.escape).list(text.args)
  if (words.length === 0) return missingArgument(text)
  return { kind: 'EXPOSE', ...commonOf(text, flags.all), ports: words.map((w) => wordOf(text, w)) }
}

export function readVolume(text: InstructionText): Volume | undefined {
  const flags = readFlags(text)
  const strings = readStrings(text, text.split.args)
  if (strings === 'mixed') return undefined
  const words =
    strings === 'none'
      ? argumentsGrammar(text.escape)
          .list(text.args)
          .map((w) => wordOf(text, w))
      : strings
  if (words.length === 0) return missingArgument(text)
  const paths = words.map((word) => ({ ...word, text: trimSpace(word.text) }))
  for (const path of paths) {
    if (path.text !== '') continue
    text.report.error('EmptyVolume', 'VOLUME specified can not be an empty string', path.span)
  }
  return { kind: 'VOLUME', ...commonOf(text, flags.all), paths: paths.filter((path) => path.text !== '') }
}
