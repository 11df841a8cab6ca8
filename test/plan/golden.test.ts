// fixtures/plan/<case>/Dockerfile → graph, target and diagnostics as text. UPDATE_GOLDEN=1 writes what is found.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Diagnostic, formatDiagnostic, hasErrors } from '../../src/core/diagnostic.ts'
import { formatPlatform } from '../../src/core/platform.ts'
import type { Stages } from '../../src/dockerfile/ast.ts'
import { obeyChecks } from '../../src/dockerfile/lint/obey.ts'
import { checkGraph } from '../../src/graph/check.ts'
import { printGraph } from '../../src/graph/print.ts'
import { keyOfRequest } from '../../src/plan/pin-key.ts'
import { plan } from '../../src/plan/plan.ts'
import { standInPin } from '../../src/plan/remote-pins.ts'
import type { Pins, Planned, PlanOptions } from '../../src/plan/types.ts'
import { readCase, sharedPins, stagesOf } from './support.ts'

const root = resolve(import.meta.dirname, '../../fixtures/plan')
const cases = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

const isAsked = process.env.UPDATE_GOLDEN === '1'
const isUpdate = isAsked && process.env.CI === undefined

describe('plan', () => {
  it('never rewrites its goldens where it is judged by them', () => {
    expect(isAsked).toBe(isUpdate)
  })

  it.each(cases)('%s', (name) => {
    const { text, options, pins } = readCase(join(root, name), sharedPins(root))
    const { file, stages, files, diagnostics: parsed } = stagesOf(text)
    expect(parsed.filter((d) => d.severity === 'error' && d.code !== 'NoStages')).toEqual([])
    const { value, diagnostics } = planned(stages, { ...options, files }, pins)
    if (value.kind === 'ready' && !hasErrors(diagnostics)) {
      expect(checkGraph(value.graph, value.target.root === null ? [] : [value.target.root])).toEqual([])
      const made = value.target.history.filter((entry) => entry.layer).length
      expect(made).toBe(layersAbove(value))
    }
    expect(JSON.parse(JSON.stringify(value))).toEqual(value)
    expect(JSON.parse(JSON.stringify(stages))).toEqual(stages)
    const shown = obeyChecks(diagnostics, { file, buildArgs: options.buildArgs })
    check(name, 'diagnostics.txt', printDiagnostics(shown, files))
    // What cannot be executed yet is planned all the same.
    const isWrong = hasErrors(diagnostics.filter((diagnostic) => diagnostic.code !== 'NotSupportedYet'))
    check(name, 'graph.txt', isWrong ? 'none\n' : printPlanned(value))
    check(name, 'config.json', isWrong ? 'null\n' : printTarget(value))
  })
})

/** The plan when everything but images is there. */
function planned(stages: Stages, options: PlanOptions, pins: Pins): ReturnType<typeof plan> {
  const found = plan(stages, options, pins)
  const requests = found.value.kind === 'needs' ? found.value.pins : []
  const remote = requests.flatMap((request) =>
    request.kind === 'image' ? [] : [[keyOfRequest(request), standInPin(request)] as const],
  )
  return remote.length === 0 ? found : planned(stages, options, { ...pins, ...Object.fromEntries(remote) })
}

/** Layers the ops from the target's root down to its base image make. */
function layersAbove(planned: Extract<Planned, { kind: 'ready' }>): number {
  const { graph, target } = planned
  let layers = 0
  let ref = target.root
  while (ref !== null) {
    const op = graph.ops[ref]
    switch (op?.kind) {
      case 'exec':
        ref = op.root === null ? null : (op.inputs[op.root] ?? null)
        layers++
        break
      case 'file':
        ref = op.base === null ? null : (op.inputs[op.base] ?? null)
        layers++
        break
      case 'merge':
        // COPY --link: the chain goes on below, the files beside it are one layer.
        ref = op.inputs[0] ?? null
        layers += op.inputs.length - 1
        break
      default:
        return layers
    }
  }
  return layers
}

function printPlanned(planned: Planned): string {
  if (planned.kind === 'ready') {
    return printGraph(planned.graph, planned.target.root === null ? [] : [planned.target.root])
  }
  const images = planned.pins.filter((pin) => pin.kind === 'image')
  const lines = images.map(
    (pin) =>
      `${pin.reference} ${formatPlatform(pin.platform)} at ${pin.span.start}${pin.meant === undefined ? '' : ` (${pin.meant.hint})`}`,
  )
  return `needs\n${lines.join('\n')}\n`
}

function printTarget(planned: Planned): string {
  if (planned.kind === 'needs') return 'null\n'
  const { root: ref, ...image } = planned.target
  return `${JSON.stringify(image, null, 2)}\n`
}

function printDiagnostics(diagnostics: readonly Diagnostic[], files: Parameters<typeof formatDiagnostic>[1]) {
  return diagnostics.map((diagnostic) => `${formatDiagnostic(diagnostic, files)}\n`).join('\n')
}

function check(name: string, file: string, found: string): void {
  const path = join(root, name, file)
  if (isUpdate) writeFileSync(path, found)
  expect(found, file).toBe(existsSync(path) ? readFileSync(path, 'utf8') : undefined)
}
