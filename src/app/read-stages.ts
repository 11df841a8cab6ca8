// From the files' texts to stages: what can be said about a Dockerfile without knowing any image.

import type { Context } from '../core/context.ts'
import { type Diagnostic, hasErrors, type Outcome } from '../core/diagnostic.ts'
import type { SourceFile } from '../core/span.ts'
import type { Dockerfile, Stages } from '../dockerfile/ast.ts'
import { parseIgnoreFile } from '../dockerfile/ignore-file.ts'
import { lint } from '../dockerfile/lint/lint.ts'
import { obeyChecks } from '../dockerfile/lint/obey.ts'
import { parseDockerfile } from '../dockerfile/parse.ts'
import { toStages } from '../dockerfile/stages.ts'
import type { PlanOptions } from '../plan/types.ts'
import type { BuildInput } from './input.ts'

export interface ReadStages {
  readonly parsed: Outcome<Dockerfile>
  /** Not to be built with errors among the diagnostics. */
  readonly stages: Stages
  /** Everything that is wrong in the files, as far as reading them tells; without errors also what is doubtful. */
  readonly diagnostics: readonly Diagnostic[]
  readonly files: readonly SourceFile[]
  /** Tells the user of these and the plan's diagnostics, once a build, as far as the file's `# check=` lets them through; the answer is what was told. They may have places in `moreFiles`. */
  show(found: readonly Diagnostic[], cx: Context, moreFiles?: readonly SourceFile[]): readonly Diagnostic[]
}

/** The files that the stages and what is said of them point into. */
export function filesOf({ dockerfile, ignoreFile }: BuildInput): readonly SourceFile[] {
  return ignoreFile === undefined ? [dockerfile] : [dockerfile, ignoreFile]
}

/** Reads a Dockerfile that is built with these build args. */
export function readStages(input: BuildInput, buildArgs: Readonly<Record<string, string>>): ReadStages {
  const { dockerfile, ignoreFile } = input
  const files = filesOf(input)
  const parsed = parseDockerfile(dockerfile.text, dockerfile.name, buildArgs.BUILDKIT_SYNTAX)
  const { value: file, diagnostics } = parsed
  const show: ReadStages['show'] = (all, cx, more = []) => {
    const shown = obeyChecks(all, { file, buildArgs })
    if (shown.length > 0) cx.emit({ type: 'diagnostics', diagnostics: shown, files: [...files, ...more] })
    return shown
  }
  const ignored =
    ignoreFile === undefined ? [] : parseIgnoreFile(ignoreFile.text, ignoreFile.name).diagnostics
  const found = [...diagnostics, ...ignored]
  const { value: stages } = toStages(file)
  // Those of a file that is wrong are told with what else is found in it.
  const warnings = hasErrors(found) ? [] : lint({ file, stages })
  return { parsed, stages, diagnostics: [...found, ...warnings], files, show }
}

/** What the plan is told of the ignore file; no patterns when there is no file. */
export function ignoreOptions({
  ignoreFile,
}: BuildInput): Required<Pick<PlanOptions, 'ignore' | 'ignorePlaces'>> {
  const lines = ignoreFile === undefined ? [] : parseIgnoreFile(ignoreFile.text, ignoreFile.name).value
  return {
    ignore: lines.map(({ pattern }) => pattern),
    ignorePlaces: lines.map(({ line }) => `${ignoreFile?.name}:${line}`),
  }
}
