// Expansion against a table, and against a slow reference that shares no code with it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Word } from '../../src/dockerfile/ast.ts'
import { expandHeredoc, expandWord, expandWords, type VariableUse } from '../../src/dockerfile/expand.ts'
import { leastCpuMilliseconds } from '../support/cpu-time.ts'
import '../support/property-seed.ts'
import { meaningOf } from './expand-reference.ts'

const values: Record<string, string> = {
  A: 'a/b.c x',
  B: 'foo.tar.gz',
  E: '',
  V: '1.2.3',
  W: 'a\\b\\c',
  S: ' l  r ',
}
const env = (name: string): string | undefined => (Object.hasOwn(values, name) ? values[name] : undefined)
const word = (text: string): Word => ({ text, span: { file: 'D', start: 100, end: 100 + text.length } })

function value(text: string, escapeBy = '\\'): string | undefined {
  const { value, diagnostics } = expandWord(word(text), env, { escape: escapeBy })
  return diagnostics.length === 0 ? value : undefined
}

describe('a word means', () => {
  test.each([
    ['a', 'a'],
    ['$V', '1.2.3'],
    ['${V}x', '1.2.3x'],
    ['$Vx-$V-', '-1.2.3-'],
    ['$1x$@', 'x'],
    ['$', '$'],
    ['a$.b', 'a$.b'],
    ['\\$V', '$V'],
    ["'$V'", '$V'],
    ['"$V \' \\" \\a \\\\"', '1.2.3 \' " \\a \\'],
    ['a\\bc\\', 'abc'],
    ['${U-u}${U:-u}${E-e}${E:-e}', 'uue'],
    ['${U+u}${U:+u}${E+e}${E:+e}${V:+v}', 'ev'],
    ['${U:-${V:+"$B"}}', 'foo.tar.gz'],
    ['${V?m}${V:?m}${E?m}', '1.2.31.2.3'],
    ['${B#*.}${B##*.}', 'tar.gzgz'],
    ['${B%.*}${B%%.*}', 'foo.tarfoo'],
    ['${B#f?o}${B%g?}', '.tar.gzfoo.tar.'],
    ['${B#x}${U#x}', 'foo.tar.gz'],
    ['${V/./_}${V//./_}', '1_2.31_2_3'],
    ['${B/o*r/}', 'f.gz'],
    ['${A/\\//-}', 'a-b.c x'],
    ['${V//\\*/x}', '1.2.3'],
    ['${E//x/y}${V/x/y}', '1.2.3'],
  ])('%s → %s', (text, expected) => {
    expect(value(text)).toBe(expected)
  })
  test.each([
    ['`$V\\x"`""', '$V\\x"'],
    // In patterns the escape is `\` in every file: a backtick stays one.
    ['${W##*\\\\}${V##`*}', 'c1.2.3'],
    ['${V##*"."}', '3'],
  ])('%s in a file that escapes by backtick → %s', (text, expected) => {
    expect(value(text, '`')).toBe(expected)
  })
  test.each([
    ['${L##*a}', '\nba'],
    ['${L%%b*}', 'a\n'],
    ['${L//?/x}', 'x\nxx'],
    ['${L//*/x}', 'x\nx'],
    ['${L/b*/x}', 'a\nx'],
  ])('%s stays within a line', (text, expected) => {
    expect(expandWord(word(text), (name) => (name === 'L' ? 'a\nba' : undefined)).value).toBe(expected)
  })
  test.each([
    ['${V/1/"\\a"}', '\\\\a.2.3'],
    ["${V/1/'\\a'}", '\\a.2.3'],
    ["${V//./'$0'}", '1$02$03'],
  ])('%s replaces by %s', (text, expected) => {
    expect(value(text)).toBe(expected)
  })
})

