// `slipway tag`: one more name for an image.
import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { transferCommand } from '../transfer.ts'

export const tagCommand: CommandPage = {
  summary: 'Give an image another name',
  define(command, finish) {
    command
      .usage('SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]')
      .argument('[names...]', 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]')
      .action(async (names: string[]) => {
        expectArguments(command, names, 2)
        finish(
          await transferCommand({}, async (images, host) => {
            await images.tag(host, names[0] ?? '', names[1] ?? '')
            return { text: '' }
          }),
        )
      })
  },
}
