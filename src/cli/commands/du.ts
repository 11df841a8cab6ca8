// `slipway du`: what the state directory holds, and which lines of Dockerfiles made it.
import { collect, expectArguments, usageError } from '../command.ts'
import { imageTable, lines, stepTable, usageDetails, usageJson, usageTable } from '../disk-text.ts'
import type { CommandPage } from '../page.ts'
import { lookCommand } from '../transfer.ts'

export const duCommand: CommandPage = {
  summary: 'Show what the cache and the images take',
  define(command, finish) {
    command
      .usage('[--by-step | --by-image] [--json] [--filter FILTER]')
      .argument('[none...]')
      .option('--by-step', 'by the instructions of Dockerfiles')
      .option('--by-image', 'by images')
      .option('--json', 'one JSON object a line')
      .option('--verbose', 'everything that is known of each item')
      .option('--filter <filter>', 'only these, as slipway prune has them (repeatable)', collect)
      .action(async (words: string[], flags) => {
        expectArguments(command, words, 0)
        if (flags.byStep && flags.byImage)
          throw usageError('--by-image', 'true', 'one of --by-step, --by-image')
        finish(
          await lookCommand(async (_images, host, { signal }) => {
            const disk = await import('../../app/disk.ts')
            const nowMs = Date.now()
            const all = await disk.usageOf(host, { nowMs, signal })
            const matches = disk.filterFrom(flags.filter ?? [], nowMs)
            const usage = { ...all, rows: all.rows.filter(({ item }) => matches(item)) }
            if (flags.byStep) {
              const rows = disk.usageBySteps(usage)
              return { text: flags.json ? lines(rows) : stepTable(rows, nowMs) }
            }
            if (flags.byImage) {
              const rows = disk.usageByImages(usage)
              return { text: flags.json ? lines(rows) : imageTable(rows) }
            }
            if (flags.json) return { text: usageJson(usage.rows) }
            return { text: flags.verbose ? usageDetails(usage.rows, nowMs) : usageTable(usage, nowMs) }
          }),
        )
      })
  },
}
