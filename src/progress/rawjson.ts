// Every event as one JSON line, for programs; diagnostics with lines and columns.
import { diagnosticsData } from '../core/diagnostic-data.ts'
import type { TimedEvent } from '../core/event.ts'
import type { Output, View } from './types.ts'

export function rawjsonView(output: Output): View {
  return {
    apply: (event) => output.write(`${JSON.stringify(written(event))}\n`),
    finish: () => undefined,
  }
}

function written(event: TimedEvent): unknown {
  if (event.type !== 'diagnostics') return event
  return { ...event, diagnostics: diagnosticsData(event.diagnostics, event.files) }
}
