// The failed step at the end of a build: its last output and the place in the Dockerfile.
import { visibleLine } from '../core/excerpt.ts'
import { positionAt, type SourceFile, type Span } from '../core/span.ts'
import type { Model } from './model.ts'
import { printable } from './model.ts'

const shownLines = 10
/** Of an instruction that fills a file, and of a line that fills one, the beginning says where it is. */
const mostSnippetLines = 100
const mostSnippetColumns = 1000

/** The recap of every step that failed by itself, or an empty string; why it failed is the final error's to say. */
export function formatRecap(model: Model): string {
  const parts: string[] = []
  for (const state of model.steps.values()) {
    if (state.status !== 'failed' || (state.lines.length === 0 && state.span === undefined)) continue
    parts.push('------', ` > ${state.title}:`)
    for (const line of state.lines.slice(-shownLines)) {
      parts.push(`${line.seconds.toFixed(3)} ${printable(line.text)}`)
    }
    parts.push('------')
    if (state.span !== undefined) parts.push(...formatSnippet(state.span, model.files))
  }
  return parts.length === 0 ? '' : `${parts.join('\n')}\n`
}

/** The lines of a span marked `>>>`, with the lines around them. */
export function formatSnippet(span: Span, files: readonly SourceFile[]): string[] {
  const file = files.find((f) => f.name === span.file)
  if (file === undefined) return []
  const first = positionAt(file.text, span.start).line
  const last = positionAt(file.text, Math.max(span.start, span.end - 1)).line
  const around = first === last ? 4 : 2
  const lines = file.text.split('\n')
  const out = [`${span.file}:${first}`, '--------------------']
  const start = Math.max(1, first - around)
  for (let n = start; n <= Math.min(lines.length, last + around); n++) {
    if (n - start === mostSnippetLines) {
      out.push(`     | … ${last - n + 1} more lines`)
      break
    }
    const text = (lines[n - 1] ?? '').slice(0, mostSnippetColumns).replace(/\r$/, '')
    if (n === lines.length && text === '') break
    out.push(`${String(n).padStart(4)} | ${n >= first && n <= last ? '>>>' : '   '} ${visibleLine(text)}`)
  }
  out.push('--------------------')
  return out
}
