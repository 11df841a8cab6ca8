// A compact readable print of a tree for golden files: one line per instruction, its parts below.
import type {
  Command,
  Dockerfile,
  Heredoc,
  Instruction,
  MountFlag,
  Stages,
  Word,
} from '../../src/dockerfile/ast.ts'

export function showDockerfile(file: Dockerfile, stages: Stages, text: string): string {
  const lines = file.directives.map((d) => `directive ${d.name} = ${JSON.stringify(d.value)}`)
  const owner = new Map<Instruction, string>()
  for (const stage of stages.stages) {
    const name = stage.name === undefined ? '' : ` ${stage.name}`
    owner.set(stage.from, ` (stage ${stage.index}${name})`)
  }
  for (const instruction of file.instructions) {
    const line = text.slice(0, instruction.span.start).split('\n').length
    lines.push(`${line}: ${instruction.kind}${owner.get(instruction) ?? ''}`, ...show(instruction, text))
  }
  return `${lines.join('\n')}\n`
}

function show(instruction: Instruction, text: string): string[] {
  const hidden = new Set(['kind', 'span', 'keyword', 'original', 'emptyContinuations', 'swallowed'])
  const out: string[] = []
  if (instruction.keyword.text !== instruction.kind) out.push(`  keyword ${instruction.keyword.text}`)
  for (const [name, value] of Object.entries(instruction)) {
    if (hidden.has(name)) continue
    if (name === 'trigger') {
      out.push(`  trigger ${instruction.kind === 'ONBUILD' ? instruction.trigger.kind : ''}`)
      out.push(...show(value as Instruction, text).map((line) => `  ${line}`))
      continue
    }
    for (const item of Array.isArray(value) ? value : [value]) out.push(`  ${name} ${showValue(item, text)}`)
  }
  if (instruction.emptyContinuations !== undefined) {
    out.push(`  emptyContinuations ${instruction.emptyContinuations.length}`)
  }
  return out
}

/** A word as its text, with where it stands when the file spells it otherwise. */
function showWord(word: Word, text: string): string {
  const source = text.slice(word.span.start, word.span.end)
  return JSON.stringify(word.text) + (source === word.text ? '' : ` from ${JSON.stringify(source)}`)
}

function isWord(value: object): value is Word {
  return 'text' in value && 'span' in value && !('form' in value)
}

function showValue(value: unknown, text: string): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isWord(value)) return showWord(value, text)
  if ('contentSpan' in value) return showHeredoc(value as Heredoc)
  if ('form' in value) return showCommand(value as Command)
  if ('heredoc' in value) return `heredoc ${showHeredoc(value.heredoc as Heredoc)}`
  if ('word' in value) return showWord(value.word as Word, text)
  if ('fields' in value) {
    return (value as MountFlag).fields
      .map((f) => `${showWord(f.key, text)}${f.value === undefined ? '' : ` = ${showWord(f.value, text)}`}`)
      .join(', ')
  }
  return Object.entries(value)
    .filter(([name]) => name !== 'span')
    .map(([name, part]) => `${name} ${showValue(part, text)}`)
    .join(', ')
}

function showHeredoc({ name, expand, chomp, fileDescriptor, content }: Heredoc): string {
  const marks = [expand ? 'expand' : 'verbatim', ...(chomp ? ['chomp'] : [])]
  if (fileDescriptor !== undefined) marks.push(`fd ${fileDescriptor}`)
  return `${name} (${marks.join(', ')}) ${JSON.stringify(content)}`
}

function showCommand(command: Command): string {
  return command.form === 'exec'
    ? `exec ${JSON.stringify(command.args)}`
    : `shell ${JSON.stringify(command.text)}`
}
