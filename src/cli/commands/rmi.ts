// `slipway rmi`: takes names away; an image without names is deleted.
import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { eachName, transferCommand } from '../transfer.ts'

export const rmiCommand: CommandPage = {
  summary: 'Remove images from the local store',
  define(command, finish) {
    command
      .usage('[OPTIONS] IMAGE [IMAGE...]')
      .argument('[names...]', 'image names or IDs')
      .option('-f, --force', 'remove an image given by ID although it has several names; ignore missing ones')
      .action(async (names: string[], flags) => {
        expectArguments(command, names, 1, Number.POSITIVE_INFINITY)
        finish(
          await transferCommand({}, async (images, host, cx) => {
            const { done, status } = await eachName(names, cx, (name) =>
              images.remove(host, name, flags.force === true),
            )
            return {
              text: done
                .flat()
                .map((line) => `${line}\n`)
                .join(''),
              status,
            }
          }),
        )
      })
  },
}
