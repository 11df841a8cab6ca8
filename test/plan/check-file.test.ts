// fixtures/check/<case>/Dockerfile → what `--check` says of it. UPDATE_GOLDEN=1 writes what is found.
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { formatDiagnostic } from '../../src/core/diagnostic.ts'
import { rules } from '../../src/dockerfile/lint/registry.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { type CheckReport, checkFile } from '../../src/plan/check-file.ts'
import { keyOfRequest } from '../../src/plan/pin-key.ts'
import { standInPin } from '../../src/plan/remote-pins.ts'
import type { Pins } from '../../src/plan/types.ts'
import { expectGolden } from '../dockerfile/golden.ts'
import { optionsWith, readCase, sharedPins } from './support.ts'

const root = resolve(import.meta.dirname, '../../fixtures/check')
const cases = readdirSync(root).sort()
const shared = sharedPins(resolve(root, '../plan'))

async function checkCase(name: string): Promise<{ report: CheckReport; shown: string }> {
  const { text, options, pins } = readCase(join(root, name), shared)
  const files = [{ name: 'Dockerfile', text }]
  const parsed = parseDockerfile(text, 'Dockerfile')
  const report = await checkFile(parsed, { ...options, files }, resolveFrom(pins))
  const all = [...report.findings.map(({ diagnostic }) => diagnostic), ...report.mistakes]
  return { report, shown: all.map((diagnostic) => `${formatDiagnostic(diagnostic, files)}\n`).join('\n') }
}

function resolveFrom(pins: Pins): Parameters<typeof checkFile>[2] {
  return async (request) => {
    if (request.kind !== 'image') return standInPin(request)
    const pin = pins[keyOfRequest(request)]
    if (pin === undefined) throw new Error(`${request.reference} is not known here`)
    return pin
  }
}

describe('checks', () => {
  it.each(cases)('%s', async (name) => {
    const { report, shown } = await checkCase(name)
    expect(report.failure).toBeUndefined()
    expectGolden(join(root, name, 'checks.txt'), shown === '' ? undefined : shown)
  })

  it('has a case for every rule, and one where it keeps quiet', async () => {
    const reports = await Promise.all(cases.map(checkCase))
    const found = new Set(reports.flatMap(({ report }) => report.findings.map(({ rule }) => rule.name)))
    expect(rules.map(({ name }) => name).filter((name) => !found.has(name))).toEqual([])
  })
})

test('what does not depend on it is found although an image cannot be resolved', async () => {
  const text = 'FROM nowhere.invalid/x AS A\nMAINTAINER me\nLABEL a=$MAY_BE_SET\nCMD may have SHELL\n'
  const report = await checkFile(parseDockerfile(text, 'Dockerfile'), optionsWith({}), resolveFrom({}))
  expect(report.findings.map(({ rule }) => rule.name)).toEqual(['StageNameCasing', 'MaintainerDeprecated'])
  expect(report.failure).toBeInstanceOf(Error)
})
