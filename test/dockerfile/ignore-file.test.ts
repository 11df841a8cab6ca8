// Ignore files and wildcards against tables and against slow references.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesOf } from '../../src/core/byte-string.ts'
import { SlipwayError } from '../../src/core/error.ts'
import { parseIgnoreFile } from '../../src/dockerfile/ignore-file.ts'
import { ignoreMatcher } from '../../src/dockerfile/ignore-matcher.ts'
import { cleanPath } from '../../src/dockerfile/ignore-pattern.ts'
import { globMatch, hasGlob, isGlob } from '../../src/dockerfile/path-glob.ts'
import '../support/property-seed.ts'
import { cpuMilliseconds } from '../support/cpu-time.ts'

const patternsOf = (text: string): string[] => parseIgnoreFile(text).value.map(({ pattern }) => pattern)

test('lines', () => {
  const text = '\ufeff# c\n /a/./b/ \r\n!  /x//y/../z\n\n # d\n#e\n!\\#f\n/\n..\n'
  expect(parseIgnoreFile(text)).toEqual({
    value: [
      { pattern: 'a/b', line: 2 },
      { pattern: '!x/z', line: 3 },
      { pattern: '# d', line: 5 },
      { pattern: '!\\#f', line: 7 },
      { pattern: '/', line: 8 },
      { pattern: '..', line: 9 },
    ],
    diagnostics: [],
  })
})

test('bad patterns are reported with their line and left out', () => {
  const text = 'a\n! \n[b\nc\n'
  const { value, diagnostics } = parseIgnoreFile(text, 'x.dockerignore')
  expect(value.map(({ pattern }) => pattern)).toEqual(['a', 'c'])
  expect(diagnostics.map((d) => [d.message, text.slice(d.span?.start, d.span?.end)])).toEqual([
    ['failed parsing x.dockerignore: illegal exclusion pattern: "!"', '! '],
    ['failed parsing x.dockerignore: syntax error in pattern', '[b'],
  ])
  expect(() => ignoreMatcher(['[b'])).toThrow('invalid pattern "[b"')
})

test('a pattern that only fails when it is asked is a warning, and then fails', () => {
  const { value, diagnostics } = parseIgnoreFile('node_modules\n!obj\\keep\n')
  expect(value).toHaveLength(2)
  expect(diagnostics.map(({ severity, message }) => [severity, message])).toEqual([
    ['warning', '"!obj\\\\keep" is no pattern: what it is asked about fails the build'],
  ])
  const matcher = ignoreMatcher(['node_modules', '!obj\\keep'])
  expect(matcher('src', true).excluded).toBe(false)
  expect(() => matcher('node_modules', true)).toThrow(
    'invalid pattern "!obj\\\\keep": syntax error in pattern',
  )
})

test('lines longer than Go reads are errors', () => {
  expect(parseIgnoreFile(`${'a'.repeat(65_535)}\nb`).diagnostics).toEqual([])
  const { value, diagnostics } = parseIgnoreFile(`${'é'.repeat(32_768)}\nb`)
  expect(value.map(({ pattern }) => pattern)).toEqual(['b'])
  expect(diagnostics.map((d) => d.message)).toEqual([
    'failed parsing .dockerignore: a line is longer than 65535 bytes',
  ])
})

describe('as moby/patternmatcher v0.6.1 answered', () => {
  // Made from Go's answers: of each ignore file what its walk says of every path (`+` there, `-` excluded, `!` a pattern
  // was asked that is none), then what the context transfer sees, where that is less. No answer: the file is an error.
  const { paths, rows } = JSON.parse(readFileSync('fixtures/ignore/moby.json', 'utf8')) as {
    paths: string[]
    rows: [text: string, walk?: string, transferred?: string][]
  }
  const walk = (patterns: readonly string[], asTransfer: boolean): string => {
    const matcher = ignoreMatcher(patterns, { asTransfer })
    let said = ''
    for (const path of paths) {
      try {
        said += matcher(path, true).excluded ? '-' : '+'
      } catch (thrown) {
        if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_PATTERN_INVALID') throw thrown
        return `${said}!`
      }
    }
    return said
  }
  test(`${rows.length} ignore files`, () => {
    expect(rows.length).toBeGreaterThan(4000)
    for (const [text, walked, transferred = walked] of rows) {
      const { value, diagnostics } = parseIgnoreFile(text)
      const isError = diagnostics.some(({ severity }) => severity === 'error')
      expect([text, isError]).toEqual([text, walked === undefined])
      if (isError) continue
      const patterns = value.map(({ pattern }) => pattern)
      expect([text, walk(patterns, false)]).toEqual([text, walked])
      expect([text, walk(patterns, true)]).toEqual([text, transferred])
    }
  })
})

