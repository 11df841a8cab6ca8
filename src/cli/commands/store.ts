// `slipway store`: the local store as a whole.
import { SlipwayError } from '../../core/error.ts'
import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { transferCommand } from '../transfer.ts'

export const storeCommand: CommandPage = {
  summary: 'Check the local store (slipway store verify)',
  define(command, finish) {
    command
      .usage('verify')
      .argument('[action...]', 'verify: re-hash every blob and check every image')
      .action(async (words: string[]) => {
        expectArguments(command, words, 1)
        if (words[0] !== 'verify') {
          throw new SlipwayError({
            code: 'ERR_ARGUMENTS',
            message: `unknown action ${JSON.stringify(words[0])} of "slipway store"`,
            hint: 'slipway store verify',
          })
        }
        finish(
          await transferCommand({}, async (images, host, cx) => {
            const { problems, images: count } = await images.verify(host, cx)
            const lines = problems.map((problem) => `${problem}\n`).join('')
            const text = `${lines}${count} images, ${problems.length} problems\n`
            return { text, status: problems.length === 0 ? 0 : 1 }
          }),
        )
      })
  },
}
