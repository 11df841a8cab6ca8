// `slipway push`: an image of the local store to its registry.
import { expectArguments } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { transferCommand } from '../transfer.ts'

export const pushCommand: CommandPage = {
  summary: 'Upload an image to a registry',
  define(command, finish) {
    command
      .usage('[OPTIONS] NAME[:TAG]')
      .argument('[name...]', 'image name[:tag]')
      .option('-q, --quiet', 'print only the name')
      .option('--progress <mode>', 'auto, plain, tty, rawjson or quiet', 'auto')
      .option('-D, --debug', 'write a debug log')
      .action(async (names: string[], flags) => {
        expectArguments(command, names, 1)
        finish(
          await transferCommand(flags, async (images, host, cx) => {
            const pushed = await images.push(host, names[0] ?? '', cx)
            const { name, digest, sizeBytes } = pushed
            return { text: flags.quiet ? `${name}\n` : `${name}: digest: ${digest} size: ${sizeBytes}\n` }
          }),
        )
      })
  },
}
