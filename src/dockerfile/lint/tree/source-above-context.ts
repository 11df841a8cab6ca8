// Sources that lead out of the build context.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit takes `../x` for `x`, and then misses it or copies another file. */
export const sourceAboveContext: TreeRule = {
  name: 'SourceAboveContext',
  description: 'Sources of COPY and ADD should lie in the build context: ../ does not lead out of it',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const written of file.instructions) {
      const instruction = written.kind === 'ONBUILD' ? written.trigger : written
      if (instruction.kind !== 'COPY' && instruction.kind !== 'ADD') continue
      for (const source of instruction.sources) {
        if (source.kind !== 'path') continue
        const { text, span } = source.word
        const taken = takenFor(text)
        if (taken === undefined) continue
        const isStage = instruction.kind === 'COPY' && instruction.from !== undefined
        yield {
          span,
          message: `${instruction.kind} takes ${text} for ${taken}: nothing lies above ${isStage ? '/' : 'the build context'}`,
          hint: isStage
            ? `write ${taken}`
            : 'build in the directory above and name the Dockerfile with --file, or give --build-context',
        }
      }
    }
  },
}

/** The path that one which goes above where it begins is taken for; undefined for any other, and where variables decide. */
function takenFor(path: string): string | undefined {
  const kept: string[] = []
  let isAbove = false
  for (const part of path.split('/', 1000)) {
    if (part.includes('$') || part.includes(':')) return undefined
    if (part === '..') isAbove = kept.pop() === undefined || isAbove
    else if (part !== '' && part !== '.') kept.push(part)
  }
  return isAbove ? `/${kept.join('/')}` : undefined
}
