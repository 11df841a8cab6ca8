// One logical line to one instruction: the table of all instructions.
import type { Instruction } from './ast.ts'
import type { EscapeCharacter, Range } from './characters.ts'
import { instructionNames } from './instruction-names.ts'
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
import { type Above, nothingAbove, reportUnknown } from './unknown-instruction.ts'

type Read = (text: InstructionText) => Instruction | undefined

const readers: Readonly<Record<Exclude<Instruction['kind'], 'ONBUILD'>, Read>> = {
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

export interface ParseContext {
  readonly escape: EscapeCharacter
  readonly report: Report
  /** What stands above the line, for what is said of one that is no instruction. */
  readonly above?: Above
}

/** The instruction in `range` of a logical line, or undefined after reporting why there is none. */
export function parseInstruction(
  line: LogicalLine,
  context: ParseContext,
  range: Range = { start: 0, end: line.text.length },
): Instruction | undefined {
  const text = instructionText(line, range, context)
  if (text.name === 'ONBUILD') {
    return readOnbuild(text, (nested) => parseInstruction(line, context, nested))
  }
  if (isName(text.name)) return readers[text.name](text)
  reportUnknown(text, instructionNames, context.above ?? nothingAbove())
  return undefined
}
