// Files nobody writes by hand end soon: with a plan, or with an error that says what is too much.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diagnosticPrinter } from '../../src/core/diagnostic.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { toStages } from '../../src/dockerfile/stages.ts'
import { plan } from '../../src/plan/plan.ts'
import { Variables } from '../../src/plan/variables.ts'
import { leastCpuMilliseconds } from '../support/cpu-time.ts'
import '../support/property-seed.ts'
import { optionsWith } from './support.ts'

/** The codes of what is wrong with a file, planned within two seconds of CPU time. */
function codesOf(text: string): readonly string[] {
  let codes: readonly string[] = []
  const milliseconds = leastCpuMilliseconds(2000, () => {
    const parsed = parseDockerfile(text, 'Dockerfile')
    const staged = toStages(parsed.value)
    const planned = plan(staged.value, optionsWith({}, [{ name: 'Dockerfile', text }]), {})
    const all = [...parsed.diagnostics, ...staged.diagnostics, ...planned.diagnostics]
    codes = [...new Set(all.map(({ code }) => code))]
  })
  expect(milliseconds).toBeLessThan(2000)
  return codes
}

const deep = `${'${a:-'.repeat(1e5)}${'}'.repeat(1e5)}`

describe('100,000 substitutions within each other are refused at once', () => {
  it.each([
    ['ENV', `FROM scratch\nENV x="${deep}"`],
    ['ENV, open', `FROM scratch\nENV x=${'${a:-'.repeat(1e5)}`],
    ['ENV, quoted each', `FROM scratch\nENV x=${'"${a:-'.repeat(1e5)}`],
    ['ARG before FROM', `ARG x=${deep}\nFROM scratch`],
    ['FROM', `FROM ${deep}`],
    ['COPY', `FROM scratch\nCOPY ${deep} /`],
    ['EXPOSE', `FROM scratch\nEXPOSE ${deep}`],
    ['a here-document', `FROM scratch\nCOPY <<E /x\n${deep}\nE`],
    ['a pattern', `FROM scratch\nENV x=${'${a#'.repeat(1e5)}${'}'.repeat(1e5)}`],
    ['a replacement', `FROM scratch\nENV x=${'${a/b/'.repeat(1e5)}${'}'.repeat(1e5)}`],
  ])('in %s', (_, text) => {
    expect(codesOf(text)).toContain('ExpansionTooDeep')
  })
})

describe('values that grow', () => {
  it('by doubling end with an error', () => {
    expect(codesOf(`FROM scratch\nENV a=xxxxxxxx\n${'ENV a=$a$a\n'.repeat(60)}`)).toEqual([
      'ExpansionTooLarge',
    ])
  })
  it('by replacement end with an error', () => {
    const value = 'a'.repeat(900_000)
    const text = `FROM scratch\nENV L=${value}\nENV x=\${L//a/bb}\nENV y=\${L//?/${'b'.repeat(500)}}\n`
    expect(codesOf(text)).toEqual(['ExpansionTooLarge'])
  })
  it('not at all are cut and replaced', () => {
    const value = 'a'.repeat(900_000)
    expect(codesOf(`FROM scratch\nENV L=${value}\nENV x=\${L//a/b} y=\${L%a*} z=\${L##*a}\n`)).toEqual([])
  })
  it('are not matched in every way there is', () => {
    const stars = '*a'.repeat(30)
    const text = `FROM scratch\nENV L=${'a'.repeat(50_000)}\nENV x=\${L%%${stars}b} y=\${L//${stars}b/} z=\${L#${stars}b}\n`
    expect(codesOf(text)).toEqual([])
  })
  it('are not matched when pattern and value are both long', () => {
    const text = `FROM scratch\nENV L=${'a'.repeat(500_000)}\nENV x=\${L//${'?'.repeat(500_000)}b/}\n`
    expect(codesOf(text)).toEqual(['ExpansionTooLarge'])
  })
})

