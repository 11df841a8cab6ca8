// Whether the name of a here-document can be that of the file it becomes.
import type { Span } from '../core/span.ts'
import type { InstructionText } from './instruction-text.ts'

/** Reports a `name` that no file can have. Differs: BuildKit finds out when it writes the file, and then speaks of that. */
export function checkFileName(text: InstructionText, name: string, span: Span): void {
  if (!name.includes('/') && name !== '.' && name !== '..') return
  const message = `${text.name} makes a file of this here-document, which cannot be called ${name}`
  const last = name.slice(name.lastIndexOf('/') + 1)
  const hint = `name it otherwise: <<${/^\.{0,2}$/.test(last) ? 'EOF' : last}`
  text.report.error('InvalidFileName', message, span, { hint })
}
