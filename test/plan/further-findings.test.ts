// What is told of a file that is wrong: everything that is wrong in it, and nothing that is not.
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Diagnostic, hasErrors } from '../../src/core/diagnostic.ts'
import type { Instruction } from '../../src/dockerfile/ast.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { furtherFindings } from '../../src/plan/further-findings.ts'
import type { PlanOptions } from '../../src/plan/types.ts'
import { optionsWith, readCase, sharedPins } from './support.ts'

const fixtures = resolve(import.meta.dirname, '../../fixtures')
const shared = sharedPins(join(fixtures, 'plan'))

function findingsOf(text: string, change: Partial<PlanOptions> = {}, pins = shared) {
  const files = [{ name: 'Dockerfile', text }]
  const parsed = parseDockerfile(text, 'Dockerfile')
  const { diagnostics, doubtful } = furtherFindings(parsed, optionsWith({ ...change, files }), pins)
  return { all: [...parsed.diagnostics, ...diagnostics], further: diagnostics, doubtful }
}

/** `EXPOSE eighty: InvalidPort`, one for each finding. */
function shown(text: string, found: readonly Diagnostic[]): string[] {
  return found.map(({ code, span }) => {
    const line = text.slice(0, span?.start ?? 0).split('\n').length
    return span === undefined ? code : `${line} ${code}`
  })
}

const ways = ['nothing behind its name', 'words of no meaning', 'a misspelt name']

describe('one wrong instruction', () => {
  const readable = ['plan', 'check', 'dockerfile'].flatMap((area) =>
    readdirSync(join(fixtures, area)).flatMap((name) => {
      const directory = join(fixtures, area, name)
      if (!existsSync(join(directory, 'Dockerfile'))) return []
      const { text, options, pins } = readCase(directory, shared)
      const { all } = findingsOf(text, options, pins)
      if (hasErrors(all)) return []
      return [{ directory, text, options, pins, all, file: parseDockerfile(text, 'Dockerfile').value }]
    }),
  )

  /** Every readable file with one of its instructions made wrong, that is an error. */
  function* broken(way: string, behind = '') {
    for (const { directory, text, options, pins, all, file } of readable) {
      // An open line at the end would take it in.
      if (
        parseDockerfile(text + behind, 'Dockerfile').value.instructions.at(-1)?.kind !== 'EXPOSE' &&
        behind !== ''
      )
        continue
      for (const instruction of file.instructions) {
        const { start, end } = instruction.span
        const wrong = brokenBy(way, instruction)
        // The body would be instructions then.
        if (text.slice(start, end).includes('<<')) continue
        const changed = `${text.slice(0, start)}${wrong}${text.slice(end)}${behind}`
        const found = findingsOf(changed, options, pins)
        const place = { start, end: start + wrong.length, shift: end - start - wrong.length }
        if (hasErrors(found.all)) yield { directory, changed, options, found, before: all, place }
      }
    }
  }

  it('is tried in many files', () => {
    expect(readable.length).toBeGreaterThan(300)
  })

  it.each(ways)('that has %s has no consequences', (way) => {
    const consequences: unknown[] = []
    for (const { directory, changed, found, before, place } of broken(way)) {
      const keyOf = ({ code, span }: Diagnostic, shift = 0): string => `${code} ${span && span.start + shift}`
      const known = new Set(before.map((one) => keyOf(one)))
      const more = found.further.filter((one) => {
        const { start, end } = one.span ?? { start: -1, end: -1 }
        if (start < place.end && end > place.start) return false
        return !known.has(keyOf(one, start >= place.end ? place.shift : 0))
      })
      if (more.length > 0) consequences.push({ directory, changed, more })
    }
    expect(consequences).toEqual([])
  })

  it.each(ways)('that has %s hides no other mistake', (way) => {
    const hiding: unknown[] = []
    for (const { directory, changed, options, found } of broken(way, '\nEXPOSE eighty\n')) {
      if (options.target !== undefined || Object.keys(options.contexts).length > 0) continue
      if (!found.all.some(({ code }) => code === 'InvalidPort')) hiding.push({ directory, changed })
    }
    expect(hiding).toEqual([])
  })
})

function brokenBy(way: string, { kind, keyword: { text } }: Instruction): string {
  if (way === 'a misspelt name') return `${text}${text === text.toLowerCase() ? 'q' : 'Q'} x`
  if (way === 'nothing behind its name') return text
  return kind === 'FROM' ? `${text} a b c d` : `${text} --unknown-flag= `
}

