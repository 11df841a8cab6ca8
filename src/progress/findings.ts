// What is wrong and doubtful in the Dockerfile, at the end of a build: after the steps, before why a step failed.
import { diagnosticPrinter } from '../core/diagnostic.ts'
import type { Model } from './model.ts'

/** A generated file may be wrong in the same way thousands of times. */
const mostWarnings = 50

/** The mistakes, and with `warnings` the warnings too, each behind an empty line; empty when there are none. */
export function formatFindings(
  { diagnostics, files }: Model,
  { warnings, colours }: { readonly warnings: boolean; readonly colours: boolean },
): string {
  const shown: string[] = []
  const printer = diagnosticPrinter(files)
  let count = 0
  for (const diagnostic of diagnostics) {
    if (diagnostic.severity === 'error') {
      shown.push(printer.format(diagnostic))
    } else if (warnings && ++count <= mostWarnings) {
      const text = printer.formatWarning(diagnostic)
      shown.push(colours ? text.replace(/^WARNING:/, '\u001b[33mWARNING:\u001b[0m') : text)
    }
  }
  if (count > mostWarnings) shown.push(`… and ${count - mostWarnings} more warnings`)
  return shown.map((text) => `\n${text}\n`).join('')
}