describe('is refused', () => {
  test.each([
    ['${U?}', 'U: is not allowed to be unset'],
    ['${E:?}', 'E: is not allowed to be empty'],
    ['${U:?no $V}', 'U: no 1.2.3'],
    ['${U:-${E:?deep}}', 'E: deep'],
    ['${V#\\a}', "invalid pattern (\\a) in substitution: invalid escape '\\a'"],
    ['x${}', 'syntax error: bad substitution'],
    ['${:-x}', 'syntax error: bad substitution'],
    ['${{x}', 'syntax error: bad substitution'],
    ['${V', "syntax error: missing '}'"],
    ['${V:-x', "syntax error: missing '}'"],
    ['${V/x}', "syntax error: missing '/' in ${}"],
    ['${V/x/y', "syntax error: missing '}'"],
    ['${V^^}', 'unsupported modifier (^) in substitution'],
    ['${V😀}', 'unsupported modifier (😀) in substitution'],
    ['${V:#x', 'unsupported modifier (:#) in substitution'],
    ['${V:1:2}', 'unsupported modifier (:1) in substitution'],
    ["a'b", 'unexpected end of statement while looking for matching single-quote'],
    ['a"b', 'unexpected end of statement while looking for matching double-quote'],
  ])('%s', (text, message) => {
    const { diagnostics } = expandWord(word(text), env)
    expect(diagnostics.map((d) => d.message)).toEqual([
      `failed to process ${JSON.stringify(text)}: ${message}`,
    ])
  })
  test('at its place within the word', () => {
    const { diagnostics } = expandWord(word('ab${U:-${E:?x}}'), env)
    expect(diagnostics[0]?.span).toEqual({ file: 'D', start: 107, end: 114 })
  })
  test('as a whole when the file spells the word otherwise', () => {
    const span = { file: 'D', start: 5, end: 50 }
    expect(expandWord({ text: 'a${}', span }, env).diagnostics[0]?.span).toEqual(span)
  })
})

test('uses of variables are told, with operators and places', () => {
  const uses: VariableUse[] = []
  expandWord(word('$V${U:-$X}'), env, { onUse: (use) => uses.push(use) })
  expect(
    uses.map(({ name, defined, operator, span }) => [name, defined, operator, span.start - 100]),
  ).toEqual([
    ['V', true, undefined, 0],
    ['U', false, ':-', 2],
    ['X', false, undefined, 7],
  ])
})

test('prototype names are variables like any other', () => {
  expect(value('$constructor${__proto__:-x}')).toBe('x')
})

describe('words', () => {
  test.each([
    ['a b', ['a', 'b']],
    ['$S', ['l', 'r']],
    ['"$S"', [' l  r ']],
    ['a$S-b', ['a', 'l', 'r', '-b']],
    ['a\\ b "c  d"e', ['a b', 'c  de']],
    ['$U ""', []],
    ['80${U:-/tcp 81}', ['80/tcp', '81']],
  ])('%s', (text, expected) => {
    expect(expandWords(word(text), env)).toEqual({ value: expected, diagnostics: [] })
  })
})

const heredoc = (content: string, expand = true) => ({
  name: 'E',
  expand,
  chomp: false,
  content,
  span: word('').span,
  contentSpan: word(content).span,
})

describe('here-documents', () => {
  test('keep quotes and lose escapes', () => {
    expect(expandHeredoc(heredoc('a "$V" \'$V\' \\$V ${U:-"x"}\r\n'), env).value).toBe(
      'a "1.2.3" \'1.2.3\' $V "x"\r\n',
    )
  })
  test('with a quoted delimiter stay as they are', () => {
    expect(expandHeredoc(heredoc('$V\\', false), env).value).toBe('$V\\')
  })
})

describe('limits', () => {
  test('a value that doubles itself', () => {
    let big = 'x'.repeat(1024)
    const grow = (name: string) => (name === 'X' ? big : undefined)
    for (let i = 0; i < 10; i++) big = expandWord(word('$X$X'), grow).value
    const { value, diagnostics } = expandWord(word('$X$X'), grow)
    expect([value, diagnostics[0]?.code]).toEqual(['', 'ExpansionTooLarge'])
  })
  test('a hundred thousand nested substitutions', () => {
    const text = '${a:-'.repeat(1e5) + '}'.repeat(1e5)
    expect(expandWord(word(text), env).diagnostics[0]?.code).toBe('ExpansionTooDeep')
  })
  test('patterns that make a backtracking matcher explode', () => {
    const long = 'a'.repeat(20_000)
    const text = `\${L%%${'*a'.repeat(30)}b}\${L//${'a*'.repeat(30)}b/}`
    const milliseconds = leastCpuMilliseconds(2000, () => {
      expect(expandWord(word(text), (n) => (n === 'L' ? long : undefined)).value).toBe(long + long)
    })
    expect(milliseconds).toBeLessThan(2000)
  })
  test('replacements that multiply', () => {
    const long = 'a'.repeat(1_000_000)
    const text = `\${L//a/${'b'.repeat(1000)}}`
    const { diagnostics } = expandWord(word(text), (n) => (n === 'L' ? long : undefined))
    expect(diagnostics[0]?.code).toBe('ExpansionTooLarge')
  })
})

