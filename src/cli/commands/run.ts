// `slipway run`: starts an image of the local store in the build sandbox, to see that it works.
import { collect, expectArguments, unsupported } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { hostOptions } from '../paths.ts'
import { openSession } from '../session.ts'

export const runCommand: CommandPage = {
  summary: 'Start an image of the local store and wait for it',
  define(command, finish) {
    command
      .argument('[image]', 'image name or ID')
      .argument('[command...]', 'replaces the image CMD')
      .passThroughOptions()
      .option('--rm', 'accepted for compatibility: nothing of a run is kept')
      .option('-i, --interactive', 'accepted for compatibility: standard input is always connected')
      .option('-e, --env <name=value>', 'environment variable', collect)
      .option('-w, --workdir <path>', 'working directory')
      .option('-u, --user <user>', 'user[:group]')
      .option('--entrypoint <program>', 'replaces the image ENTRYPOINT')
      .option('--network <mode>', 'host (default) or none', 'host')
      .option(
        '-v, --volume <spec>',
        'not supported yet',
        unsupported('--volume', 'put the files into the image'),
      )
      .option(
        '-p, --publish <spec>',
        'not supported yet',
        unsupported('--publish', 'the host network is used'),
      )
      .option(
        '-d, --detach',
        'not supported',
        unsupported('--detach', 'run it in the background of your shell'),
      )
      .action(async (image: string | undefined, args: string[], flags) => {
        expectArguments(command, image === undefined ? [] : [image], 1)
        const session = await openSession({ progress: 'quiet' })
        const [{ runImage }, { openHost }] = await Promise.all([
          import('../../app/run.ts'),
          import('../../app/host.ts'),
        ])
        await using host = await openHost(hostOptions(), session.cx)
        const exit = await runImage(
          host,
          {
            image: image ?? '',
            args,
            env: (flags.env ?? []).map((e: string) => (e.includes('=') ? e : `${e}=${process.env[e] ?? ''}`)),
            network: flags.network === 'none' ? 'none' : 'host',
            terminal: process.stdin.isTTY === true,
            ...(flags.workdir === undefined ? {} : { cwd: flags.workdir }),
            ...(flags.user === undefined ? {} : { user: flags.user }),
            ...(flags.entrypoint === undefined ? {} : { entrypoint: flags.entrypoint }),
          },
          session.cx,
        )
        session.finish()
        finish(exit.code)
      })
  },
}
