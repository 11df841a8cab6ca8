// An unchanged build in a directory of its own while the start-up snapshot is made: whatever such a build runs is then
// compiled when slipway starts. What it leaves in memory tells nothing of the machine.
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { rehearsalHost } from '../app/rehearsal-host.ts'
import type { BuildRequest } from '../app/request.ts'
import { build } from '../build.ts'
import type { Context } from '../core/context.ts'
import type { BuildEvent } from '../core/event.ts'
import type { Output } from '../progress/types.ts'
import { openView } from '../progress/view.ts'
import { DockerCommand } from './command.ts'
import { buildCommand, type Flags, requestFrom } from './commands/build.ts'

/** Builds `directory`/context, which has been built before with the state in `directory`/state. */
export async function rehearse(directory: string): Promise<void> {
  const context = join(directory, 'context')
  const host = rehearsalHost(directory)
  // The first one plans, which the second one remembers.
  for (let i = 0; i < 2; i++) {
    const view = openView('plain', nowhere())
    let sequence = 0
    const cx: Context = {
      signal: new AbortController().signal,
      emit: (event: BuildEvent) =>
        view.apply({ ...event, time: new Date().toISOString(), sequence: sequence++ }),
      now: () => '1970-01-01T00:00:00Z',
      debug: () => undefined,
    }
    await build(await requestOf(['-t', 'example', '-f', `${context}/example.Dockerfile`, context]), host, cx)
    view.finish()
  }
}

/** A stream, as standard error is one. */
function nowhere(): Output {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done() })
  const write = (text: string): void => void stream.write(text)
  return { write, isTerminal: false, columns: 80, rows: 24, colours: false }
}

/** The request of a command line, read as every other. */
async function requestOf(argv: readonly string[]): Promise<BuildRequest> {
  const command = new DockerCommand('build')
  buildCommand.define(command, () => undefined)
  return new Promise((resolve, reject) => {
    command.action((paths: string[], flags: Flags) => resolve(requestFrom(paths[0] ?? '', flags)))
    command.parseAsync([...argv], { from: 'user' }).catch(reject)
  })
}
