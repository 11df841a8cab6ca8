// The debug log: JSON lines by pino into a file of its own, so that it never mixes with a command's output.
import { pino } from 'pino'
import { errnoOf, SlipwayError } from '../core/error.ts'

/** Appends to `file`; each call is on disk's page cache when it returns, so that a crash keeps the last lines. */
export function openLog(file: string): (message: string, fields?: Readonly<Record<string, unknown>>) => void {
  const logger = pino(
    { level: 'debug', redact: ['*.authorization', '*.password', '*.token', '*.env'] },
    destination(file),
  )
  return (message, fields) => logger.debug(fields ?? {}, message)
}

function destination(file: string): ReturnType<typeof pino.destination> {
  try {
    return pino.destination({ dest: file, sync: true, mode: 0o600 })
  } catch (cause) {
    throw new SlipwayError({
      code: 'ERR_LOG',
      message: `write debug log ${file}: ${errnoOf(cause) ?? String(cause)}`,
      hint: 'SLIPWAY_LOG names a file in a directory that exists',
      cause,
    })
  }
}