describe('many', () => {
  it('variables, each made of the one before', () => {
    const lines = Array.from({ length: 5000 }, (_, i) => `ENV v${i + 1}=\${v${i}:-x}`)
    expect(codesOf(`FROM scratch\n${lines.join('\n')}\n`)).toEqual([])
  })
  it.each(['LABEL a%=b', 'EXPOSE %', 'VOLUME /a%', 'ONBUILD RUN %', 'ARG a%=b'])('%j', (line) => {
    const lines = Array.from({ length: 10_000 }, (_, i) => line.replace('%', String(i)))
    expect(codesOf(`FROM scratch\n${lines.join('\n')}\n`)).toEqual([])
  })
  it.each(['ARG a%=b', 'ENV a%=b', 'ENV a=%', 'FROM scratch AS s%'])('%j, twice as often', (line) => {
    const lines = Array.from({ length: 20_000 }, (_, i) => line.replace('%', String(i)))
    expect(codesOf(`FROM scratch\n${lines.join('\n')}\n`)).toEqual([])
  })
  it('working directories, each in the one before', () => {
    const codes = codesOf(`FROM scratch\n${'WORKDIR w\n'.repeat(10_000)}`)
    expect(codes).toEqual(['WorkdirRelativePath', 'PathTooLong', 'TooManyErrors'])
  })
  it('triggers', () => {
    expect(codesOf(`FROM scratch\n${'ONBUILD RUN x\n'.repeat(50_000)}`)).toEqual([])
  })
  it.each(['ENV a%=$b%', 'CMD a%'])('%j, and what is said of each', (line) => {
    const lines = Array.from({ length: 10_000 }, (_, i) => line.replaceAll('%', String(i)))
    const text = `FROM scratch\n${lines.join('\n')}\n`
    const files = [{ name: 'Dockerfile', text }]
    const milliseconds = leastCpuMilliseconds(2000, () => {
      const { value } = parseDockerfile(text, 'Dockerfile')
      const { diagnostics } = plan(toStages(value).value, optionsWith({}, files), {})
      const printer = diagnosticPrinter(files)
      expect(diagnostics.map((found) => printer.formatWarning(found)).length).toBeGreaterThanOrEqual(10_000)
    })
    expect(milliseconds).toBeLessThan(2000)
  })
  it('variables in a word', () => {
    expect(codesOf(`FROM scratch\nENV x=${'$a'.repeat(200_000)}\n`)).toEqual(['UndefinedVar'])
  })
})

describe('Variables', () => {
  it('keep the order of the last assignment, and every earlier state', () => {
    const names = Array.from({ length: 500 }, (_, i) => `v${i}`)
    const first = names.reduce((all, name) => all.with(name, 'old'), Variables.of())
    const second = names.slice(0, 100).reduce((all, name) => all.with(name, 'new'), first)
    expect([...first]).toEqual(names.map((name) => [name, 'old']))
    expect([...second]).toEqual([
      ...names.slice(100).map((name) => [name, 'old']),
      ...names.slice(0, 100).map((name) => [name, 'new']),
    ])
    expect([...second.keys()].slice(0, 2)).toEqual(['v100', 'v101'])
    expect(first.get('v0')).toBe('old')
    expect(second.get('v0')).toBe('new')
    expect([second.has('v0'), second.has('w')]).toEqual([true, false])
  })
  it('are what a map is in which the last assignment comes last', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }).map(String), fc.string()), { maxLength: 200 }),
        (all) => {
          const expected = new Map<string, string>()
          let variables = Variables.of()
          for (const [name, value] of all) {
            expected.delete(name)
            expected.set(name, value)
            variables = variables.with(name, value)
          }
          expect([...variables]).toEqual([...expected])
          for (const [name, value] of expected) expect(variables.get(name)).toBe(value)
        },
      ),
    )
  })
  it('may be empty', () => {
    expect(Variables.of().with('a', '').has('a')).toBe(true)
  })
})
