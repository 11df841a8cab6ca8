// ONBUILD: an instruction for the images built on this one; kept as text, run by their plans.
import type { Onbuild } from '../../dockerfile/ast.ts'
import { type Lower, withConfig } from '../state.ts'

// No history entry: BuildKit writes none either.
export const lowerOnbuild: Lower<Onbuild> = (state, instruction) =>
  withConfig(state, { OnBuild: [...(state.config.OnBuild ?? []), instruction.text] })
