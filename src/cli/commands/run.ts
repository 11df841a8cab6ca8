// `slipway run`: starts an image of the local store in the build sandbox, to see that it works.

import type { RunRequest } from '../../app/run.ts'
import { collect, expectArguments, oneOf, unsupported } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { hostOptions, requireRoot } from '../paths.ts'
import { programStatus } from '../program-status.ts'
import { runtimeFlag } from '../runtime-flag.ts'

export const runCommand: CommandPage = {
  summary: 'Start an image of the local store and wait for it',
  define(command, finish) {
    command
      .usage('[OPTIONS] IMAGE [COMMAND] [ARG...]')
      .argument('[image]', 'image name or ID')
      .argument('[command...]', 'replaces the image CMD')
      .passThroughOptions()
      .option('--rm', 'accepted for compatibility: nothing of a run is kept')
      .option('-i, --interactive', 'accepted for compatibility: standard input is always connected')
      .option('-t, --tty', 'accepted for compatibility: the program has the terminal that slipway has')
      .option('--init', 'accepted for compatibility: orphans are always reaped')
      .option('-e, --env <name=value>', 'environment variable', collect)
      .option('-w, --workdir <path>', 'working directory')
      .option('-u, --user <user>', 'user[:group]')
      .option('--entrypoint <program>', 'replaces the image ENTRYPOINT')
      .option('--runtime <runtime>', 'OCI runtime that runs it: crun, runc or a path', runtimeFlag)
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
        expectArguments(command, image === undefined ? [] : [image], 1, Number.POSITIVE_INFINITY)
        finish(await runContainer(requestFrom(image ?? '', args, flags)))
      })
  },
}

interface Flags {
  readonly env?: readonly string[]
  readonly network: string
  readonly workdir?: string
  readonly user?: string
  readonly entrypoint?: string
  readonly runtime?: string
}

function requestFrom(image: string, args: readonly string[], flags: Flags): RunRequest {
  return {
    image,
    args,
    env: (flags.env ?? []).flatMap(assignment),
    network: oneOf('--network', flags.network, ['host', 'none'] as const),
    terminal: process.stdin.isTTY === true,
    ...(flags.workdir === undefined ? {} : { cwd: flags.workdir }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.entrypoint === undefined ? {} : { entrypoint: flags.entrypoint }),
    ...(flags.runtime === undefined ? {} : { runtime: flags.runtime }),
  }
}

/** `NAME` alone takes the value of this environment, and is left out when that has none. */
function assignment(text: string): string[] {
  if (text.includes('=')) return [text]
  const value = process.env[text]
  return value === undefined ? [] : [`${text}=${value}`]
}

/** The program's exit status; 125 when it could not be started for a reason of slipway's, 126 and 127 as a shell says them. */
async function runContainer(request: RunRequest): Promise<number> {
  requireRoot('run an image')
  return programStatus(async (cx) => {
    const [{ runImage }, { openHost }] = await Promise.all([
      import('../../app/run.ts'),
      import('../../app/host.ts'),
    ])
    await using host = await openHost(hostOptions(), cx)
    return await runImage(host, request, cx)
  })
}
