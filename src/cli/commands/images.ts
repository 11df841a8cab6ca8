// `slipway images`: what the local store holds.
import { hexOf } from '../../core/digest.ts'
import { expectArguments, usageError } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { formatAge, formatSize, formatTable } from '../table.ts'
import { lookCommand } from '../transfer.ts'

export const imagesCommand: CommandPage = {
  summary: 'List the images of the local store',
  define(command, finish) {
    command
      .usage('[OPTIONS] [REPOSITORY[:TAG]]')
      .argument('[repository...]', 'only images of this repository, or this name')
      .option('-a, --all', 'accepted for compatibility: every image is always listed')
      .option('-q, --quiet', 'print only image IDs')
      .option('--digests', 'show manifest digests')
      .option('--no-trunc', 'show whole IDs')
      .option('--format <format>', 'table or json', 'table')
      .action(async (names: string[], flags) => {
        expectArguments(command, names, 0, 1)
        if (flags.format !== 'table' && flags.format !== 'json') {
          throw usageError('--format', flags.format, 'table or json (templates are not supported)')
        }
        finish(
          await lookCommand(async (images, host) => {
            const rows = await images.list(host, names[0])
            if (flags.format === 'json')
              return { text: rows.map((row) => `${JSON.stringify(row)}\n`).join('') }
            const id = (row: (typeof rows)[number]): string =>
              flags.trunc ? hexOf(row.id).slice(0, 12) : row.id
            if (flags.quiet) return { text: rows.map((row) => `${id(row)}\n`).join('') }
            const text = formatTable(
              ['REPOSITORY', 'TAG', ...(flags.digests ? ['DIGEST'] : []), 'IMAGE ID', 'CREATED', 'SIZE'],
              rows.map((row) => [
                row.repository ?? '<none>',
                row.tag ?? '<none>',
                ...(flags.digests ? [row.digest] : []),
                id(row),
                formatAge(row.created, Date.now()),
                formatSize(row.sizeBytes),
              ]),
            )
            return { text }
          }),
        )
      })
  },
}
