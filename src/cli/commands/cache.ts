// `slipway cache`: the caches of RUN --mount=type=cache, and their way from one machine to another.
import { SlipwayError } from '../../core/error.ts'
import { collect, expectArguments, usageError } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { formatAge, formatSize, formatTable } from '../table.ts'
import { lookCommand, transferCommand } from '../transfer.ts'

export const cacheCommand: CommandPage = {
  summary: 'List, export and import the caches of RUN --mount=type=cache',
  define(command, finish) {
    command
      .usage('ls [--json] | export [--id ID] FILE|- | import FILE|-')
      .argument('[action...]', 'ls, export or import, and the file of the last two')
      .option('--json', 'ls: one JSON object a line')
      .option('--id <id>', 'export: only this cache (repeatable; default: all)', collect)
      .action(async (words: string[], flags: { json?: boolean; id?: string[] }) => {
        const [action, file] = words
        if (action !== undefined && !['ls', 'export', 'import'].includes(action)) throw unknownAction(action)
        expectArguments(command, words, action === 'ls' ? 1 : 2)
        if (flags.json && action !== 'ls') throw usageError('--json', 'true', 'only with ls')
        if (flags.id !== undefined && action !== 'export') {
          throw usageError('--id', flags.id.join(' '), 'only with export')
        }
        if (action === 'ls') finish(await list(flags.json === true))
        else if (action === 'export') finish(await exportTo(file ?? '-', flags.id ?? []))
        else finish(await importFrom(file ?? '-'))
      })
  },
}

function unknownAction(action: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_ARGUMENTS',
    message: `unknown action ${JSON.stringify(action)} of "slipway cache"`,
    hint: 'slipway cache ls, slipway cache export FILE, slipway cache import FILE',
  })
}

function list(json: boolean): Promise<number> {
  return lookCommand(async (_images, host) => {
    const { listCaches } = await import('../../app/caches.ts')
    const rows = await listCaches(host)
    if (json) return { text: rows.map((row) => `${JSON.stringify(row)}\n`).join('') }
    const headings = ['ID', 'NAME', 'SIZE', 'FILES', 'LAST USED']
    const cells = rows.map(({ id, name, instance, sizeBytes, files, used }) => [
      id,
      `${name.slice(0, 12)}/${instance}`,
      formatSize(sizeBytes),
      String(files),
      formatAge(used, Date.now()),
    ])
    return { text: formatTable(headings, cells) }
  })
}

function exportTo(dest: string, ids: readonly string[]): Promise<number> {
  return transferCommand({}, async (_images, host, cx) => {
    if (dest === '-' && process.stdout.isTTY) {
      throw new SlipwayError({
        code: 'ERR_OUTPUT_TERMINAL',
        message: 'export caches: standard output is a terminal',
        hint: 'name a file, or redirect the output',
      })
    }
    const { writeCaches } = await import('../../app/caches.ts')
    const written = await writeCaches(host, { ids, dest, stdout: process.stdout }, cx)
    return { text: dest === '-' ? '' : `${written.length} caches exported\n` }
  })
}

function importFrom(source: string): Promise<number> {
  return transferCommand({}, async (_images, host, cx) => {
    const { readCaches } = await import('../../app/caches.ts')
    const ids = await readCaches(host, { source, stdin: process.stdin }, cx)
    return { text: ids.map((id) => `${id}\n`).join('') }
  })
}
