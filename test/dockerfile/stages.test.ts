// Stages, the triggers of base images, and what CI may do to golden files.
import { expect, test } from 'vitest'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { stageNamed, toStages } from '../../src/dockerfile/stages.ts'
import { parseTrigger } from '../../src/dockerfile/trigger.ts'
import { expectGolden } from './golden.ts'

const text = 'ARG G\nFROM a AS One\nRUN x\nARG H\nFROM b AS one\nFROM ONE\nRUN <<E\ny\nE\n'
const { stages, global } = toStages(parseDockerfile(text, 'D').value).value

test('a stage owns what follows its FROM', () => {
  expect(global.map((arg) => arg.pairs[0]?.key.text)).toEqual(['G'])
  expect(stages.map((s) => [s.index, s.name, s.instructions.map((i) => i.kind)])).toEqual([
    [0, 'one', ['RUN', 'ARG']],
    [1, 'one', []],
    [2, undefined, ['RUN']],
  ])
  expect(stages.map(({ span }) => text.slice(span.start, span.end))).toEqual([
    'FROM a AS One\nRUN x\nARG H',
    'FROM b AS one',
    'FROM ONE\nRUN <<E\ny\nE',
  ])
})

test('the last stage of a name is the one meant', () => {
  expect(stageNamed(stages, 'ONE')?.index).toBe(1)
  expect(stageNamed(stages, 'one', 1)?.index).toBe(0)
  expect(stageNamed(stages, 'one', 0)).toBeUndefined()
})

test.each(['RUN a \\\n b', 'COPY <<E /f\nx\nE', 'ENV a=b'])('the trigger %j', (trigger) => {
  const { value, diagnostics } = parseTrigger(trigger, '\\', 'base')
  expect(diagnostics).toEqual([])
  expect(value?.span).toEqual({ file: 'base', start: 0, end: trigger.length })
})

test('a trigger survives being stored', () => {
  const source = 'ONBUILD COPY --chown=1 <<-E /f\n\t$x\n\tE'
  const [onbuild] = parseDockerfile(`FROM x\n${source}\n`, 'D').value.instructions.slice(1)
  const stored = onbuild?.kind === 'ONBUILD' ? onbuild : undefined
  const again = parseTrigger(stored?.text ?? '', '\\', 'base').value
  const contents = [stored?.trigger, again].map(
    (i) =>
      i?.kind === 'COPY' && JSON.stringify(i.sources.map((s) => s.kind === 'heredoc' && s.heredoc.content)),
  )
  expect(contents[0]).toBe('["$x\\n"]')
  expect(contents[1]).toBe(contents[0])
})

test.each([
  ['', 'onbuild trigger should be a single expression'],
  ['RUN a\nRUN b', 'onbuild trigger should be a single expression'],
  ['FROM x', "FROM isn't allowed as an ONBUILD trigger"],
  ['ONBUILD RUN x', "ONBUILD isn't allowed as an ONBUILD trigger"],
  ['# escape=`', 'onbuild trigger should be a single expression'],
  ['RNU x', 'unknown instruction: RNU (did you mean RUN?)'],
])('refuses the trigger %j', (trigger, message) => {
  const { value, diagnostics } = parseTrigger(trigger, '\\', 'base')
  expect(value).toBeUndefined()
  expect(diagnostics.map((d) => d.message)).toEqual([message])
})

test('CI never rewrites a golden file', () => {
  const { CI, UPDATE_GOLDEN } = process.env
  process.env.CI = 'true'
  process.env.UPDATE_GOLDEN = '1'
  try {
    expect(() => expectGolden('/nonexistent/golden.txt', 'text')).toThrow('UPDATE_GOLDEN')
  } finally {
    for (const [name, value] of Object.entries({ CI, UPDATE_GOLDEN })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
})
