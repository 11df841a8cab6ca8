// RUN: its command, its flags. What a mount's options mean is decided by the plan, after expansion.
import { readCsvFields } from '../../core/csv.ts'
import type { Run, Word } from '../ast.ts'
import { readCommand } from '../command.ts'
import { readFlags } from '../flags.ts'
import { commonOf, type InstructionText } from '../instruction-text.ts'

export function readRun(text: InstructionText): Run | undefined {
  const flags = readFlags(text, { mount: 'words', network: 'word', security: 'word', device: 'words' })
  const network = flags.word('network')
  const security = flags.word('security')
  const mounts = flags.words('mount')
  checkChoice(text, network, ['default', 'none', 'host'], (v) => `invalid network mode ${v}`)
  checkChoice(text, security, ['sandbox', 'insecure'], (v) => `security ${v} is not valid`)
  for (const mount of mounts) checkMount(text, mount)
  const command = readCommand(text)
  if (command === undefined) return undefined
  return {
    kind: 'RUN',
    ...commonOf(text, flags.all),
    command,
    heredocs: text.line.heredocs,
    mounts,
    ...(network === undefined ? {} : { network }),
    ...(security === undefined ? {} : { security }),
    devices: flags.words('device'),
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

/** The one thing about mounts that is wrong before any variable has a value. */
function checkMount(text: InstructionText, mount: Word): void {
  const fields = readCsvFields(mount.text)
  if (fields === undefined) {
    text.report.error('InvalidMount', 'failed to parse csv mounts: a quote is out of place', mount.span)
    return
  }
  for (const field of fields) {
    const [, from] = /^from=(.*)$/is.exec(field) ?? []
    const dollar = from?.indexOf('$') ?? -1
    if (from === undefined || dollar === -1 || dollar === from.length - 1) continue
    const message = "'from' doesn't support variable expansion, define alias stage instead"
    const hint = `add FROM ${from} AS <name> and mount from that stage`
    text.report.error('VariableInFrom', message, mount.span, { hint })
  }
}
