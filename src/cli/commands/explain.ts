// `slipway explain`: why the steps of the last build ran or did not have to.
import { resolve } from 'node:path'
import { redact } from '../../core/error.ts'
import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { stateRoot } from '../paths.ts'

interface Flags {
  readonly context?: string
  readonly file?: string
  readonly json?: boolean
}

export const explainCommand: CommandPage = {
  summary: 'Tell why the steps of the last build ran, or why they did not have to',
  define(command, finish) {
    command
      .usage('[OPTIONS] [STEP]')
      .argument('[step...]', 'a step by its number, its line (Dockerfile:12) or a part of its text')
      .option('--context <path>', 'the last build of this context (default: the last build of all)')
      .option('-f, --file <path>', 'the last build with this --file')
      .option('--json', 'for programs')
      .action(async (words: string[], flags: Flags) => {
        expectArguments(command, words, 0, 1)
        finish(await explain(words[0], flags))
      })
  },
}

async function explain(step: string | undefined, { context, file, json }: Flags): Promise<number> {
  const { explainLast, findSteps } = await import('../../app/explain.ts')
  const build = explainLast({
    root: stateRoot(),
    ...(context === undefined ? {} : { context: nameOf(context) }),
    ...(file === undefined ? {} : { file: resolve(file) }),
  })
  const steps = step === undefined ? build.steps : findSteps(build, step)
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...build, steps }, undefined, 2)}\n`)
    return 0
  }
  const { buildText, stepText } = await import('../explain-text.ts')
  process.stdout.write(
    step === undefined ? buildText(build) : steps.map((found) => stepText(build, found)).join(''),
  )
  return 0
}

/** A directory by its path, anything else (`-`, a URL, a repository) as it was written. */
function nameOf(context: string): string {
  return context === '-' || /^[a-z+]+:\/\/|^git@|#/.test(context) ? redact(context) : resolve(context)
}
