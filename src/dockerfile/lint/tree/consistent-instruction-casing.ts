// BuildKit's ConsistentInstructionCasing.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** All instruction names in upper case, or all in lower case: what most are. */
export const consistentInstructionCasing: TreeRule = {
  name: 'ConsistentInstructionCasing',
  description: 'All commands within the Dockerfile should use the same casing (either upper or lower)',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/consistent-instruction-casing/',
  *check({ file, stages }: Subject): Generator<Finding> {
    const read = stages.stages.flatMap(({ from, instructions }) => [
      ...(from.unread === undefined ? [from] : []),
      ...instructions,
    ])
    const written = [...read, ...(file.unread ?? [])].map(({ keyword }) => keyword.text)
    const lower = written.filter((text) => text === text.toLowerCase()).length
    const upper = written.filter((text) => text === text.toUpperCase()).length
    const isLower = lower > upper
    for (const instruction of read) {
      const { text, span } = instruction.keyword
      const wanted = isLower ? text.toLowerCase() : text.toUpperCase()
      if (text === wanted) continue
      const casing = isLower ? 'lowercase' : 'uppercase'
      const message = `Command '${text}' should match the case of the command majority (${casing})`
      yield { span, message, hint: `write ${wanted}` }
    }
  },
}
