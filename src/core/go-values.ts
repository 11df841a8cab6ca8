// Numbers and booleans in the spellings that Go's strconv and docker's go-units take.

/** `strconv.ParseBool`; undefined for anything else. */
export function parseBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false
  return undefined
}

/** `strconv.ParseUint(text, base, 32)`. */
export function parseUnsigned(text: string, base: 8 | 10): number | undefined {
  if (!(base === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(text)) return undefined
  const value = Number.parseInt(text, base)
  return value < 2 ** 32 ? value : undefined
}

const units: readonly string[] = ['b', 'k', 'm', 'g', 't', 'p']

/** A size in bytes as go-units' RAMInBytes reads it (`64m`, `1.5GiB`, `64 kb`): powers of 1024, cut to whole bytes. */
export function parseSize(text: string): number | undefined {
  const [, number = '', suffix = ''] = /^(.*?(?:[0-9.]|(?= )))(?: )?([^0-9. ]*)$/s.exec(text) ?? []
  if (!/^[+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(number)) return undefined
  const unit = suffix.toLowerCase()
  if (!/^(?:|b|[kmgtp](?:i?b)?)$/.test(unit)) return undefined
  if (Number(number.replaceAll('_', '')) < 0) return undefined
  const size = Math.trunc(
    Number(number.replaceAll('_', '')) * 1024 ** Math.max(0, units.indexOf(unit.charAt(0))),
  )
  return size >= 2 ** 63 ? undefined : Math.abs(size)
}
