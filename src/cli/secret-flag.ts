// `--secret id=NAME[,src=FILE|,env=VARIABLE]`, as buildx reads it.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SecretSource } from '../app/secrets.ts'
import { readCsvFields } from '../core/csv.ts'
import { usageError } from './command.ts'

const wanted = 'id=NAME[,src=FILE], id=NAME,env=VARIABLE'

/** Where a `--secret` says that its secret is. A bare id is the variable of that name, else the file. */
export function secretFlag(text: string): SecretSource {
  const fields = new Map<string, string>()
  for (const field of readCsvFields(text) ?? []) {
    const [, key = '', value = ''] = /^([^=]*)=(.*)$/s.exec(field) ?? []
    const name = key.toLowerCase() === 'source' ? 'src' : key.toLowerCase()
    if (!['type', 'id', 'src', 'env'].includes(name)) throw usageError('--secret', text, wanted)
    fields.set(name, value)
  }
  const type = fields.get('type') ?? ''
  const id = fields.get('id') ?? ''
  if (id === '' || !['', 'file', 'env'].includes(type)) throw usageError('--secret', text, wanted)
  const file = fields.get('src')
  const variable = fields.get('env') ?? (type === 'env' ? (file ?? id) : undefined)
  if (variable !== undefined) return { id, from: { variable } }
  if (file === undefined && type === '' && process.env[id] !== undefined)
    return { id, from: { variable: id } }
  const path = resolve(file ?? id)
  if (!existsSync(path)) throw usageError('--secret', text, `${wanted}: there is no file ${path}`)
  return { id, from: { file: path } }
}
