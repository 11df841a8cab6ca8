// BuildKit's ConsistentInstructionCasing.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** All instruction names in upper case, or all in lower case: what most are. */
export const consistentInstructionCasing: TreeRule = {
  name: 'ConsistentInstructionCasing',
  description: 'All commands within the Dockerfile should use the same casing (either upper or lower)',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/consistent-instruction-casing/',
  *check({ stages }: Subject): Generator<Finding> {
    const all = stages.stages.flatMap((stage) => [stage.from, ...stage.instructions])
    const lower = all.filter(({ keyword }) => keyword.text === keyword.text.toLowerCase()).length
    const upper = all.filter(({ keyword }) => keyword.text === keyword.text.toUpperCase()).length
    const isLower = lower > upper
    for (const instruction of all) {
      const { text, span } = instruction.keyword
      const wanted = isLower ? text.toLowerCase() : text.toUpperCase()
      if (text === wanted) continue
      const casing = isLower ? 'lowercase' : 'uppercase'
      const message = `Command '${text}' should match the case of the command majority (${casing})`
      yield { span, message, hint: `write ${wanted}` }
    }
  },
}
