// BuildKit's InvalidDefinitionDescription.
import type { Word } from '../../ast.ts'
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** A comment right above ARG or FROM … AS begins with the name it describes, as `--call=outline` shows it. */
export const invalidDefinitionDescription: TreeRule = {
  name: 'InvalidDefinitionDescription',
  description:
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/invalid-definition-description/',
  isExperimental: true,
  *check({ file }: Subject): Generator<Finding> {
    for (const instruction of file.instructions) {
      const { kind, comments } = instruction
      if (kind !== 'FROM' && kind !== 'ARG') continue
      const names = kind === 'ARG' ? instruction.pairs.map(({ key }) => key) : named(instruction.as)
      const [first] = names
      // Differs: BuildKit takes the comment that turns rules on and off for a wrong description.
      const comment = comments?.findLast((line) => !/^check\s*=/i.test(line))
      if (first === undefined || comment === undefined) continue
      const [word = ''] = comment.split(' ', 1)
      if (names.some(({ text }) => text === word)) continue
      const example = names.length > 1 ? '<arg_key>' : first.text
      const message = `Comment for ${kind} should follow the format: \`# ${example} <description>\``
      const hint = 'add an empty line or an empty comment below it if it describes something else'
      yield { span: first.span, message, hint }
    }
  },
}

/** A stage is known by its name in lower case. */
function named(as: Word | undefined): Word[] {
  return as === undefined ? [] : [{ ...as, text: as.text.toLowerCase() }]
}
