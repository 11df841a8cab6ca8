// One logical line to one instruction: the table of all instructions.
import { nearest } from '../core/diagnostic.ts'
import type { Instruction } from './ast.ts'
import type { EscapeCharacter, Range } from './characters.ts'
import { type InstructionText, instructionText } from './instruction-text.ts'
import { readFrom } from './instructions/from.ts'
import {
  readExpose,
  readMaintainer,
  readStopsignal,
  readUser,
  readVolume,
  readWorkdir,
} from './instructions/metadata.ts'
import { readOnbuild } from './instructions/onbuild.ts'
import { readCmd, readEntrypoint, readHealthcheck, readShell } from './instructions/process.ts'
import { readRun } from './instructions/run.ts'
import { readAdd, readCopy } from './instructions/transfer.ts'
import { readArg, readEnv, readLabel } from './instructions/variables.ts'
import type { LogicalLine } from './logical-line.ts'
import type { Report } from './report.ts'

type Read = (text: InstructionText) => Instruction | undefined

const readers: Readonly<Record<Exclude<Instruction['kind'], 'ONBUILD'>, Read>> = {
  // The order decides between equally near suggestions for an unknown name, so the usual ones come first.
  FROM: readFrom,
  RUN: readRun,
  COPY: readCopy,
  ENV: readEnv,
  ARG: readArg,
  CMD: readCmd,
  ADD: readAdd,
  ENTRYPOINT: readEntrypoint,
  WORKDIR: readWorkdir,
  EXPOSE: readExpose,
  USER: readUser,
  LABEL: readLabel,
  VOLUME: readVolume,
  HEALTHCHECK: readHealthcheck,
  SHELL: readShell,
  STOPSIGNAL: readStopsignal,
  MAINTAINER: readMaintainer,
}

function isName(name: string): name is keyof typeof readers {
  return Object.hasOwn(readers, name)
}

/** The instruction in `range` of a logical line, or undefined after reporting why there is none. */
export function parseInstruction(
  line: LogicalLine,
  context: { escape: EscapeCharacter; report: Report },
  range: Range = { start: 0, end: line.text.length },
): Instruction | undefined {
  const text = instructionText(line, range, context)
  if (text.name === 'ONBUILD') {
    return readOnbuild(text, (nested) => parseInstruction(line, context, nested))
  }
  if (isName(text.name)) return readers[text.name](text)
  const suggestion = nearest(text.name, [...Object.keys(readers), 'ONBUILD'])
  const isLower = text.keyword.text === text.keyword.text.toLowerCase()
  const spelled = isLower ? suggestion?.toLowerCase() : suggestion
  const message = `unknown instruction: ${shown(text.keyword.text)}${spelled === undefined ? '' : ` (did you mean ${spelled}?)`}`
  context.report.error('UnknownInstruction', message, text.keyword.span)
  return undefined
}

function shown(keyword: string): string {
  return keyword.length > 60 ? `${keyword.slice(0, 60)}…` : keyword
}
