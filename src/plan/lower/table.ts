// Which function lowers which instruction; the compiler finds a missing one.
import type { Diagnostic } from '../../core/diagnostic.ts'
import type { Instruction } from '../../dockerfile/ast.ts'
import type { Lower, LowerContext, StageState } from '../state.ts'
import type { PlanOptions } from '../types.ts'
import { checkAdd, lowerAdd } from './add.ts'
import { lowerArg } from './arg.ts'
import { lowerCmd } from './cmd.ts'
import { lowerCopy } from './copy.ts'
import { lowerEntrypoint } from './entrypoint.ts'
import { lowerEnv } from './env.ts'
import { lowerExpose } from './expose.ts'
import { lowerHealthcheck } from './healthcheck.ts'
import { lowerLabel } from './label.ts'
import { lowerMaintainer } from './maintainer.ts'
import { checkMounts } from './mounts.ts'
import { lowerOnbuild } from './onbuild.ts'
import { checkRun, lowerRun } from './run.ts'
import { lowerShell } from './shell.ts'
import { lowerStopsignal } from './stopsignal.ts'
import { lowerUser } from './user.ts'
import { lowerVolume } from './volume.ts'
import { lowerWorkdir } from './workdir.ts'

/** An instruction inside a stage: FROM begins one. */
export type StageInstruction = Exclude<Instruction, { kind: 'FROM' }>

const table: { readonly [K in StageInstruction['kind']]: Lower<Extract<StageInstruction, { kind: K }>> } = {
  ADD: lowerAdd,
  ARG: lowerArg,
  CMD: lowerCmd,
  COPY: lowerCopy,
  ENTRYPOINT: lowerEntrypoint,
  ENV: lowerEnv,
  EXPOSE: lowerExpose,
  HEALTHCHECK: lowerHealthcheck,
  LABEL: lowerLabel,
  MAINTAINER: lowerMaintainer,
  ONBUILD: lowerOnbuild,
  RUN: lowerRun,
  SHELL: lowerShell,
  STOPSIGNAL: lowerStopsignal,
  USER: lowerUser,
  VOLUME: lowerVolume,
  WORKDIR: lowerWorkdir,
}

/** The state after one instruction. */
export function lower(state: StageState, instruction: StageInstruction, cx: LowerContext): StageState {
  return (table[instruction.kind] as Lower<StageInstruction>)(state, instruction, cx)
}

/** Reports what shows without a state, so that no registry is asked for a build that cannot be. Lowering may report it again. */
export function checkEarly(
  instruction: StageInstruction,
  options: PlanOptions,
  report: (diagnostic: Diagnostic) => void,
): void {
  if (instruction.kind === 'RUN') {
    checkRun(instruction, options, report)
    checkMounts(instruction, report)
  }
  if (instruction.kind === 'ADD') checkAdd(instruction, report)
}

export function isStageInstruction(instruction: Instruction): instruction is StageInstruction {
  return instruction.kind !== 'FROM'
}

/** Whether an instruction becomes a step with a number in its stage's labels. */
export function isStep(instruction: StageInstruction): boolean {
  return ['RUN', 'COPY', 'ADD', 'WORKDIR'].includes(instruction.kind)
}
