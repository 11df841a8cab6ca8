// The JSON ("exec") form of arguments: when a text is one, and what its strings are.
import { argumentsGrammar, type JsonElement } from '../../grammar/arguments.ts'
import { isSpace } from './characters.ts'

/** `none`: not JSON at all, so the text is in shell form. `mixed`: an array with `element`, which is no string. */
export type JsonArray =
  | { readonly kind: 'none' }
  | { readonly kind: 'mixed'; readonly element: JsonElement }
  | { readonly kind: 'strings'; readonly elements: readonly JsonElement[] }

/** Reads `text` as a JSON array; offsets of the elements count from its start. */
export function readJsonArray(text: string): JsonArray {
  let at = 0
  while (isSpace(text[at])) at++
  if (text[at] !== '[' || !isJson(text.slice(at))) return { kind: 'none' }
  const elements = argumentsGrammar('\\')
    .json(text.slice(at))
    .map((e) => ({ ...e, start: e.start + at, end: e.end + at }))
  const element = elements.find((e) => !e.isString)
  return element === undefined ? { kind: 'strings', elements } : { kind: 'mixed', element }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (thrown) {
    // Broken JSON is not a mistake but the sign of the shell form.
    if (thrown instanceof SyntaxError) return false
    throw thrown
  }
}
