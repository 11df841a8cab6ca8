// Flags where no flag is read, or that do not begin with two hyphens.
import type { Instruction, Word } from '../../ast.ts'
import type { Finding, Subject, TreeRule } from '../rule.ts'

/** Differs: BuildKit takes them for paths and commands, without a word. */
export const misplacedFlag: TreeRule = {
  name: 'MisplacedFlag',
  description:
    "Flags should begin with -- and stand right behind the instruction's name: elsewhere they are none",
  origin: 'slipway',
  *check({ file }: Subject): Generator<Finding> {
    for (const written of file.instructions) {
      const instruction = written.kind === 'ONBUILD' ? written.trigger : written
      for (const word of wordsOf(instruction)) {
        const finding = findingOf(instruction.kind, word)
        if (finding !== undefined) yield finding
      }
    }
  },
}

/** What looks like a flag: one or more hyphens, or dashes that word processors make of them. */
const flag = /^[-\u2010-\u2015\u2212]+([a-z][a-z-]*)(?=[=\s]|$)/

const names: Readonly<Record<string, string>> = {
  ADD: 'chown chmod link exclude checksum keep-git-dir unpack',
  COPY: 'from chown chmod link exclude parents',
  HEALTHCHECK: 'interval timeout start-period start-interval retries',
  RUN: 'mount network security device',
}

function wordsOf(instruction: Instruction): readonly Word[] {
  if (!Object.hasOwn(names, instruction.kind)) return []
  // Whoever ends the flags with -- means what follows.
  if (/^(?:--\S+\s+)*--\s/.test(instruction.original)) return []
  switch (instruction.kind) {
    case 'ADD':
    case 'COPY': {
      const paths = instruction.sources.flatMap((source) => (source.kind === 'path' ? [source.word] : []))
      return [...paths, instruction.destination]
    }
    case 'HEALTHCHECK':
    case 'RUN': {
      const { command } = instruction
      return command?.form === 'shell' ? [command] : []
    }
    default:
      return []
  }
}

function findingOf(kind: string, { text, span }: Word): Finding | undefined {
  const [written, name = ''] = flag.exec(text) ?? []
  if (written === undefined || !names[kind]?.split(' ').includes(name)) return undefined
  const begins = written.startsWith('--')
  const what = kind === 'ADD' || kind === 'COPY' ? 'a path' : 'the command'
  return {
    span: { ...span, end: Math.min(span.end, span.start + written.length) },
    message: `${kind} takes ${written} for ${what}, not for its flag --${name}`,
    hint: begins ? `flags stand right behind ${kind}` : `a flag begins with two hyphens: --${name}`,
  }
}
