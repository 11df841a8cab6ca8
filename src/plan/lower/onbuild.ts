// ONBUILD: an instruction for the images built on this one; kept as text, run by their plans.
import type { Onbuild } from '../../dockerfile/ast.ts'
import { quotedBlank } from '../../dockerfile/quoted-blank.ts'
import type { Lower } from '../state.ts'

// No history entry: BuildKit writes none either.
export const lowerOnbuild: Lower<Onbuild> = (state, { trigger, text }, cx) => {
  // Differs: BuildKit keeps whatever is written, and the mistake shows in the build of a child image.
  const quoted = trigger.kind === 'COPY' || trigger.kind === 'ADD' ? quotedBlank(trigger) : undefined
  if (quoted !== undefined) cx.report(quoted)
  return { ...state, triggers: { text, before: state.triggers } }
}
