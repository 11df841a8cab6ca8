// Every event as one JSON line, for programs.
import type { Output, View } from './types.ts'

export function rawjsonView(output: Output): View {
  return {
    apply: (event) => output.write(`${JSON.stringify(event)}\n`),
    finish: () => undefined,
  }
}
