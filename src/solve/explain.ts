// Why an op has to run: its key compared field by field with the key the same step had last time.
import { canonicalJson } from '../core/canonical-json.ts'
import type { MissReason } from '../core/event.ts'
import type { CacheKey } from './types.ts'

const mostReasons = 16

/** The differences between the last key of a step and its new one; never empty. `evicted`: nothing changed, but the record is gone. */
export function explain(last: CacheKey | undefined, key: CacheKey): readonly MissReason[] {
  if (last === undefined) return [{ kind: 'first' }]
  const reasons: MissReason[] = []
  if (last.version !== key.version) {
    reasons.push({ kind: 'op', field: 'version', was: last.version, now: key.version })
  }
  compare(last.op, key.op, '', reasons)
  for (let i = 0; i < Math.max(last.inputs.length, key.inputs.length); i++) {
    const was = last.inputs[i]
    const now = key.inputs[i]
    if (was === now) continue
    reasons.push({ kind: 'input', input: i, ...(was && { was }), ...(now && { now }) })
  }
  return reasons.length === 0 ? [{ kind: 'evicted' }] : reasons.slice(0, mostReasons)
}

// Descends to the smallest part that differs: `actions[0].mode`, not `actions`.
function compare(was: unknown, now: unknown, field: string, reasons: MissReason[]): void {
  if (canonicalJson(was) === canonicalJson(now)) return
  if (Array.isArray(was) && Array.isArray(now) && was.length === now.length) {
    for (const [i, item] of now.entries()) compare(was[i], item, `${field}[${i}]`, reasons)
  } else if (isObject(was) && isObject(now)) {
    for (const name of [...new Set([...Object.keys(was), ...Object.keys(now)])].sort()) {
      compare(was[name], now[name], field === '' ? name : `${field}.${name}`, reasons)
    }
  } else {
    reasons.push({ kind: 'op', field, ...(was !== undefined && { was }), ...(now !== undefined && { now }) })
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
