// The list of build checks: what every rule must have, and the README's table of them. UPDATE_GOLDEN=1 rewrites it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { rules } from '../../src/dockerfile/lint/registry.ts'
import type { Rule } from '../../src/dockerfile/lint/rule.ts'

const readme = resolve(import.meta.dirname, '../../README.md')
const markers = [
  '<!-- build checks: made by test/dockerfile/rules.test.ts -->\n',
  '<!-- end of build checks -->\n',
]
const lint = resolve(import.meta.dirname, '../../src/dockerfile/lint')

function kebab(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '-').toLowerCase()
}

function table(list: readonly Rule[]): string {
  const rows = list.map((rule) => {
    const name = rule.url === undefined ? rule.name : `[${rule.name}](${rule.url})`
    const asks = rule.description.replaceAll('|', '\\|')
    return `| ${name} | ${asks} | ${rule.isExperimental ? 'no' : 'yes'} | ${rule.origin === 'slipway' ? 'yes' : ''} |\n`
  })
  return `| rule | what it asks | on by default | slipway's own |\n|---|---|---|---|\n${rows.join('')}`
}

test('rules have names of their own, a sentence, and a file each', () => {
  expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length)
  for (const rule of rules) {
    expect(rule.name).toMatch(/^[A-Z][A-Za-z]+$/)
    expect(rule.description).toMatch(/^\S.{20,}\S$/)
    const files = ['tree', 'planned', '.'].map((folder) => resolve(lint, folder, `${kebab(rule.name)}.ts`))
    expect(files.filter(existsSync), rule.name).toHaveLength(1)
    if (rule.url === undefined) continue
    expect(rule.origin).toBe('buildkit')
    expect(rule.url).toBe(`https://docs.docker.com/go/dockerfile/rule/${kebab(rule.name)}/`)
  }
})

test("every rule of BuildKit's is there", () => {
  const names = rules.filter(({ origin }) => origin === 'buildkit').map(({ name }) => name)
  // frontend/dockerfile/linter/ruleset.go of 2026.
  expect(names).toEqual([
    'ConsistentInstructionCasing',
    'CopyIgnoredFile',
    'DuplicateStageName',
    'ExposeInvalidFormat',
    'ExposeProtoCasing',
    'FromAsCasing',
    'FromPlatformFlagConstDisallowed',
    'InvalidBaseImagePlatform',
    'InvalidDefaultArgInFrom',
    'InvalidDefinitionDescription',
    'JSONArgsRecommended',
    'LegacyKeyValueFormat',
    'MaintainerDeprecated',
    'MultipleInstructionsDisallowed',
    'NoEmptyContinuation',
    'RedundantTargetPlatform',
    'ReservedStageName',
    'SecretsUsedInArgOrEnv',
    'StageNameCasing',
    'UndefinedArgInFrom',
    'UndefinedVar',
    'WorkdirRelativePath',
  ])
})

test('the README lists them', () => {
  const text = readFileSync(readme, 'utf8')
  const [begin = '', end = ''] = markers
  const from = text.indexOf(begin) + begin.length
  const to = text.indexOf(end)
  expect(text.indexOf(begin), 'the marker is there').toBeGreaterThan(0)
  expect(to).toBeGreaterThanOrEqual(from)
  const wanted = `\n${table(rules)}\n`
  if (process.env.UPDATE_GOLDEN === '1' && !process.env.CI) {
    writeFileSync(readme, text.slice(0, from) + wanted + text.slice(to))
    return
  }
  expect(text.slice(from, to), 'README.md (UPDATE_GOLDEN=1 rewrites it)').toBe(wanted)
})