describe('excludes', () => {
  test.each<[string[], string, boolean]>([
    [['a'], 'a', true],
    [['a'], 'a/b/c', true],
    [['a'], 'b/a', false],
    [['*'], 'a/b', true],
    [['*/b'], 'a/b', true],
    [['*/b'], 'a/c/b', false],
    [['**/b'], 'b', true],
    [['**/b'], 'a/c/b/d', true],
    [['**/b'], 'a/cb', false],
    [['a/**'], 'a', false],
    [['a/**'], 'a/b', true],
    [['a/**/b'], 'a/b', true],
    [['a/**/b'], 'a/c/d/b', true],
    [['**.js'], 'a/b.js', true],
    [['**'], 'a', true],
    [['a?c'], 'abc', true],
    [['a?c'], 'a/c', false],
    [['[a-c]x', '![b]x'], 'ax', true],
    [['[a-c]x', '![b]x'], 'bx', false],
    [['[^a]'], 'b', true],
    [['\\*'], '*', true],
    [['\\*'], 'a', false],
    [['a.b*'], 'axb', false],
    [['*', '!a'], 'a/b', false],
    [['*', '!a', 'a/c'], 'a/c/d', true],
    [['a', '!a/b'], 'a/b', false],
    [['a', '!a/b'], 'a/c', true],
    // The third was not asked about `a`, which the first excludes: so it does not count for what is below.
    [['a', '!a/b', 'a'], 'a/b', false],
    [['*/b', '!a'], 'a/b', true],
    [['a|b*'], 'xb', true],
    [['a{2}*'], 'aa', true],
    [['\\x61*'], 'ab', true],
    [['\\101?'], 'AB', true],
    [['\\p{Greek}*'], 'πr', true],
    [['[[:alpha:]]'], 'x', true],
    [['\\Qa\\E*'], 'ab', true],
    [['?\ufffd'], 'a\ufffd', true],
    [['!a', 'a'], 'a', true],
    [['**/*.é'], 'x/y.é', true],
    [['.'], 'a', false],
    [['{a,b}*'], 'a', false],
    [['(a)*'], '(a)b', true],
    [['a/**/b'], 'a/x\ny/b', false],
    [['^*'], 'a', true],
    [['*^a'], '^a', false],
    [['\\d*'], '1x', true],
  ])('%j: %s is %s', (patterns, path, excluded) => {
    expect(ignoreMatcher(patterns)(bytesOf(path), false).excluded).toBe(excluded)
  })
  test('never the root', () => {
    expect(ignoreMatcher(['**'])('.', true)).toEqual({ excluded: false, skip: false })
  })
  test('and says which pattern decided', () => {
    const matcher = ignoreMatcher(['a', '!a/b'])
    expect(matcher('a/c', false)).toEqual({ excluded: true, skip: false, by: 'a', index: 0 })
    expect(matcher('a/b', false)).toEqual({ excluded: false, skip: false, by: '!a/b', index: 1 })
    expect(matcher('z', false)).toEqual({ excluded: false, skip: false })
  })
})

describe('a directory need not be walked', () => {
  test.each<[string[], string, boolean]>([
    [['a'], 'a', true],
    [['a', '!a/b'], 'a', false],
    [['a', '!b'], 'a', true],
    [['a', '!b/*/c'], 'a', true],
    [['a', '!*/c'], 'a', false],
    [['a', '!*/c'], 'a/b', true],
    [['a', '!**/c'], 'a/b', false],
    [['!a/b', 'a'], 'a', true],
    [['a', '!a/b/**'], 'a/c', true],
    [['a', '!a/b/**'], 'a/b', false],
    [['b'], 'a', false],
  ])('%j: %s %s', (patterns, directory, skip) => {
    expect(ignoreMatcher(patterns)(directory, true).skip).toBe(skip)
  })
})

// moby's own way: the pattern as a regular expression, every ancestor tried.
function slowPattern(pattern: string): RegExp {
  let source = ''
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] ?? ''
    if (c === '*' && pattern[i + 1] === '*') {
      i += pattern[i + 2] === '/' ? 2 : 1
      source += i + 1 < pattern.length ? '(.*/)?' : '.*'
    } else if (c === '*') source += '[^/]*'
    else if (c === '?') source += '[^/]'
    else source += /[.+]/.test(c) ? `\\${c}` : c
  }
  return new RegExp(`^${source}$`)
}

function slowExcluded(patterns: readonly string[], path: string): boolean {
  const matched = patterns.map(() => false)
  let excluded = false
  for (let slash = path.indexOf('/'); ; slash = path.indexOf('/', slash + 1)) {
    const part = slash === -1 ? path : path.slice(0, slash)
    excluded = false
    for (const [index, written] of patterns.entries()) {
      const negated = written.startsWith('!')
      const cleaned = cleanPath(written)
      const isAsked = matched[index] || negated === excluded
      matched[index] =
        isAsked && (matched[index] || slowPattern(negated ? cleaned.slice(1) : cleaned).test(part))
      if (matched[index]) excluded = !negated
    }
    if (slash === -1) return excluded
  }
}

const patterns = fc.array(
  fc
    .tuple(
      fc.constantFrom('', '', '!'),
      fc.array(fc.constantFrom('a', 'b', '*', '?', 'a*', '*b', '**', 'a.b', '[ab]', '*.+'), {
        minLength: 1,
        maxLength: 3,
      }),
    )
    .map(([sign, parts]) => sign + parts.join('/')),
  { maxLength: 4 },
)
const path = fc
  .array(fc.constantFrom('a', 'b', 'c', 'ab', 'a.b', 'a.+', 'axb'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))

