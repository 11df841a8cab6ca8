// What stays in the state directory of a step that failed.
import { join } from 'node:path'
import { errnoOf } from '../core/error.ts'
import { keptLogs } from '../ops/failed/kept-logs.ts'
import type { FailureKeeper } from '../ops/failed/types.ts'
import type { Host } from './host.ts'

/** Keeps the log of each failed step; `data.log` of its error is the path. */
export function keepFailures({ directory }: Pick<Host, 'directory'>): FailureKeeper {
  const logs = keptLogs(join(directory, 'logs'))
  return {
    async keep({ log, note }, cx) {
      try {
        const path = logs.keep(log, note.slot)
        return path === undefined ? {} : { log: path }
      } catch (thrown) {
        const errno = errnoOf(thrown)
        if (errno === undefined) throw thrown
        cx.debug('keep the log of a failed step', { errno })
        return { logLost: errno }
      }
    },
  }
}
