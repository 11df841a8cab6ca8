// `slipway inspect`: everything about images, as docker's JSON.
import { expectArguments, unsupported } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { eachName, lookCommand } from '../transfer.ts'

export const inspectCommand: CommandPage = {
  summary: 'Show images as JSON',
  define(command, finish) {
    command
      .usage('IMAGE [IMAGE...]')
      .argument('[names...]', 'image names or IDs')
      .option(
        '-f, --format <template>',
        'not supported yet',
        unsupported('--format', 'pipe the JSON through jq'),
      )
      .action(async (names: string[]) => {
        expectArguments(command, names, 1, Number.POSITIVE_INFINITY)
        finish(
          await lookCommand(async (images, host, cx) => {
            const { done, status } = await eachName(names, cx, (name) => images.inspect(host, name))
            return { text: `${JSON.stringify(done, undefined, 4)}\n`, status }
          }),
        )
      })
  },
}
