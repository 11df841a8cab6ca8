// BuildKit's MaintainerDeprecated.
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** A label instead of MAINTAINER. */
export const maintainerDeprecated: TreeRule = {
  name: 'MaintainerDeprecated',
  description: 'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/',
  *check({ file }: Subject): Generator<Finding> {
    for (const instruction of file.instructions) {
      if (instruction.kind !== 'MAINTAINER') continue
      const message = 'Maintainer instruction is deprecated in favor of using label'
      const hint = `write LABEL org.opencontainers.image.authors=${JSON.stringify(instruction.name.text)}`
      yield { span: instruction.keyword.span, message, hint }
    }
  },
}
