// JSON arrays that are none.
import type { Instruction } from '../../ast.ts'
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit takes an array that is not quite JSON for shell form, and for a name where no array is known, without a word. */
export const jsonFormIgnored: TreeRule = {
  name: 'JsonFormIgnored',
  description: 'Arguments that look like a JSON array should be one, in an instruction that takes one',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const written of file.instructions) {
      const instruction = written.kind === 'ONBUILD' ? written.trigger : written
      const found = findingOf(instruction)
      if (found !== undefined) yield found
    }
  },
}

const noArray = 'JSON strings stand in double quotes with commas between, and nothing follows the ]'

function findingOf(instruction: Instruction): Finding | undefined {
  const { kind } = instruction
  switch (kind) {
    case 'RUN':
    case 'CMD':
    case 'ENTRYPOINT':
    case 'HEALTHCHECK': {
      const { command } = instruction
      if (command?.form !== 'shell' || !looksLikeArray(command.text)) return undefined
      const message = `${kind} takes this for a shell command: it is no JSON array`
      return { span: command.span, message, hint: noArray }
    }
    case 'COPY':
    case 'ADD': {
      const [first] = instruction.sources
      const text = instruction.original.replace(/^(?:--\S+\s+)+/, '')
      if (first?.kind !== 'path' || !first.word.text.startsWith('[') || !looksLikeArray(text))
        return undefined
      return {
        span: { ...first.word.span, end: instruction.destination.span.end },
        message: `${kind} takes each of these words for a path: they are no JSON array`,
        hint: noArray,
      }
    }
    case 'VOLUME': {
      const [first] = instruction.paths
      const last = instruction.paths.at(-1)
      if (first === undefined || last === undefined) return undefined
      if (!first.text.startsWith('[') || !looksLikeArray(instruction.original)) return undefined
      const message = 'VOLUME takes each of these words for a path: they are no JSON array'
      return { span: { ...first.span, end: last.span.end }, message, hint: noArray }
    }
    case 'WORKDIR':
    case 'USER': {
      const { text, span } = kind === 'WORKDIR' ? instruction.path : instruction.user
      if (!looksLikeArray(text)) return undefined
      const message = `${kind} takes no JSON array: the brackets are part of the ${kind === 'USER' ? 'name' : 'path'}`
      return { span, message, hint: 'write it without brackets and quotes' }
    }
    default:
      return undefined
  }
}

/** A quoted word behind a bracket and a comma, a bracket or another one behind it. `[ 'x' ]` with its blanks is the shell's test. */
function looksLikeArray(text: string): boolean {
  const match = /^\[(\s*)(?:'[^']*'|"(?:[^"\\]|\\.)*"|[“”‘’][^“”‘’]*[“”‘’])\s*([,\]"'])/.exec(text)
  return match !== null && (match[2] === ',' || match[1] === '')
}
