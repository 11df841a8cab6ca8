// Expansion against a table, and against a slow reference that shares no code with it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Word } from '../../src/dockerfile/ast.ts'
import { expandHeredoc, expandWord, expandWords, type VariableUse } from '../../src/dockerfile/expand.ts'
import { cpuMilliseconds } from '../support/cpu-time.ts'

const values: Record<string, string> = { A: 'a/b.c x', B: 'foo.tar.gz', E: '', V: '1.2.3', S: ' l  r ' }
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
  test('the escape character of the file', () => {
    expect(value('`$V\\x"`""', '`')).toBe('$V\\x"')
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

describe('here-documents', () => {
  const heredoc = (content: string, expand = true) => ({
    name: 'E',
    expand,
    chomp: false,
    content,
    span: word('').span,
    contentSpan: word(content).span,
  })
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
    const milliseconds = cpuMilliseconds(() => {
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

// The reference: a word is generated as a tree, printed, and its meaning computed from the tree.
type Tree =
  | { kind: 'text'; text: string }
  | { kind: 'single'; text: string }
  | { kind: 'double'; parts: Tree[] }
  | { kind: 'variable'; name: string; operator: string; operand: Tree[] }
  | { kind: 'trim'; name: string; operator: string; glob: string }
  | { kind: 'replace'; name: string; operator: string; glob: string; by: string }

const names = fc.constantFrom('A', 'B', 'E', 'V', 'U')
const globs = fc.string({ unit: fc.constantFrom('*', '?', '.', 'o', 'a', '1', 'r'), maxLength: 4 })
const { tree } = fc.letrec<{ tree: Tree; list: Tree[] }>((tie) => ({
  list: fc.array(tie('tree'), { maxLength: 3 }),
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.record({
      kind: fc.constant('text' as const),
      text: fc.string({ unit: fc.constantFrom('a', '-', 'é') }),
    }),
    fc.record({ kind: fc.constant('single' as const), text: fc.constantFrom('', 'x y', '$A', '"', '\\') }),
    fc.record({
      kind: fc.constant('trim' as const),
      name: names,
      operator: fc.constantFrom('#', '##', '%', '%%'),
      glob: globs,
    }),
    fc.record({
      kind: fc.constant('replace' as const),
      name: names,
      operator: fc.constantFrom('/', '//'),
      glob: globs.filter((glob) => glob !== ''),
      by: fc.constantFrom('', 'Z', 'zz'),
    }),
    fc.record({
      kind: fc.constant('variable' as const),
      name: names,
      operator: fc.constantFrom('', '-', ':-', '+', ':+'),
      operand: tie('list'),
    }),
    fc.record({ kind: fc.constant('double' as const), parts: tie('list') }),
  ),
}))

function print(tree: Tree): string {
  switch (tree.kind) {
    case 'text':
      return tree.text
    case 'single':
      return `'${tree.text}'`
    case 'double':
      return `"${tree.parts.map((part) => (part.kind === 'single' ? '' : print(part))).join('')}"`
    case 'variable':
      return `\${${tree.name}${tree.operator}${tree.operator === '' ? '' : tree.operand.map(print).join('')}}`
    case 'trim':
      return `\${${tree.name}${tree.operator}${tree.glob}}`
    case 'replace':
      return `\${${tree.name}${tree.operator}${tree.glob}/${tree.by}}`
  }
}

/** Tries every way, star by star. */
function slowMatch(glob: string, text: string): boolean {
  if (glob === '') return text === ''
  const rest = glob.slice(1)
  if (glob.startsWith('*')) {
    for (let i = 0; i <= text.length; i++) if (slowMatch(rest, text.slice(i))) return true
    return false
  }
  return text !== '' && (glob.startsWith('?') || glob[0] === text[0]) && slowMatch(rest, text.slice(1))
}

function meaning(tree: Tree): string {
  switch (tree.kind) {
    case 'text':
    case 'single':
      return tree.text
    case 'double':
      return tree.parts.map((part) => (part.kind === 'single' ? '' : meaning(part))).join('')
    case 'variable': {
      const value = values[tree.name]
      const other = tree.operand.map(meaning).join('')
      const isSet = tree.operator.startsWith(':') ? value !== undefined && value !== '' : value !== undefined
      if (tree.operator.endsWith('-')) return isSet ? (value ?? '') : other
      if (tree.operator.endsWith('+')) return isSet ? other : ''
      return value ?? ''
    }
    case 'trim': {
      const value = values[tree.name] ?? ''
      const lengths = Array.from({ length: value.length + 1 }, (_, i) => i)
      const isPrefix = tree.operator.startsWith('#')
      const fits = lengths.filter((n) =>
        slowMatch(tree.glob, isPrefix ? value.slice(0, n) : value.slice(value.length - n)),
      )
      const length = tree.operator.length === 2 ? fits.at(-1) : fits[0]
      if (length === undefined) return value
      return isPrefix ? value.slice(length) : value.slice(0, value.length - length)
    }
    case 'replace':
      return slowReplace(values[tree.name] ?? '', tree)
  }
}

function slowReplace(value: string, tree: { operator: string; glob: string; by: string }): string {
  let out = ''
  let at = 0
  let lastEnd = -1
  let done = false
  while (at <= value.length) {
    let end = -1
    if (!done) for (let e = at; e <= value.length; e++) if (slowMatch(tree.glob, value.slice(at, e))) end = e
    if (end > at || (end === at && at !== lastEnd)) {
      out += tree.by
      lastEnd = end
      done = tree.operator === '/'
    }
    if (end > at) at = end
    else out += value[at++] ?? ''
  }
  return out
}

test('agrees with the reference', () => {
  fc.assert(
    fc.property(fc.array(tree, { maxLength: 4 }), (trees) => {
      expect(value(trees.map(print).join(''))).toBe(trees.map(meaning).join(''))
    }),
    { numRuns: 3000 },
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