test('agrees with the reference, in any order of questions, and never skips what is included', () => {
  fc.assert(
    fc.property(patterns, fc.array(path, { maxLength: 12 }), (patterns, paths) => {
      const matcher = ignoreMatcher(patterns)
      for (const path of paths) {
        expect(matcher(path, false).excluded).toBe(slowExcluded(patterns, path))
        const parts = path.split('/')
        for (let n = 1; n < parts.length; n++) {
          if (matcher(parts.slice(0, n).join('/'), true).skip)
            expect(matcher(path, false).excluded).toBe(true)
        }
      }
    }),
    { numRuns: 3000 },
  )
})

describe('wildcards of sources', () => {
  test.each<[string, string, boolean]>([
    ['*.go', 'a.go', true],
    ['*.go', 'd/a.go', false],
    ['*/*', 'a/b', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['[a-c]*[^x]', 'bxy', true],
    ['[a-c]*[^x]', 'bxx', false],
    ['a\\*', 'a*', true],
    ['*', '', true],
    ['a*b*c', 'aXbYc', true],
    ['a*/b', 'ax/b', true],
    ['', '', true],
    ['é?', 'é😀', true],
  ])('%s %s %s', (pattern, path, matches) => {
    expect(globMatch(pattern, path)).toBe(matches)
  })
  test.each(['[', '[]a]', '[a-]', 'a\\', '[-x]', '[a'])('%s is malformed', (pattern) => {
    expect(isGlob(pattern)).toBe(false)
    expect(globMatch(pattern, 'a')).toBe(false)
  })
  test('are seen unless escaped', () => {
    expect(['a*', 'a?', '[a', 'a\\*', 'a\\\\*', 'a'].map(hasGlob)).toEqual([
      true,
      true,
      true,
      false,
      true,
      false,
    ])
  })
})

test('what is not UTF-8 is one U+FFFD for each byte', () => {
  const matcher = ignoreMatcher(['?\ufffd\ufffd', '\ufffdx'])
  expect(matcher('a\xe2\x82', false).excluded).toBe(true)
  expect(matcher('a\xe2', false).excluded).toBe(false)
  // Without wildcards bytes are compared.
  expect(matcher('\xffx', false).excluded).toBe(false)
  expect(matcher('\xef\xbf\xbdx', false).excluded).toBe(true)
})

test('no text throws anything but the error that names the pattern', () => {
  const hostile = fc.string({
    unit: fc.constantFrom(
      ...'ab*?[]\\{}|^$()+.!/-:,0123xpPQEdwL\n \ufeff\ufffdé😀'.split(''),
      '[:',
      ':]',
      '**',
    ),
    maxLength: 40,
  })
  fc.assert(
    fc.property(hostile, fc.array(fc.string({ maxLength: 12 }), { maxLength: 6 }), (text, paths) => {
      for (const asTransfer of [false, true]) {
        const matcher = ignoreMatcher(patternsOf(text), { asTransfer })
        for (const path of paths) {
          try {
            matcher(bytesOf(path), true)
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: 'ERR_PATTERN_INVALID' })
          }
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('no pattern and no path makes matching slow', () => {
  const long = 'a'.repeat(3000)
  const deep = `${'a/'.repeat(1500)}a`
  const milliseconds = cpuMilliseconds(() => {
    for (const pattern of [
      `${'*a'.repeat(20)}b`,
      `${'**/a*'.repeat(10)}b`,
      `${'a*'.repeat(20)}/x`,
      `${'**/'.repeat(500)}b?`,
    ]) {
      for (const path of [long, deep]) {
        expect(ignoreMatcher([pattern])(path, false).excluded).toBe(false)
        expect(globMatch(pattern, path)).toBe(false)
      }
    }
    for (const pattern of [
      'a{1000}'.repeat(100),
      '[[:'.repeat(8000),
      '{1'.repeat(20_000),
      '\\Qa\\E{2}'.repeat(9000),
      '*a?'.repeat(9000),
    ]) {
      const { diagnostics } = parseIgnoreFile(pattern)
      if (diagnostics.length === 0) ignoreMatcher([pattern])(long, false)
    }
  })
  expect(milliseconds).toBeLessThan(4000)
})

test('a huge ignore file is asked in the time of a small one', () => {
  const text = Array.from(
    { length: 50_000 },
    (_, i) => `${i % 7 === 0 ? '!' : ''}d${i % 100}/file-${i}.txt\nsame\n`,
  ).join('')
  const milliseconds = cpuMilliseconds(() => {
    const matcher = ignoreMatcher(patternsOf(text), { asTransfer: true })
    for (let i = 0; i < 30_000; i++) matcher(`d${i % 100}/file-${i}.txt`, false)
    expect(matcher('d2/file-2.txt', false).excluded).toBe(true)
    expect(matcher('d2/file-7.txt', false).excluded).toBe(false)
  })
  expect(milliseconds).toBeLessThan(3000)
})
