// What no fixture can show: properties over arbitrary text, limits, places in the file.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import { hasErrors } from '../../src/core/diagnostic.ts'
import type { Span } from '../../src/core/span.ts'
import { lint } from '../../src/dockerfile/lint/lint.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { printDockerfile } from '../../src/dockerfile/print.ts'
import { toStages } from '../../src/dockerfile/stages.ts'
import { leastCpuMilliseconds } from '../support/cpu-time.ts'
import { meaningOf } from './meaning.ts'

const fragments = [
  ...[
    'FROM ',
    'RUN ',
    'COPY ',
    'ADD ',
    'ENV ',
    'LABEL ',
    'ARG ',
    'CMD ',
    'ENTRYPOINT ',
    'EXPOSE ',
    'VOLUME ',
  ],
  ...[
    'USER ',
    'WORKDIR ',
    'SHELL ',
    'STOPSIGNAL ',
    'HEALTHCHECK ',
    'CMD ',
    'NONE',
    'ONBUILD ',
    'MAINTAINER ',
  ],
  ...[
    '\n',
    '\n',
    '\n',
    '\r\n',
    '\\\n',
    '`\n',
    '\\ \n',
    ' ',
    ' ',
    '\t',
    '\v',
    '\u00a0',
    '\u2028',
    '\ufeff',
    '\r',
  ],
  ...[
    'a',
    'b=c',
    '/d',
    '"',
    "'",
    '\\',
    '`',
    '$e',
    '${f:-',
    '}',
    '=',
    '#',
    '# g\n',
    '# escape=`\n',
    '# check=skip=all\n',
  ],
  ...[
    '<<E',
    '<<-F',
    '<<"G"',
    "3<<'H'",
    'E\n',
    '\tF\n',
    '<<',
    '[',
    ']',
    ',',
    '"i"',
    '["j", "k l"]',
    '[1]',
    '{}',
  ],
  ...[
    '--from=m',
    '--link',
    '--mount=n',
    '--interval=5s',
    '--network=none',
    '--platform=o',
    '--',
    '--p="q r"',
    'AS s',
  ],
]
const junk = fc.string({ unit: fc.constantFrom(...fragments), maxLength: 40 })
const sane = fc
  .array(fc.string({ unit: fc.constantFrom(...fragments), maxLength: 6 }), { maxLength: 6 })
  .map((lines) => `FROM x\n${lines.map((line) => `RUN ${line}\nCOPY a b${line}\n`).join('')}`)
const wordy = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        'ENV a=',
        'LABEL "b"=',
        'ARG c=',
        'COPY d ',
        'COPY <<E ',
        'RUN <<-E ',
        'VOLUME ',
        'EXPOSE 1',
        'WORKDIR /',
      ),
      fc.string({
        unit: fc.constantFrom(
          'x',
          ' ',
          '"',
          "'",
          '\\',
          '`',
          '$',
          '=',
          '\u00a0',
          '\v',
          '--',
          '[',
          '<<',
          '#',
          '\\\n',
        ),
      }),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((lines) => `FROM x\n${lines.map(([start, rest]) => `${start}y${rest}\n\tE\nE\n`).join('')}`)
const texts = fc.oneof(junk, sane, wordy, fc.string({ unit: 'binary' }))

function spansOf(value: unknown): Span[] {
  if (typeof value !== 'object' || value === null) return []
  if ('start' in value && 'end' in value && 'file' in value) return [value as Span]
  return Object.values(value).flatMap(spansOf)
}

test('no text makes it throw, and every place is within the text', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseDockerfile(text, 'D')
      const stages = toStages(parsed.value)
      const warnings = lint({ file: parsed.value, stages: stages.value })
      const isWithin = ({ file, start, end }: Span) =>
        file === 'D' && 0 <= start && start <= end && end <= text.length
      expect(spansOf([parsed, stages, warnings]).filter((span) => !isWithin(span))).toEqual([])
    }),
    { numRuns: 3000 },
  )
})

