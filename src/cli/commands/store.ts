// `slipway store`: the local store as a whole.
import { SlipwayError } from '../../core/error.ts'
import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { transferCommand } from '../transfer.ts'

export const storeCommand: CommandPage = {
  summary: 'Check the local store (slipway store verify)',
  define(command, finish) {
    command
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
        let problems = 0
        const status = await transferCommand({}, async (images, host, cx) => {
          const report = await images.verify(host, cx)
          problems = report.problems.length
          const lines = report.problems.map((problem) => `${problem}\n`).join('')
          return `${lines}${report.images} images, ${problems} problems\n`
        })
        finish(status !== 0 ? status : problems === 0 ? 0 : 1)
      })
  },
}
