// The debug log: JSON lines by pino into a file of its own, so that it never mixes with a command's output.
import { pino } from 'pino'

/** Appends to `file`; each call is on disk's page cache when it returns, so that a crash keeps the last lines. */
export function openLog(file: string): (message: string, fields?: Readonly<Record<string, unknown>>) => void {
  const logger = pino(
    { level: 'debug', redact: ['*.authorization', '*.password', '*.token', '*.env'] },
    pino.destination({ dest: file, sync: true, mkdir: true, mode: 0o600 }),
  )
  return (message, fields) => logger.debug(fields ?? {}, message)
}