test('words stand where their spans say, when nothing was joined or unquoted', () => {
  fc.assert(
    fc.property(sane, (text) => {
      for (const instruction of parseDockerfile(text, 'D').value.instructions) {
        const { span, text: keyword } = instruction.keyword
        if (span.end - span.start === keyword.length) expect(text.slice(span.start, span.end)).toBe(keyword)
        if (instruction.kind !== 'COPY') continue
        for (const source of instruction.sources) {
          if (source.kind !== 'path') continue
          const { start, end } = source.word.span
          const written = text.slice(start, end)
          if (written.length === source.word.text.length) expect(written).toBe(source.word.text)
          else expect(written).toMatch(/\n|^"/)
        }
      }
    }),
  )
})

test('instructions, directives, comments and blanks tile the text', () => {
  let tiled = 0
  fc.assert(
    fc.property(texts, (text) => {
      const { value, diagnostics } = parseDockerfile(text, 'D')
      const all = [...value.directives, ...value.instructions].map(({ span }) => span)
      const spans = all.toSorted((a, b) => a.start - b.start)
      spans.forEach((span, i) => {
        expect(span.start).toBeGreaterThanOrEqual(spans[i - 1]?.end ?? 0)
      })
      if (hasErrors(diagnostics)) return
      tiled++
      // Words of an instruction, and its here-documents, lie within it.
      for (const instruction of value.instructions) {
        const { start, end } = instruction.span
        const words = spansOf({ ...instruction, emptyContinuations: [] })
        expect(words.filter((inner) => inner.start < start || inner.end > end)).toEqual([])
      }
      const gaps = [...spans, { start: text.length, end: 0 }].map(({ start }, i) =>
        text.slice(spans[i - 1]?.end ?? 0, start),
      )
      for (const line of gaps.join('\n').replace('\ufeff', '').split('\n')) {
        expect(line.trim(), JSON.stringify(text)).toMatch(/^(?:#|[\\`]?$)/)
      }
    }),
    { numRuns: 3000 },
  )
  expect(tiled).toBeGreaterThan(100)
})

test('a printed tree reads back as the same tree', () => {
  let accepted = 0
  fc.assert(
    fc.property(texts, (text) => {
      const { value, diagnostics } = parseDockerfile(text, 'D')
      if (hasErrors(diagnostics)) return
      accepted++
      const printed = printDockerfile(value)
      const again = parseDockerfile(printed, 'D')
      expect(hasErrors(again.diagnostics), printed).toBe(false)
      expect(meaningOf(again.value)).toEqual(meaningOf(value))
      expect(printDockerfile(again.value)).toBe(printed)
    }),
    { numRuns: 6000 },
  )
  expect(accepted).toBeGreaterThan(300)
})

describe('in less than two seconds of computing, or refused', () => {
  const numbered = Array.from({ length: 1e5 }, (_, index) => index)
  const nested = '${a:-'.repeat(1e5) + '}'.repeat(1e5)
  test.each([
    ['ten megabytes of continuation lines', `FROM a\nRUN ${'x\\\n'.repeat(3_400_000)}y`, undefined],
    [
      'blank and comment lines within a continuation',
      `FROM a\nRUN \\\n${'\n#\n'.repeat(3_000_000)}y`,
      undefined,
    ],
    [
      'a hundred thousand here-documents of one instruction',
      `FROM a\nRUN ${'<<E '.repeat(1e5)}\n${'E\n'.repeat(1e5)}`,
      undefined,
    ],
    [
      'a hundred thousand here-documents to copy, each with a name of its own',
      `FROM a\nCOPY ${numbered.map((n) => `<<E${n}`).join(' ')} /d/\n${numbered.map((n) => `E${n}\n`).join('')}`,
      undefined,
    ],
    [
      'forty thousand instructions with here-documents',
      `FROM a\n${'RUN <<E\nx\nE\n'.repeat(4e4)}`,
      undefined,
    ],
    ['a hundred thousand nested substitutions', `FROM a\nENV x=${nested}\nCOPY <<${nested} /x`, undefined],
    ['more instructions than the limit', `FROM a\n${'USER a\n'.repeat(100_001)}`, 'TooManyInstructions'],
    ['a file above the limit', '#'.repeat(17 * 1024 * 1024), 'FileTooLarge'],
    ['millions of mistakes', `FROM a\n${'x\n'.repeat(3_000_000)}`, 'TooManyErrors'],
    ['a hundred thousand lines of another language', 'x\n'.repeat(100_000), 'NotADockerfile'],
    ['here-documents where there are none', `FROM a\n${'CMD <<E\nE\n'.repeat(49_000)}`, 'TooManyErrors'],
    ['blanks before an escape', `FROM a\nRUN x${' '.repeat(1e7)}\\\ny`, undefined],
    ['deep JSON', `FROM a\nRUN ${'['.repeat(1e6)}${']'.repeat(1e6)}`, 'InvalidJsonArray'],
    ['a hundred thousand flags', `FROM a\nRUN ${'--network=none '.repeat(1e5)}a`, 'DuplicateFlag'],
    ['a hundred thousand mounts', `FROM a\nRUN ${'--mount=type=tmpfs,target=/a '.repeat(1e5)}a`, undefined],
    [
      'a mount of a hundred thousand keys',
      `FROM a\nRUN --mount=type=tmpfs${',rw=true'.repeat(1e5)} a`,
      undefined,
    ],
    ['a hundred thousand ONBUILDs', `FROM a\n${'ONBUILD '.repeat(1e5)}RUN a`, 'InvalidTrigger'],
    ['a hundred thousand pairs', `FROM a\nENV ${'a=b '.repeat(1e5)}`, undefined],
    ['fifty thousand stages', 'FROM a AS b\n'.repeat(50_000), undefined],
    ['one line of ten megabytes', `FROM a\nRUN ${'x'.repeat(1e7)}`, undefined],
    ['an array without end', `FROM a\nRUN ["${'x'.repeat(1e7)}`, undefined],
    ['a long quoted value', `FROM a\nENV a="${'\\x'.repeat(2_000_000)}"`, undefined],
  ])('%s', (_name, text, code) => {
    let diagnostics: readonly Diagnostic[] = []
    const milliseconds = leastCpuMilliseconds(2000, () => {
      const parsed = parseDockerfile(text, 'D')
      const stages = toStages(parsed.value)
      lint({ file: parsed.value, stages: stages.value })
      diagnostics = parsed.diagnostics
    })
    const errors = diagnostics.filter((d) => d.severity === 'error')
    expect(errors.some((d) => d.code === code)).toBe(code !== undefined)
    expect(milliseconds).toBeLessThan(2000)
  })
})

test('names of the prototype are names like any other', () => {
  const text = 'FROM x AS constructor\nCOPY --__proto__=a --constructor b c\n__proto__ a\nFROM constructor\n'
  const { diagnostics } = parseDockerfile(text, 'D')
  expect(diagnostics.map((d) => d.code)).toEqual(['UnknownFlag', 'UnknownFlag', 'UnknownInstruction'])
})

test('BUILDKIT_SYNTAX takes the place of what the file says of its syntax', () => {
  const codes = (text: string, syntax?: string): readonly string[] =>
    parseDockerfile(text, 'D', syntax).diagnostics.map((d) => d.code)
  const foreign = '# syntax=example.com/other\nFROM x\n'
  expect(codes(foreign)).toEqual(['UnknownSyntax'])
  expect(codes(foreign, '')).toEqual(['UnknownSyntax'])
  expect(codes(foreign, 'docker/dockerfile:1')).toEqual([])
  expect(codes(foreign, 'dockerfile.v0')).toEqual([])
  expect(codes('FROM x\n', 'example.com/frontend:1 --debug')).toEqual(['UnknownSyntax'])
  expect(parseDockerfile('FROM x\n', 'D', 'a/b').diagnostics[0]).toEqual({
    code: 'UnknownSyntax',
    severity: 'error',
    message: 'unsupported syntax image "a/b" in BUILDKIT_SYNTAX',
    hint: expect.stringContaining('docker/dockerfile'),
  })
})
