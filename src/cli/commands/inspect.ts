// `slipway inspect`: everything about images, as docker's JSON.
import { expectArguments, unsupported } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { transferCommand } from '../transfer.ts'

export const inspectCommand: CommandPage = {
  summary: 'Show images as JSON',
  define(command, finish) {
    command
      .argument('[names...]', 'image names or IDs')
      .option(
        '-f, --format <template>',
        'not supported yet',
        unsupported('--format', 'pipe the JSON through jq'),
      )
      .action(async (names: string[]) => {
        expectArguments(command, names, 1, Number.POSITIVE_INFINITY)
        finish(
          await transferCommand({}, async (images, host) => {
            const found = []
            for (const name of names) found.push(await images.inspect(host, name))
            return `${JSON.stringify(found, undefined, 4)}\n`
          }),
        )
      })
  },
}
