// Reads plan fixtures and turns Dockerfile text into stages.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { SourceFile } from '../../src/core/span.ts'
import type { Dockerfile, Stages } from '../../src/dockerfile/ast.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { toStages } from '../../src/dockerfile/stages.ts'
import { defaultPlanOptions, type Pins, type PlanOptions } from '../../src/plan/types.ts'

export const amd64 = { os: 'linux', architecture: 'amd64' }

export function stagesOf(text: string): {
  file: Dockerfile
  stages: Stages
  files: readonly SourceFile[]
  diagnostics: readonly Diagnostic[]
} {
  const parsed = parseDockerfile(text, 'Dockerfile')
  const stages = toStages(parsed.value)
  return {
    file: parsed.value,
    stages: stages.value,
    files: [{ name: 'Dockerfile', text }],
    diagnostics: [...parsed.diagnostics, ...stages.diagnostics],
  }
}

/** Options of a build for linux/amd64, with what a test changes. */
export function optionsWith(change: Partial<PlanOptions>, files: readonly SourceFile[] = []): PlanOptions {
  return { ...defaultPlanOptions(amd64, files), ...change }
}

/** The images every fixture may use. */
export function sharedPins(root: string): Pins {
  return readJson(join(root, 'pins.json')) as Pins
}

/** A fixture's Dockerfile, its `options.json` over the defaults and its `pins.json` over the shared ones. */
export function readCase(
  directory: string,
  shared: Pins,
): { text: string; options: PlanOptions; pins: Pins } {
  return {
    text: readFileSync(join(directory, 'Dockerfile'), 'utf8'),
    options: optionsWith((readJson(join(directory, 'options.json')) ?? {}) as Partial<PlanOptions>),
    pins: { ...shared, ...((readJson(join(directory, 'pins.json')) ?? {}) as Pins) },
  }
}

function readJson(path: string): unknown {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}