// The reference reads the text itself, so that any text is a case. Words that look like words come from `part`.
const names = fc.constantFrom('A', 'B', 'E', 'V', 'U', 'N', 'é', '1', '@', '')
const pieces = fc.constantFrom(
  ...[
    'a',
    'b c',
    ' ',
    'é',
    '/',
    '}',
    '{',
    ':',
    '-',
    '#',
    '%',
    '*',
    '?',
    '.',
    '\\',
    '`',
    "'",
    '"',
    '$',
    '<<',
    '\n',
    '𝟙',
  ],
  ...[
    "'a b'",
    "'$A'",
    "'\\'",
    '"\\$"',
    '"\\a"',
    '"`a"',
    '`*',
    '\\*',
    '\\/',
    '\\}',
    '<< a',
    '$V',
    '"$N"',
    '$P',
  ],
)
const { part } = fc.letrec<{ part: string; list: string }>((tie) => ({
  list: fc.array(tie('part'), { maxLength: 3 }).map((parts) => parts.join('')),
  part: fc.oneof(
    { maxDepth: 4 },
    pieces,
    fc
      .tuple(names, fc.constantFrom('', '-', ':-', '+', ':+', '?', ':?'), tie('list'))
      .map(([name, operator, list]) => (operator === '' ? `\${${name}}` : `\${${name}${operator}${list}}`)),
    fc
      .tuple(names, fc.constantFrom('#', '##', '%', '%%'), tie('list'))
      .map((parts) => `\${${parts.join('')}}`),
    fc
      .tuple(names, fc.constantFrom('/', '//'), tie('list'), tie('list'))
      .map(([name, operator, pattern, by]) => `\${${name}${operator}${pattern}/${by}}`),
    tie('list').map((list) => `"${list}"`),
  ),
}))
const environments = fc.record(
  {
    A: fc.constantFrom('a/b.c x', 'aaa', ''),
    B: fc.constantFrom('foo.tar.gz', 'b', '*'),
    E: fc.constant(''),
    V: fc.constantFrom('1.2.3', ' l  r ', 'a\\b'),
    N: fc.constantFrom('a.b\na.c\n\nb', '\n', 'b\na'),
    P: fc.constantFrom('*', '?', '\\', '\\*', '.', '\n', '}'),
    é: fc.constantFrom('é', 'x😀y'),
    '1': fc.constant('one'),
    '@': fc.constant('at'),
  },
  { requiredKeys: [] },
)

test('agrees with the reference, with words and within here-documents', () => {
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 4 }),
      environments,
      fc.constantFrom('\\', '`'),
      (parts, variables, escapeBy) => {
        const text = parts.join('')
        const get = (name: string): string | undefined =>
          Object.hasOwn(variables, name) ? (variables as Record<string, string>)[name] : undefined
        const options = { escape: escapeBy }
        const expected = meaningOf(text, variables, escapeBy, true)
        const one = expandWord(word(text), get, options)
        const many = expandWords(word(text), get, options)
        expect(one.diagnostics.length > 0 ? undefined : { text: one.value, words: many.value }).toEqual(
          expected,
        )
        const { value, diagnostics } = expandHeredoc(heredoc(text), get)
        expect(diagnostics.length > 0 ? undefined : value).toBe(meaningOf(text, variables, '\\', false)?.text)
      },
    ),
    { numRuns: 5000 },
  )
})

test('never throws, whatever the text', () => {
  const unit = fc.constantFrom(
    '$',
    '{',
    '}',
    '${',
    'V',
    ':',
    '-',
    '?',
    '#',
    '%',
    '/',
    '"',
    "'",
    '\\',
    ' ',
    '*',
    '<<',
    'é',
  )
  fc.assert(
    fc.property(fc.string({ unit }), fc.constantFrom('\\', '`'), (text, escapeBy) => {
      const one = expandWord(word(text), env, { escape: escapeBy })
      expandWords(word(text), env, { escape: escapeBy })
      for (const { span } of one.diagnostics) {
        expect(span?.start).toBeGreaterThanOrEqual(100)
        expect(span?.end).toBeLessThanOrEqual(100 + text.length)
      }
    }),
    { numRuns: 2000 },
  )
})
