// `slipway context`: looks at a build context without building.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { OpenContext } from '../../app/context-list.ts'
import { countErrors, diagnosticPrinter } from '../../core/diagnostic.ts'
import { redact, SlipwayError } from '../../core/error.ts'
import { isHttpUrl, readGitReference } from '../../core/git-reference.ts'
import { expectArguments, oneOf } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { hostOptions } from '../paths.ts'

interface Flags {
  readonly file?: string
  readonly sizes?: boolean
  readonly why?: string
  readonly format: string
}

export const contextCommand: CommandPage = {
  summary: 'Show what of a build context a build sees (slipway context ls)',
  define(command, finish) {
    command
      .usage('ls [OPTIONS] PATH')
      .argument('[words...]', 'ls, then the build context: a directory')
      .option('-f, --file <path>', 'Dockerfile, whose own ignore file PATH.dockerignore comes first')
      .option('--sizes', 'show sizes, of directories with all in them, and their sum')
      .option('--why <path>', 'show which pattern decided about this path of the context')
      .option('--format <format>', 'text or json', 'text')
      .action(async (words: string[], flags: Flags) => {
        expectArguments(command, words, 2)
        const [action, path = ''] = words
        if (action !== 'ls') {
          throw new SlipwayError({
            code: 'ERR_ARGUMENTS',
            message: `unknown action ${JSON.stringify(action)} of "slipway context"`,
            hint: 'slipway context ls PATH',
          })
        }
        finish(await showContext(path, flags))
      })
  },
}

async function showContext(path: string, flags: Flags): Promise<number> {
  const format = oneOf('--format', flags.format, ['text', 'json'] as const)
  if (flags.why !== undefined && flags.sizes) {
    throw new SlipwayError({
      code: 'ERR_ARGUMENTS',
      message: '--sizes and --why answer different questions',
      hint: 'give one of them',
    })
  }
  if (path === '-' || isFetched(path)) {
    throw new SlipwayError({
      code: 'ERR_CONTEXT_UNSUPPORTED',
      message: `open context ${redact(path)}: only a directory is listed`,
      hint: 'no ignore file applies to a context that is an archive, a repository or a URL: a build sees all of it',
    })
  }
  const { openContext } = await import('../../app/context-list.ts')
  const { file } = flags
  const request = { context: resolve(path), contextName: path, ...(file === undefined ? {} : { file }) }
  const opened = openContext(request, hostOptions().dist)
  process.stderr.write(complaints(opened))
  if (opened.questions === undefined) return 1
  process.stdout.write(await answer(opened, opened.questions, { ...flags, format }))
  return 0
}

function isFetched(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return false
  return isHttpUrl(path) || readGitReference(path).kind !== 'none'
}

function complaints({ diagnostics, ignoreFile, questions }: OpenContext): string {
  const files = ignoreFile === undefined ? [] : [ignoreFile]
  const printer = diagnosticPrinter(files)
  const text = diagnostics.map((diagnostic) => `${printer.format(diagnostic)}\n\n`).join('')
  return questions === undefined
    ? `${text}ERROR: ${countErrors(diagnostics, ignoreFile?.name ?? '.dockerignore')}\n`
    : text
}

async function answer(
  { ignoreFile }: OpenContext,
  questions: NonNullable<OpenContext['questions']>,
  { why, sizes, format }: Flags,
): Promise<string> {
  const { listingText, reasonText } = await import('../context-text.ts')
  const isJson = format === 'json'
  const named = ignoreFile === undefined ? {} : { ignoreFile: ignoreFile.name }
  const json = (value: object): string => `${JSON.stringify({ ...named, ...value }, undefined, 2)}\n`
  if (why !== undefined) {
    const reason = await questions.why(why)
    return isJson ? json(reason) : reasonText(reason, ignoreFile?.name)
  }
  const listing = await questions.list()
  return isJson ? json(listing) : listingText(listing, sizes === true)
}
