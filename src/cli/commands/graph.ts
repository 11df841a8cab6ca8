// `slipway graph`: the build graph of a Dockerfile, without building it.
import { countErrors, diagnosticPrinter } from '../../core/diagnostic.ts'
import { printGraph } from '../../graph/print.ts'
import { printable } from '../../progress/model.ts'
import { collect, collectList, expectArguments, oneOf } from '../command.ts'
import type { CommandPage } from '../page.ts'
import { hostOptions } from '../paths.ts'
import { openSession } from '../session.ts'
import { type Flags as BuildFlags, requestFrom } from './build.ts'

type Flags = Pick<
  BuildFlags,
  'file' | 'target' | 'buildArg' | 'buildContext' | 'platform' | 'pull' | 'secret' | 'ssh'
> & { readonly format: string }

const formats = ['text', 'dot', 'json', 'svg'] as const

export const graphCommand: CommandPage = {
  summary: 'Print the build graph of a Dockerfile without building it',
  define(command, finish) {
    command
      .usage('[OPTIONS] PATH | -')
      .argument('[path...]', 'build context, as of slipway build')
      .option('--format <format>', `${formats.slice(0, -1).join(', ')} or svg`, 'text')
      .option('-f, --file <path>', 'Dockerfile (default: PATH/Dockerfile)')
      .option('--target <stage>', 'stage to build')
      .option('--build-arg <name=value>', 'value of an ARG', collect)
      .option('--build-context <name=source>', 'additional context', collect)
      .option('--platform <list>', 'platform to build for', collectList)
      .option('--pull', 'ask the registry for base images even when they are here')
      .option('--secret <spec>', 'secret: id=NAME[,src=FILE|,env=VARIABLE]', collect)
      .option('--ssh <agent>', 'SSH agent that git may use: default[=SOCKET]', collect)
      .action(async (paths: string[], flags: Flags) => {
        expectArguments(command, paths, 1)
        finish(await showGraph(paths[0] ?? '', flags))
      })
  },
}

async function showGraph(path: string, flags: Flags): Promise<number> {
  const format = oneOf('--format', flags.format, formats)
  const request = requestFrom(path, {
    ...flags,
    cacheFilter: [],
    cache: true,
    progress: 'none',
    call: 'build',
  })
  const session = await openSession({ progress: 'none' })
  try {
    const { planGraph } = await import('../../app/graph.ts')
    const { graph, roots, diagnostics, files, dockerfile } = await planGraph(
      request,
      hostOptions(),
      session.cx,
    )
    if (graph === undefined) {
      const printer = diagnosticPrinter(files)
      const errors = diagnostics.filter(({ severity }) => severity === 'error')
      for (const error of errors) process.stderr.write(`${printer.format(error)}\n\n`)
      process.stderr.write(`ERROR: failed to plan: ${countErrors(diagnostics, dockerfile)}\n`)
      return 1
    }
    const text = printGraph(graph, roots, format)
    // Dockerfiles come from anywhere; what is read by a program stays as it is.
    process.stdout.write(process.stdout.isTTY ? text.split('\n').map(printable).join('\n') : text)
    return 0
  } catch (thrown) {
    const interruptedBy = session.interruptedBy()
    if (interruptedBy === undefined) throw thrown
    return interruptedBy
  } finally {
    session.finish()
  }
}
