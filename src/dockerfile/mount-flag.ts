// `RUN --mount=` and `RUN --device=` as written: comma-separated fields with their places in the file.
import { readPlacedCsvFields } from '../core/csv.ts'
import { nearest } from '../core/diagnostic.ts'
import { parseBoolean } from '../core/go-values.ts'
import type { Device, MountField, MountFlag, Word } from './ast.ts'
import type { FlagValue } from './flags.ts'
import type { Report } from './report.ts'

/** The fields of a mount; undefined after reporting that they cannot be told apart. */
export function readMountFlag(value: FlagValue, report: Report): MountFlag | undefined {
  const fields = readFields(value, 'mounts', report)
  if (fields === undefined) return undefined
  // A mount's source decides which stages are built, so it must be known before any variable has a value.
  for (const { key, value: from } of fields) {
    if (key.text.toLowerCase() === 'from' && from !== undefined) reportVariable(from, report)
  }
  return { fields, span: value.flag.span }
}

function reportVariable(from: Word, report: Report): void {
  const dollar = from.text.indexOf('$')
  if (dollar === -1 || dollar === from.text.length - 1) return
  const message = "'from' doesn't support variable expansion, define alias stage instead"
  const hint = `add FROM ${from.text} AS <name> and mount from that stage`
  report.error('VariableInFrom', message, from.span, { hint })
}

/** The device a flag asks for; undefined after reporting why it is none. Variables mean nothing here. */
export function readDeviceFlag(flag: FlagValue, report: Report): Device | undefined {
  const fields = readFields(flag, 'devices', report)
  if (fields === undefined) return undefined
  let name: Word | undefined
  let required = false
  let isRight = true
  const fail = (message: string, at: Word, hint?: string): void => {
    isRight = false
    report.error('InvalidDevice', message, at.span, hint === undefined ? {} : { hint })
  }
  for (const { key, value, span } of fields) {
    const field = { text: value === undefined ? key.text : `${key.text}=${value.text}`, span }
    const kind = key.text.toLowerCase()
    if (kind === 'required') {
      const parsed = value === undefined ? true : parseBoolean(value.text)
      if (parsed === undefined) fail(`invalid value for required: ${value?.text}`, value ?? key)
      else required = parsed
    } else if (kind === 'name' && value !== undefined) {
      if (!isNamed(name)) name = value
      else fail(`device name already set to ${name.text}`, field)
    } else if (!isNamed(name)) {
      name = field
    } else if (value === undefined) {
      fail(`invalid field '${field.text}' must be a key=value pair`, field)
    } else {
      const close = nearest(kind, ['name', 'required'])
      fail(
        `unexpected key '${kind}' in '${field.text}'${close === undefined ? '' : ` (did you mean ${close}?)`}`,
        key,
      )
    }
  }
  if (!isNamed(name)) {
    // Differs: BuildKit finds out that a device has no name when it looks for it.
    if (isRight) fail('a device needs a name', flag.word, 'write it as --device=vendor.com/class=name')
    return undefined
  }
  return isRight ? { name, required, span: flag.flag.span } : undefined
}

function isNamed(name: Word | undefined): name is Word {
  return name !== undefined && name.text !== ''
}

function readFields(value: FlagValue, what: string, report: Report): MountField[] | undefined {
  const fields = value.word.text === '' ? undefined : readPlacedCsvFields(value.word.text)
  if (fields === undefined) {
    const reason = value.word.text === '' ? 'there is nothing' : 'a quote is out of place'
    report.error(
      what === 'mounts' ? 'InvalidMount' : 'InvalidDevice',
      `failed to parse csv ${what}: ${reason}`,
      value.word.span,
    )
    return undefined
  }
  return fields.map((field) => {
    const span = value.spanOf(field.start, field.end)
    const wordOf = (start: number, end: number): Word => {
      const from = field.places[start] ?? field.end
      const to = start < end ? (field.places[end - 1] ?? field.end) + 1 : from
      return { text: field.text.slice(start, end), span: value.spanOf(from, to) }
    }
    const equals = field.text.indexOf('=')
    if (equals === -1) return { key: wordOf(0, field.text.length), span }
    return { key: wordOf(0, equals), value: wordOf(equals + 1, field.text.length), span }
  })
}
