// What `--output-on-failure` says: `type=local,dest=DIRECTORY,path=PATH`. Every key and value is understood or refused by name.
import { readCsvFields } from '../core/csv.ts'
import { SlipwayError } from '../core/error.ts'

/** Files of a failed step and the directory they go to; `dest` is a path as typed. */
export interface FailureOutput {
  readonly type: 'local'
  readonly dest: string
  /** Absolute, in the file system of the step: a directory whose content is written, or one file. */
  readonly path: string
}

const keys = ['type', 'dest', 'path']
const wanted = 'type=local,dest=DIRECTORY,path=/PATH/IN/THE/STEP'

/** The output that `text` asks for. Throws ERR_OUTPUT_INVALID. */
export function parseFailureOutput(text: string): FailureOutput {
  const fields = readCsvFields(text)
  if (fields === undefined) throw invalid(text, 'misplaced double quote')
  const values = new Map<string, string>()
  for (const field of fields) {
    const [, name = '', value] = /^([^=]*)=(.*)$/s.exec(field) ?? []
    if (value === undefined) throw invalid(text, `${JSON.stringify(field)} is not of the form key=value`)
    const key = name.trim().toLowerCase()
    if (!keys.includes(key)) throw invalid(text, `unknown key ${JSON.stringify(key)}`)
    if (values.has(key)) throw invalid(text, `${key} is given twice`)
    values.set(key, value)
  }
  const [type, dest, path] = keys.map((key) => values.get(key) ?? '')
  if (type !== 'local') throw invalid(text, 'type must be local')
  if (!dest || dest === '-') throw invalid(text, 'dest must be a directory')
  if (!path?.startsWith('/')) throw invalid(text, 'path must be absolute')
  return { type, dest, path }
}

function invalid(text: string, reason: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_OUTPUT_INVALID',
    message: `invalid output on failure ${JSON.stringify(text)}: ${reason}`,
    hint: `write ${wanted}`,
  })
}
