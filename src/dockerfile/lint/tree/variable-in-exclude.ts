// Variables where none is replaced.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit takes `--exclude=$X` as a pattern with a dollar in it, and excludes nothing. */
export const variableInExclude: TreeRule = {
  name: 'VariableInExclude',
  description: 'Patterns of COPY and ADD --exclude should have no variables: they are not replaced there',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const written of file.instructions) {
      const instruction = written.kind === 'ONBUILD' ? written.trigger : written
      if (instruction.kind !== 'COPY' && instruction.kind !== 'ADD') continue
      for (const { text, span } of instruction.exclude) {
        const [use] = /\$(?:\w+|\{\w+)/.exec(text) ?? []
        if (use === undefined) continue
        yield {
          span,
          message: `${instruction.kind} --exclude does not replace variables: ${text} is taken literally`,
          hint: 'write the pattern out',
        }
      }
    }
  },
}
