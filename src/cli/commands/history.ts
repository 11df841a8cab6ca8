// `slipway history`: the steps an image was made by, newest first.
import { hexOf } from '../../core/digest.ts'
import { expectArguments, usageError } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { formatAge, formatSize, formatTable } from '../table.ts'
import { lookCommand } from '../transfer.ts'

export const historyCommand: CommandPage = {
  summary: 'Show how an image was made',
  define(command, finish) {
    command
      .usage('[OPTIONS] IMAGE')
      .argument('[name...]', 'image name or ID')
      .option('--no-trunc', 'show whole instructions')
      .option('--format <format>', 'table or json', 'table')
      .action(async (names: string[], flags) => {
        expectArguments(command, names, 1)
        if (flags.format !== 'table' && flags.format !== 'json') {
          throw usageError('--format', flags.format, 'table or json (templates are not supported)')
        }
        finish(
          await lookCommand(async (images, host) => {
            const rows = await images.history(host, names[0] ?? '')
            if (flags.format === 'json')
              return { text: rows.map((row) => `${JSON.stringify(row)}\n`).join('') }
            const cut = (text: string): string =>
              flags.trunc && text.length > 45 ? `${text.slice(0, 44)}…` : text
            const text = formatTable(
              ['IMAGE', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'],
              rows.map((row) => [
                row.id === undefined ? '<missing>' : flags.trunc ? hexOf(row.id).slice(0, 12) : row.id,
                formatAge(row.created, Date.now()),
                cut(row.createdBy.replaceAll(/\s+/g, ' ')),
                formatSize(row.sizeBytes),
                row.comment,
              ]),
            )
            return { text }
          }),
        )
      })
  },
}
