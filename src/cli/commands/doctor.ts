// `slipway doctor`: whether builds work on this machine, as whom, and what to do where they do not.
import type { Check, Level, Verdict } from '../../app/doctor/verdict.ts'
import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { hostOptions } from '../paths.ts'
import { openSession } from '../session.ts'

export const doctorCommand: CommandPage = {
  summary: 'Check whether builds work on this machine, and say what is missing',
  define(command, finish) {
    command
      .usage('[OPTIONS]')
      .argument('[words...]')
      .option('--json', 'print the checks as JSON')
      .action(async (words: string[], { json }: { readonly json?: boolean }) => {
        expectArguments(command, words, 0)
        finish(await runDoctor(json === true))
      })
  },
}

/** 0 when builds work. */
async function runDoctor(json: boolean): Promise<number> {
  const session = await openSession({ progress: 'none' })
  try {
    const [{ gatherFacts }, { judge }] = await Promise.all([
      import('../../app/doctor/gather.ts'),
      import('../../app/doctor/verdict.ts'),
    ])
    const verdict = judge(await gatherFacts(hostOptions(), session.cx))
    process.stdout.write(json ? `${JSON.stringify(verdict, undefined, 2)}\n` : verdictText(verdict))
    return verdict.level === 'none' ? 1 : 0
  } finally {
    session.finish()
  }
}

const sentences: Readonly<Record<Level, string>> = {
  root: 'Builds work here, as root.',
  ranges: 'Builds work here, as an ordinary user with ranges of ids.',
  single: 'Builds work here, as an ordinary user with a single id: owners of files are recorded.',
  none: 'Builds do not work here.',
}

function verdictText({ level, checks }: Verdict): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  const line = ({ name, status, text, fix }: Check): string => {
    const help = fix === undefined ? '' : `${' '.repeat(14 + width)}help: ${fix}\n`
    return `  ${status.padEnd(8)}  ${name.padEnd(width)}  ${text}\n${help}`
  }
  return `${sentences[level]}\n\n${checks.map(line).join('')}`
}
