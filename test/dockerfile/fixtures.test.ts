// Every directory of fixtures/dockerfile: what the parser makes of it, or what it says about it.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { formatDiagnostic, hasErrors } from '../../src/core/diagnostic.ts'
import { lint } from '../../src/dockerfile/lint/lint.ts'
import { obeyChecks } from '../../src/dockerfile/lint/obey.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { toStages } from '../../src/dockerfile/stages.ts'
import { expectGolden } from './golden.ts'
import { showDockerfile } from './show.ts'

const root = new URL('../../fixtures/dockerfile/', import.meta.url).pathname
const cases = readdirSync(root).sort()

function read(name: string) {
  const text = readFileSync(`${root}${name}/Dockerfile`, 'utf8')
  const parsed = parseDockerfile(text, 'Dockerfile')
  const stages = toStages(parsed.value)
  const found = hasErrors(parsed.diagnostics) ? [] : lint({ file: parsed.value, stages: stages.value })
  const all = [...parsed.diagnostics, ...stages.diagnostics, ...found]
  return { text, parsed, stages, diagnostics: obeyChecks(all, { file: parsed.value, buildArgs: {} }) }
}

describe.each(cases)('%s', (name) => {
  const { text, parsed, stages, diagnostics } = read(name)
  const shown = diagnostics.map((d) => formatDiagnostic(d, [{ name: 'Dockerfile', text }]))

  test('tree', () => {
    const tree = hasErrors(diagnostics) ? undefined : showDockerfile(parsed.value, stages.value, text)
    expectGolden(`${root}${name}/ast.txt`, tree)
  })
  test('diagnostics', () => {
    expectGolden(`${root}${name}/diagnostics.txt`, shown.length === 0 ? undefined : `${shown.join('\n\n')}\n`)
  })
})

test('the cases named fail- are those that fail', () => {
  const failing = cases.filter((name) => hasErrors(read(name).diagnostics))
  expect(failing).toEqual(cases.filter((name) => name.startsWith('fail-')))
})

test('values survive JSON', () => {
  for (const name of cases) {
    const { parsed, stages } = read(name)
    expect(JSON.parse(JSON.stringify(parsed))).toEqual(parsed)
    expect(JSON.parse(JSON.stringify(stages))).toEqual(stages)
  }
})
