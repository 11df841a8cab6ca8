// The grammars: sound in chevrotain's own eyes, and the same for every escape character.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { argumentsGrammar, makeArgumentsGrammar } from '../../grammar/arguments.ts'
import { deepestWord, makeWordGrammar, parseWord } from '../../grammar/shell-word.ts'
import { faultOf } from '../../grammar/word-fault.ts'

const escapes = ['\\', '`'] as const

describe.each(escapes)('with %s as the escape character', (escapeBy) => {
  test('the grammars have no ambiguity and no empty token', () => {
    // The constructors throw what their validation finds.
    expect(makeArgumentsGrammar(escapeBy, true)).toBeDefined()
    expect(makeWordGrammar({ escape: escapeBy, quotes: true }, true)).toBeDefined()
    expect(makeWordGrammar({ escape: escapeBy, quotes: false }, true)).toBeDefined()
  })

  test('words keep every character that is neither a blank between them nor a last escape', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '=', ' ', '"', "'", '\\', '`', 'é') }), (text) => {
        const words = argumentsGrammar(escapeBy).words(text)
        let at = 0
        for (const word of words) {
          expect(word.start).toBeGreaterThanOrEqual(at)
          const source = text.slice(word.start, word.end)
          expect([source, `${word.text}${escapeBy}`].includes(source) && source.startsWith(word.text)).toBe(
            true,
          )
          expect(text.slice(at, word.start).replaceAll(escapeBy, '').trim()).toBe('')
          at = word.end
        }
      }),
    )
  })

  test('words that are read without the grammar are what it makes of them', () => {
    const grammar = makeArgumentsGrammar(escapeBy)
    const style = { escape: escapeBy, quotes: true }
    const word = makeWordGrammar(style)
    const piece = fc.constantFrom(
      'a',
      'b=',
      ' ',
      '\t',
      '\n',
      '\u00a0',
      '"',
      "'",
      '\\',
      '`',
      '$x',
      '${y}',
      '${',
      '}',
      '$',
      'é',
      '1',
      '<<',
      '"c d"',
      "'e'",
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('')
        expect(argumentsGrammar(escapeBy).words(text)).toEqual(grammar.words(text))
        expect(parseWord(`"${text}"`, style)).toEqual(word(`"${text}"`))
      }),
      { numRuns: 3000 },
    )
  })

  test('flags that are read without the grammar are what it makes of them', () => {
    const unit = fc.constantFrom('--', 'a', '=', ' ', '\t', '-', '"', "'", '\\', '`', '\n', '\u00a0')
    const grammar = makeArgumentsGrammar(escapeBy)
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        expect(argumentsGrammar(escapeBy).flags(text)).toEqual(grammar.flags(text))
      }),
      {
        numRuns: 2000,
        examples: [['--a=b --c=  d'], ['--=x y'], ['--a'], ['  --a \t --b='], ['---a=b=c -- d']],
      },
    )
  })

  test('the parts of a word tile its text', () => {
    const unit = fc.constantFrom('a', '$', '${', '}', ':-', '"', "'", '\\', '`', '/', '#', '<<', ' ')
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        let at = 0
        for (const part of parseWord(text, { escape: escapeBy, quotes: true }) ?? []) {
          expect(part.start).toBe(at)
          at = part.end
        }
        expect(at).toBe(text.length)
      }),
      { examples: [['${/a/']] },
    )
  })
})

describe('flags', () => {
  const { flags } = argumentsGrammar('\\')
  test('end at the first word that is none', () => {
    const text = '--a=b  --c cmd --d'
    const read = flags(text)
    expect(read.flags.map((f) => [f.name, f.value?.text])).toEqual([
      ['a', 'b'],
      ['c', undefined],
    ])
    expect(text.slice(read.rest)).toBe('cmd --d')
  })
  test('end at a double dash', () => {
    const text = '--a --  --b'
    expect(text.slice(flags(text).rest)).toBe('--b')
    expect(flags('--').flags).toEqual([])
  })
  test('lose quotes and escapes', () => {
    const [flag] = flags('--m="a b",\'c\'\\ d="').flags
    expect(flag?.value?.text).toBe('a b,c d=')
  })
})

describe('FROM', () => {
  const { from } = argumentsGrammar('\\')
  test.each([
    ['a', 'a', undefined],
    ['as', 'as', undefined],
    ['as As as', 'as', 'as'],
    ['a aS asx', 'a', 'asx'],
  ])('%s', (text, image, name) => {
    expect(from(text)?.image.text).toBe(image)
    expect(from(text)?.name?.text).toBe(name)
  })
  test.each(['', 'a b', 'a as', 'a as b c', 'a b c'])('refuses %j', (text) => {
    expect(from(text)).toBeUndefined()
  })
})

test('JSON elements know where they stand and whether they are strings', () => {
  const text = '["a", 1, ["x,", {"y": "]"}], "\\u00e9" ]'
  expect(
    argumentsGrammar('\\')
      .json(text)
      .map((e) => [e.isString, text.slice(e.start, e.end), e.text]),
  ).toEqual([
    [true, '"a"', 'a'],
    [false, '1', ''],
    [false, '["x,", {"y": "]"}]', ''],
    [true, '"\\u00e9"', 'é'],
  ])
})

describe('faults of words', () => {
  test.each([
    ['${}', 'syntax error: bad substitution'],
    ['${:x}', 'syntax error: bad substitution'],
    ['${{x}', 'syntax error: bad substitution'],
    ['${', "syntax error: missing '}'"],
    ['${a', "syntax error: missing '}'"],
    ['${a:-"x', "syntax error: missing '}'"],
    ['"${a', "syntax error: missing '}'"],
    ['${a/b}', "syntax error: missing '/' in ${}"],
    ['${a/b/c', "syntax error: missing '}'"],
    ['${a:x}', 'unsupported modifier (:x) in substitution'],
    ['${a:#x}', 'unsupported modifier (:#) in substitution'],
    ['${a=x}', 'unsupported modifier (=) in substitution'],
    ['${.}', 'unsupported modifier (.) in substitution'],
    ["a'b", 'unexpected end of statement while looking for matching single-quote'],
    ['a"b\\"', 'unexpected end of statement while looking for matching double-quote'],
  ])('%s', (text, fault) => {
    expect(faultOf(parseWord(text, { escape: '\\', quotes: true }) ?? [])?.text).toBe(fault)
  })
  test.each(['$', 'a$.b', '$1', '${#}', '${@}', 'a\\', '\\${}', "'${}'", '<', '}', '/'])(
    '%s has none',
    (text) => {
      expect(faultOf(parseWord(text, { escape: '\\', quotes: true }) ?? [])).toBeUndefined()
    },
  )
})

test('words may nest as deep as the limit and no deeper', () => {
  const nested = (depth: number) => '${a:-'.repeat(depth) + '}'.repeat(depth)
  expect(parseWord(nested(deepestWord), { escape: '\\', quotes: true })).toBeDefined()
  expect(parseWord(nested(deepestWord + 1), { escape: '\\', quotes: true })).toBeUndefined()
})