describe('of a wrong file is told', () => {
  type Case = readonly [string, readonly string[], readonly string[], Partial<PlanOptions>]
  const cases: readonly Case[] = [
    [
      'what is wrong in a stage whose FROM is',
      ['FROM a b', 'EXPOSE eighty', 'STOPSIGNAL SIGTREM'],
      ['1 InvalidFrom', '2 InvalidPort', '3 InvalidSignal'],
      {},
    ],
    [
      'what is wrong in stages beside one whose FROM is',
      [
        'FROM scratch AS build x',
        'FROM scratch',
        'COPY --from=build /a /a',
        'COPY --from=3 /a /',
        'EXPOSE x',
      ],
      ['1 InvalidFrom', '4 InvalidStageIndex', '5 InvalidPort'],
      {},
    ],
    [
      'nothing of variables that the unknown base may set',
      ['FROM a b', 'EXPOSE $PORT', 'WORKDIR here', 'CMD run', 'USER ${U:?}', 'EXPOSE x'],
      ['1 InvalidFrom', '6 InvalidPort'],
      {},
    ],
    [
      'what is wrong before a here-document without end, and nothing behind its beginning',
      ['FROM scratch AS a', 'EXPOSE eighty', 'RUN <<E', 'x', 'FROM scratch', 'EXPOSE x'],
      ['3 UnterminatedHeredoc', '2 InvalidPort'],
      {},
    ],
    [
      'what is wrong where the first FROM is missing',
      ['EXPOSE eighty', 'ARG V=scratch', 'FROM $V', 'STOPSIGNAL SIGTREM', 'COPY --from=0 /a /'],
      ['1 NoBuildStage', '1 InvalidPort', '4 InvalidSignal'],
      {},
    ],
    [
      'what is wrong in a stage that only an unread instruction needs',
      [
        'FROM scratch AS a',
        'EXPOSE eighty',
        'FROM scratch AS b',
        'EXPOSE x',
        'FROM scratch',
        'COPY --from=A /x',
      ],
      ['6 MissingDestination', '2 InvalidPort'],
      {},
    ],
    [
      'what is wrong beside a circle',
      ['FROM scratch AS a', 'COPY --from=b / /', 'FROM scratch AS b', 'COPY --from=a / /', 'EXPOSE eighty'],
      ['2 CircularDependency', '5 InvalidPort'],
      {},
    ],
    [
      'what is wrong in the stage that the target nearly names',
      ['FROM scratch AS build', 'EXPOSE eighty', 'FROM scratch', 'EXPOSE x'],
      ['2 InvalidPort', 'UnknownTarget'],
      { target: 'biuld' },
    ],
    [
      'no unknown target where the name of a stage could not be read',
      ['FROM scratch A build', 'FROM scratch', 'EXPOSE x'],
      ['1 InvalidFrom'],
      { target: 'build' },
    ],
    [
      'what the checks find',
      ['FROM scratch AS Build', 'MAINTAINER me', 'COPY a', 'WORKDIR here', 'CMD run', 'LABEL a $UNSET'],
      [
        '3 MissingDestination',
        '2 MaintainerDeprecated',
        '1 StageNameCasing',
        '4 WorkdirRelativePath',
        '5 JSONArgsRecommended',
        '6 LegacyKeyValueFormat',
        '6 UndefinedVar',
      ],
      {},
    ],
    [
      'no check that a wrong instruction decides',
      ['FROM scratch', 'SHELL x', 'WORKDIR', 'ENV A', 'WORKDIR here', 'CMD run', 'LABEL a=$A', 'USER $B'],
      ['2 ShellNotJson', '3 MissingArgument', '4 MissingArgument'],
      {},
    ],
    [
      'a variable that has to be set, in an instruction that decides about others',
      ['FROM scratch', 'ARG A=${V:?needed} B=${A:?}', 'ENV C=$B', 'LABEL d=$C', 'EXPOSE x'],
      ['2 VariableRequired', '5 InvalidPort'],
      {},
    ],
    [
      'nothing of variables that a wrong value should have set',
      ['FROM scratch', 'ENV A=${', 'EXPOSE $A', 'EXPOSE x'],
      ['2 InvalidSubstitution', '4 InvalidPort'],
      {},
    ],
  ]
  it.each(cases)('%s', (_, lines, expected, options) => {
    const text = `${lines.join('\n')}\n`
    expect(shown(text, findingsOf(text, options, {}).all)).toEqual(expected)
  })

  it('which images have nearly the name of a stage', () => {
    const text =
      'FROM scratch AS build\nEXPOSE x\nFROM scratch\nCOPY --from=biuld / /\nCOPY --from=nginx / /\n'
    expect(findingsOf(text).doubtful).toMatchObject([
      { reference: 'docker.io/library/biuld:latest', meant: { name: 'build' } },
    ])
  })
})
