// From the files' texts to stages: what can be said about a Dockerfile without knowing any image.

import { type Diagnostic, hasErrors } from '../core/diagnostic.ts'
import type { SourceFile } from '../core/span.ts'
import type { Stages } from '../dockerfile/ast.ts'
import { parseIgnoreFile } from '../dockerfile/ignore-file.ts'
import { lint } from '../dockerfile/lint/lint.ts'
import { parseDockerfile } from '../dockerfile/parse.ts'
import { toStages } from '../dockerfile/stages.ts'
import type { BuildInput } from './input.ts'

/** The stages of a Dockerfile with everything that is wrong or doubtful in it; no stages when it could not be understood. */
export function readStages(input: BuildInput): {
  readonly stages?: Stages
  readonly diagnostics: readonly Diagnostic[]
  readonly files: readonly SourceFile[]
} {
  const { dockerfile, ignoreFile } = input
  const files = ignoreFile === undefined ? [dockerfile] : [dockerfile, ignoreFile]
  const parsed = parseDockerfile(dockerfile.text, dockerfile.name)
  const ignored =
    ignoreFile === undefined ? [] : parseIgnoreFile(ignoreFile.text, ignoreFile.name).diagnostics
  const found = [...parsed.diagnostics, ...ignored]
  if (hasErrors(found)) return { diagnostics: found, files }
  const staged = toStages(parsed.value)
  const warnings = hasErrors(staged.diagnostics) ? [] : lint(parsed.value, staged.value)
  return { stages: staged.value, diagnostics: [...found, ...staged.diagnostics, ...warnings], files }
}

/** The patterns of the ignore file; none when there is no file. */
export function ignorePatterns({ ignoreFile }: BuildInput): readonly string[] {
  return ignoreFile === undefined ? [] : parseIgnoreFile(ignoreFile.text, ignoreFile.name).value
}
