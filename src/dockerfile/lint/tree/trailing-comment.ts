// Comments behind arguments, which are no comments.
import type { Instruction, Word } from '../../ast.ts'
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit takes them for part of a name or for names of their own, without a word. */
export const trailingComment: TreeRule = {
  name: 'TrailingComment',
  description: 'A comment should have a line of its own: behind arguments # is one of them',
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const written of file.instructions) {
      const instruction = written.kind === 'ONBUILD' ? written.trigger : written
      const { span } = commentIn(instruction) ?? {}
      if (span === undefined) continue
      yield {
        span,
        message: `${instruction.kind} takes # and what follows for an argument, not for a comment`,
        hint: 'a comment needs a line of its own, above the instruction',
      }
    }
  },
}

function commentIn(instruction: Instruction): Pick<Word, 'span'> | undefined {
  switch (instruction.kind) {
    case 'USER':
      return behind(instruction.user)
    case 'WORKDIR':
      return behind(instruction.path)
    case 'ADD':
    case 'COPY': {
      const paths = instruction.sources.flatMap((source) => (source.kind === 'path' ? [source.word] : []))
      return among(instruction.original, [...paths, instruction.destination])
    }
    case 'VOLUME':
      return among(instruction.original, instruction.paths)
    case 'ARG':
      return instruction.pairs.map(({ key }) => key).find(({ text }) => text.startsWith('#'))
    default:
      return undefined
  }
}

/** The comment in one argument that has the rest of the line. */
function behind(word: Word): Pick<Word, 'span'> | undefined {
  const at = /\s#/.exec(word.text)
  return at === null || /["'\\]/.test(word.text.slice(0, at.index))
    ? undefined
    : { span: { ...word.span, start: word.span.start + at.index + 1 } }
}

/** The comment among words. In JSON form a name with # is meant as one. */
function among(original: string, words: readonly Word[]): Word | undefined {
  if (/\]\s*$/.test(original)) return undefined
  return words.find(({ text }, index) => index > 0 && text.startsWith('#'))
}
