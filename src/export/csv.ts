// One record of comma-separated values as docker's flags use it (RFC 4180 quoting).
import { SlipwayError } from '../core/error.ts'

/** The fields of `text`; a field in double quotes may hold commas, `""` stands for a quote. Throws ERR_OUTPUT_INVALID. */
export function splitFields(text: string): readonly string[] {
  const fields: string[] = []
  let rest = text
  for (;;) {
    const match = rest.startsWith('"') ? /^"((?:[^"]|"")*)"(,|$)/.exec(rest) : /^([^",]*)(,|$)/.exec(rest)
    if (match === null) {
      throw new SlipwayError({
        code: 'ERR_OUTPUT_INVALID',
        message: `read output ${JSON.stringify(text)}: misplaced double quote`,
        hint: 'quote a whole field: type=local,"dest=a,b"',
      })
    }
    const [whole, field = '', end] = match
    fields.push(field.replaceAll('""', '"'))
    if (end === '') return fields
    rest = rest.slice(whole.length)
  }
}
