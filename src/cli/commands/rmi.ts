// `slipway rmi`: takes names away; an image without names is deleted.
import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { transferCommand } from '../transfer.ts'

export const rmiCommand: CommandPage = {
  summary: 'Remove images from the local store',
  define(command, finish) {
    command
      .argument('[names...]', 'image names or IDs')
      .option('-f, --force', 'remove an image given by ID although it has several names; ignore missing ones')
      .action(async (names: string[], flags) => {
        expectArguments(command, names, 1, Number.POSITIVE_INFINITY)
        finish(
          await transferCommand({}, async (images, host) => {
            const lines: string[] = []
            for (const name of names) lines.push(...(await images.remove(host, name, flags.force === true)))
            return lines.map((line) => `${line}\n`).join('')
          }),
        )
      })
  },
}
