// The stages a Dockerfile offers to --target (`--call=targets`).
import type { Span } from '../core/span.ts'
import type { Stages } from '../dockerfile/ast.ts'

export interface TargetInfo {
  /** Absent: only its index names the stage. */
  readonly name?: string
  /** Whether it is built when no target is named. */
  readonly isDefault: boolean
  /** What the comment above FROM says of it. */
  readonly description?: string
  /** As written, variables too. */
  readonly base: string
  readonly platform?: string
  /** The whole FROM instruction. */
  readonly span: Span
}

/** Every stage in the order of the file. */
export function targetsOf({ stages }: Stages): readonly TargetInfo[] {
  return stages.map(({ name, from }, index) => ({
    ...(name === undefined ? {} : { name }),
    isDefault: index === stages.length - 1,
    ...(from.description === undefined ? {} : { description: from.description }),
    base: from.image.text,
    ...(from.platform === undefined ? {} : { platform: from.platform.text }),
    span: from.span,
  }))
}
