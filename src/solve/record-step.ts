// What a record says about the step that made it.
import { positionAt, type SourceFile } from '../core/span.ts'
import type { OpNote } from '../graph/op.ts'
import type { RecordStep } from './types.ts'

/** A here-document may be longer than what it makes. */
const mostTitle = 500

/** The step that `note` is about, in the build called `build`. */
export function recordStep(
  build: string,
  { slot, title, span }: OpNote,
  files: readonly SourceFile[],
): RecordStep {
  const file = files.find(({ name }) => name === span?.file)
  return {
    build,
    stage: slot.stage,
    ordinal: slot.ordinal,
    title: title.slice(0, mostTitle),
    ...(span === undefined ? {} : { file: span.file }),
    ...(span === undefined || file === undefined ? {} : { line: positionAt(file.text, span.start).line }),
  }
}
