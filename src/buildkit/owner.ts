// `--chown` as BuildKit's file actions hold it.
import type { Dialect } from './dialect.ts'
import { filled } from './go-json.ts'

/** The owner `user[:group]`; names are looked up in input `base`. */
export function ownerJson(
  owner: string,
  base: number,
  { isGogo }: Pick<Dialect, 'isGogo'>,
): Readonly<Record<string, unknown>> {
  const [user = '', ...group] = owner.split(':')
  return {
    user: idJson(user, base, isGogo),
    ...(group.length === 0 ? {} : { group: idJson(group.join(':'), base, isGogo) }),
  }
}

function idJson(text: string, base: number, isGogo: boolean) {
  const id = text === 'root' ? 0 : numberOf(text)
  // An empty name is none: the number behind it was never set.
  if (id === undefined && text !== '') {
    return { User: { byName: isGogo ? { name: text, input: base } : filled({ name: text, input: base }) } }
  }
  return { User: filled({ [isGogo ? 'byID' : 'byId']: id ?? 0 }) }
}

/** As Go reads a signed 32-bit number. */
function numberOf(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined
  const id = Number(text)
  return id >= -(2 ** 31) && id < 2 ** 31 ? id >>> 0 : undefined
}
