// `--runtime`: which OCI runtime makes build containers.
import { resolve } from 'node:path'
import { usageError } from './command.ts'

/** A name to look up, or a path made absolute. */
export function runtimeFlag(text: string): string {
  if (text === '') throw usageError('--runtime', text, 'crun, runc or a path')
  return text.includes('/') ? resolve(text) : text
}
