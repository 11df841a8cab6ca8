// Every command by name, in the order the help lists them.
import type { CommandPage } from '../page.ts'
import { buildCommand } from './build.ts'
import { cacheCommand } from './cache.ts'
import { contextCommand } from './context.ts'
import { doctorCommand } from './doctor.ts'
import { duCommand } from './du.ts'
import { explainCommand } from './explain.ts'
import { graphCommand } from './graph.ts'
import { historyCommand } from './history.ts'
import { imagesCommand } from './images.ts'
import { inspectCommand } from './inspect.ts'
import { pruneCommand } from './prune.ts'
import { pullCommand } from './pull.ts'
import { pushCommand } from './push.ts'
import { rmiCommand } from './rmi.ts'
import { runCommand } from './run.ts'
import { shellCommand } from './shell.ts'
import { storeCommand } from './store.ts'
import { tagCommand } from './tag.ts'

export const commands: Readonly<Record<string, CommandPage>> = {
  build: buildCommand,
  explain: explainCommand,
  graph: graphCommand,
  run: runCommand,
  shell: shellCommand,
  pull: pullCommand,
  push: pushCommand,
  images: imagesCommand,
  tag: tagCommand,
  rmi: rmiCommand,
  inspect: inspectCommand,
  history: historyCommand,
  du: duCommand,
  prune: pruneCommand,
  store: storeCommand,
  cache: cacheCommand,
  context: contextCommand,
  doctor: doctorCommand,
}
