// RUN: its command, its flags. What a mount's options mean is decided by the plan, after expansion.
import type { Run, Word } from '../ast.ts'
import { readCommand } from '../command.ts'
import { readFlags } from '../flags.ts'
import { readHeredocWord } from '../heredoc.ts'
import { checkFileName } from '../heredoc-file-name.ts'
import { commonOf, type InstructionText } from '../instruction-text.ts'
import { readDeviceFlag, readMountFlag } from '../mount-flag.ts'

export function readRun(text: InstructionText): Run | undefined {
  const flags = readFlags(text, { mount: 'words', network: 'word', security: 'word', device: 'words' })
  const network = flags.word('network')
  const security = flags.word('security')
  checkChoice(text, network, ['default', 'none', 'host'], (v) => `invalid network mode ${v}`)
  checkChoice(text, security, ['sandbox', 'insecure'], (v) => `security ${v} is not valid`)
  const mounts = flags.values('mount').flatMap((value) => readMountFlag(value, text.report) ?? [])
  const devices = flags.values('device').flatMap((value) => readDeviceFlag(value, text.report) ?? [])
  const command = readCommand(text)
  if (command === undefined) return undefined
  const [script] = text.line.heredocs
  const isScript = command.form === 'shell' && readHeredocWord(command.text) !== undefined
  if (isScript && script?.content.startsWith('#!')) checkFileName(text, script.name, script.span)
  return {
    kind: 'RUN',
    ...commonOf(text, flags.all),
    command,
    heredocs: text.line.heredocs,
    mounts,
    ...(network === undefined ? {} : { network }),
    ...(security === undefined ? {} : { security }),
    devices,
  }
}

function checkChoice(
  text: InstructionText,
  value: Word | undefined,
  choices: readonly string[],
  message: (quoted: string) => string,
): void {
  if (value === undefined || choices.includes(value.text)) return
  const hint = `one of ${choices.join(', ')}`
  text.report.error('InvalidFlagValue', message(JSON.stringify(value.text)), value.span, { hint })
}
