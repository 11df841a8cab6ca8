// Flags that nobody reads.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit never looks at the flags of ARG, STOPSIGNAL and HEALTHCHECK NONE, whatever they are. */
export const ignoredFlag: TreeRule = {
  name: 'IgnoredFlag',
  description:
    'A flag should have an effect: ARG, STOPSIGNAL and HEALTHCHECK NONE have none, ADD --keep-git-dir is for git',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const written of file.instructions) {
      const instruction = written.kind === 'ONBUILD' ? written.trigger : written
      const isNone = instruction.kind === 'HEALTHCHECK' && instruction.command === undefined
      if (instruction.kind !== 'ARG' && instruction.kind !== 'STOPSIGNAL' && !isNone) continue
      const what = isNone ? 'HEALTHCHECK NONE' : instruction.kind
      for (const { name, span } of instruction.flags) {
        yield { span, message: `flag --${name} has no effect on ${what}`, hint: 'leave it out' }
      }
    }
  },
}
