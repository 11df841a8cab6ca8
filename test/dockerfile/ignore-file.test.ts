// Ignore files and wildcards against tables and against slow references.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ignoreMatcher, parseIgnoreFile } from '../../src/dockerfile/ignore-file.ts'
import { cleanPath } from '../../src/dockerfile/ignore-pattern.ts'
import { globMatch, hasGlob, isGlob } from '../../src/dockerfile/path-glob.ts'
import { cpuMilliseconds } from '../support/cpu-time.ts'

test('lines', () => {
  const text = '\ufeff# c\n /a/./b/ \r\n!  /x//y/../z\n\n # d\n#e\n!\\#f\n/\n..\n'
  expect(parseIgnoreFile(text)).toEqual({
    value: ['a/b', '!x/z', '# d', '!\\#f', '/', '..'],
    diagnostics: [],
  })
})

test('bad patterns are reported with their line and left out', () => {
  const text = 'a\n! \n[b\nc\n'
  const { value, diagnostics } = parseIgnoreFile(text, 'x.dockerignore')
  expect(value).toEqual(['a', 'c'])
  expect(diagnostics.map((d) => [d.message, text.slice(d.span?.start, d.span?.end)])).toEqual([
    ['failed parsing x.dockerignore: illegal exclusion pattern: "!"', '! '],
    ['failed parsing x.dockerignore: syntax error in pattern', '[b'],
  ])
  expect(() => ignoreMatcher(['[b'])).toThrow('invalid pattern "[b"')
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
    [['a', '!a/b', 'a'], 'a/b', true],
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
    expect(ignoreMatcher(patterns)(path, false).excluded).toBe(excluded)
  })
  test('never the root', () => {
    expect(ignoreMatcher(['**'])('.', true)).toEqual({ excluded: false, skip: false })
  })
  test('and says which pattern decided', () => {
    const matcher = ignoreMatcher(['a', '!a/b'])
    expect(matcher('a/c', false).by).toBe('a')
    expect(matcher('a/b', false)).toEqual({ excluded: false, skip: false, by: '!a/b' })
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
  const parts = path.split('/')
  const paths = parts.map((_, i) => parts.slice(0, i + 1).join('/'))
  let excluded = false
  for (const written of patterns) {
    const negated = written.startsWith('!')
    const cleaned = cleanPath(written)
    const pattern = slowPattern(negated ? cleaned.slice(1) : cleaned)
    if (paths.some((p) => pattern.test(p))) excluded = !negated
  }
  return excluded
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

test('no pattern and no path makes matching slow', () => {
  const long = 'a'.repeat(3000)
  const milliseconds = cpuMilliseconds(() => {
    for (const pattern of [`${'*a'.repeat(20)}b`, `${'**/a*'.repeat(10)}b`, `${'a*'.repeat(20)}/x`]) {
      expect(ignoreMatcher([pattern])(long, false).excluded).toBe(false)
      expect(globMatch(pattern, long)).toBe(false)
    }
  })
  expect(milliseconds).toBeLessThan(2000)
})
