// `slipway pull`: an image from its registry into the local store.

import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { transferCommand } from '../transfer.ts'

export const pullCommand: CommandPage = {
  summary: 'Download an image from a registry',
  define(command, finish) {
    command
      .usage('[OPTIONS] NAME[:TAG|@DIGEST]')
      .argument('[name...]', 'image name[:tag|@digest]')
      .option('--platform <platform>', 'platform of the image (default: this machine)')
      .option('-q, --quiet', 'print only the name')
      .option('--progress <mode>', 'auto, plain, tty, rawjson or quiet', 'auto')
      .option('-D, --debug', 'write a debug log')
      .action(async (names: string[], flags) => {
        expectArguments(command, names, 1)
        finish(
          await transferCommand(flags, async (images, host, cx) => {
            const pulled = await images.pull(host, names[0] ?? '', flags.platform, cx)
            return { text: flags.quiet ? `${pulled.name}\n` : `Digest: ${pulled.digest}\n${pulled.name}\n` }
          }),
        )
      })
  },
}
