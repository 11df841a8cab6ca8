import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, digestOfJson } from '../../src/core/canonical-json.ts'
import { formatDiagnostic, nearest } from '../../src/core/diagnostic.ts'
import { digestOf, isDigest, parseDigest } from '../../src/core/digest.ts'
import { errorJson, redact, SlipwayError } from '../../src/core/error.ts'
import { formatPlatform, parsePlatform, platformDistance } from '../../src/core/platform.ts'
import { familiarReference, formatReference, parseReference } from '../../src/core/reference.ts'
import { lineCounter, positionAt } from '../../src/core/span.ts'

const hex = 'a'.repeat(64)

describe('reference', () => {
  it.each([
    ['debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['user/app:1', 'docker.io/user/app:1', 'user/app:1'],
    ['index.docker.io/library/x', 'docker.io/library/x:latest', 'x:latest'],
    ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
    ['127.0.0.1:5000/a/b:t', '127.0.0.1:5000/a/b:t', '127.0.0.1:5000/a/b:t'],
    ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x:latest'],
    [`ghcr.io/x/y@sha256:${hex}`, `ghcr.io/x/y@sha256:${hex}`, `ghcr.io/x/y@sha256:${hex}`],
    [`x:1@sha256:${hex}`, `docker.io/library/x:1@sha256:${hex}`, `x:1@sha256:${hex}`],
    ['u/a__b-c.d/e---f', 'docker.io/u/a__b-c.d/e---f:latest', 'u/a__b-c.d/e---f:latest'],
  ])('%s', (text, full, familiar) => {
    const ref = parseReference(text)
    expect([formatReference(ref), familiarReference(ref)]).toEqual([full, familiar])
  })

  it.each([
    '',
    ':1',
    'x:',
    'x:-a',
    'a//b',
    '/a',
    'a/',
    'http://x/y',
    'x/y:tag/z',
    '-a',
    'x@sha256:12',
    'a..b',
    'x\ny',
    `${'a'.repeat(256)}`,
  ])('refuses %j', (text) => {
    expect(() => parseReference(text)).toThrow(/invalid image reference/)
  })

  it('prints what it parses', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9]{1,5}(\/[a-z0-9]{1,5}){0,2}(:[a-z0-9]{1,4})?$/), (text) => {
        const full = formatReference(parseReference(text))
        expect(formatReference(parseReference(full))).toBe(full)
      }),
    )
  })
})

describe('digest', () => {
  it('accepts sha256 only', () => {
    expect(parseDigest(`sha256:${hex}`)).toBe(`sha256:${hex}`)
    for (const bad of [
      `sha512:${hex}`,
      `sha256:${hex.toUpperCase()}`,
      'sha256:../../x',
      `sha256:${hex}\n`,
      5,
      null,
    ]) {
      expect(isDigest(bad)).toBe(false)
      expect(() => parseDigest(bad)).toThrow('invalid digest')
    }
    expect(digestOf('')).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })
})

describe('canonical JSON', () => {
  it('is blind to key order and nothing else', () => {
    expect(canonicalJson({ b: 1, a: [{ d: 1, c: undefined, e: null }] })).toBe(
      '{"a":[{"d":1,"e":null}],"b":1}',
    )
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const equal = canonicalJson(a) === canonicalJson(b)
        expect(digestOfJson(a) === digestOfJson(b)).toBe(equal)
        expect(JSON.parse(canonicalJson(a))).toEqual(JSON.parse(JSON.stringify(a)))
      }),
    )
  })
})

describe('platform', () => {
  const host = { os: 'linux', architecture: 'amd64' }
  it.each([
    ['linux/arm64/v8', 'linux/arm64'],
    ['arm64', 'linux/arm64'],
    ['LINUX/x86_64', 'linux/amd64'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['local', 'linux/amd64'],
    ['windows', 'windows/amd64'],
    ['macos', 'darwin/amd64'],
    ['sparc64', 'linux/sparc64'],
    ['armhf', 'linux/arm/v7'],
    ['linux/armel/v7', 'linux/arm/v6'],
    ['linux/arm64/v8.0', 'linux/arm64'],
    ['linux/arm64/9', 'linux/arm64/v9'],
    ['linux/i386/x', 'linux/386'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/constructor', 'linux/constructor'],
  ])('%s is %s', (text, canonical) => {
    expect(formatPlatform(parsePlatform(text, host))).toBe(canonical)
  })
  it('refuses what is none', () => {
    for (const bad of ['', 'a/b/c/d', 'linux/../x', 'linux/'])
      expect(() => parsePlatform(bad, host)).toThrow('invalid platform')
  })
  it('refuses a word that is neither a system nor an architecture, and knows what was meant', () => {
    expect(() => parsePlatform('foo', host)).toThrow('unknown operating system or architecture "foo"')
    expect(() => parsePlatform('amd46', host)).toThrow(
      expect.objectContaining({ hint: 'did you mean amd64?' }),
    )
  })
  it('runs lesser variants', () => {
    const arm = (variant: string) => ({ os: 'linux', architecture: 'arm', variant })
    expect(platformDistance(arm('v7'), arm('v6'))).toBe(1)
    expect(platformDistance(arm('v6'), arm('v7'))).toBeUndefined()
    expect(platformDistance(host, { ...host, variant: 'v1' })).toBe(0)
  })
})

describe('errors and diagnostics', () => {
  it('never carries credentials', () => {
    const error = new SlipwayError({
      code: 'ERR_X',
      message: 'fetch https://user:pw@host/x?sig=abc&a=1 with Bearer abcdefghijk',
    })
    expect(error.message).toBe('fetch https://xxxxx@host/x?sig=xxxxx&a=1 with Bearer xxxxx')
    expect(errorJson(new Error('http://a:b@c'))).toEqual({ code: 'ERR_INTERNAL', message: 'http://xxxxx@c' })
    expect(redact('https://u:p@ss@host/x and https://h/x@y')).toBe('https://xxxxx@host/x and https://h/x@y')
    expect(redact('ssh://git@host:22/x')).toBe('ssh://git@host:22/x')
    expect(redact('ssh://git:p@host/x ssh://git@p@host ssh://a:b@c')).toBe(
      'ssh://xxxxx@host/x ssh://xxxxx@host ssh://xxxxx@c',
    )
    expect(redact('https://token@host/x')).toBe('https://xxxxx@host/x')
    expect(redact('plain text')).toBe('plain text')
    expect(() => parseReference('alice:pass/word@host/app:1')).toThrow(
      'invalid image reference "xxxxx@host/app:1"',
    )
  })

  it('never drives a terminal, and stays on its line', () => {
    const hostile = 'a\u001b]0;title\u0007\r\nERROR: b\u009b31m'
    const error = new SlipwayError({ code: 'ERR_X', message: hostile, hint: hostile })
    for (const text of [error.message, error.hint, errorJson(new Error(hostile)).message]) {
      expect(text).toBe('a ]0;title ERROR: b 31m')
    }
    const file = { name: 'Dockerfile', text: 'ADD https://u:p@h/ \u001b[31mx' }
    const span = { file: 'Dockerfile', start: 19, end: 25 }
    const diagnostic = {
      code: 'X',
      severity: 'error',
      message: hostile,
      label: hostile,
      hint: hostile,
      span,
    } as const
    expect(formatDiagnostic(diagnostic, [file])).toBe(`error[X]: a ]0;title ERROR: b 31m
  --> Dockerfile:1:20
  1 | ADD https://xxx@h/ \ufffd[31mx
    |                    ^^^^^^ a ]0;title ERROR: b 31m
  = help: a ]0;title ERROR: b 31m`)
  })

  it('prints place, carets, notes and help', () => {
    const file = { name: 'Dockerfile', text: 'FROM a AS build\nCOPY --from=biuld /x /y\n' }
    const text = formatDiagnostic(
      {
        code: 'UnknownStage',
        severity: 'error',
        message: 'COPY --from names an unknown stage',
        span: { file: 'Dockerfile', start: 28, end: 33 },
        label: 'no stage "biuld"',
        notes: [{ span: { file: 'Dockerfile', start: 10, end: 15 }, text: 'did you mean this one?' }],
        hint: 'write --from=build',
      },
      [file],
    )
    expect(text).toBe(`error[UnknownStage]: COPY --from names an unknown stage
  --> Dockerfile:2:13
  2 | COPY --from=biuld /x /y
    |             ^^^^^ no stage "biuld"
  1 | FROM a AS build
    |           ----- did you mean this one?
  = help: write --from=build`)
  })

  it('puts carets under what is meant, whatever stands before it on the line', () => {
    const marked = (line: string, word: string): string[] => {
      const file = { name: 'D', text: `\n${line}\r\nUSER a\n` }
      const start = file.text.indexOf(word)
      const span = { file: 'D', start, end: start + word.length }
      const text = formatDiagnostic({ code: 'X', severity: 'error', message: 'm', span }, [file])
      return text
        .split('\n')
        .slice(2)
        .map((shown) => shown.slice(6))
    }
    expect(marked('\tENV\ta=${b\tc', '${b')).toEqual(['    ENV    a=${b    c', '             ^^^'])
    expect(marked('LABEL 名前=値 x=${b', '${b')).toEqual(['LABEL 名前=値 x=${b', '                ^^^'])
    expect(marked('ENV 値段', '値段')).toEqual(['ENV 値段', '    ^^^^'])
    expect(marked('ENV e\u0301=😀 x', 'x')).toEqual(['ENV e\u0301=😀 x', '         ^'])
    expect(marked('a\u202e\u200bb x', 'x')).toEqual(['a\ufffd\ufffdb x', '     ^'])
    const long = `ENV a=${'é'.repeat(5000)} wrong ${'b'.repeat(5000)}`
    const [shown = '', carets = ''] = marked(long, 'wrong')
    expect(shown).toMatch(/^…é{59} wrong b+…$/)
    expect(shown.length).toBeLessThan(300)
    expect(carets).toBe(`${' '.repeat(61)}^^^^^`)
    expect(marked(`RUN curl https://${'u'.repeat(300)}:secret@host x`, '@host').join()).not.toContain(
      'secret',
    )
  })

  it('shortens what is quoted at any length, and counts columns behind a byte order mark', () => {
    const file = { name: 'D', text: '\ufeffRNU a' }
    const span = { file: 'D', start: 1, end: 4 }
    const message = `unknown ${'x'.repeat(5000)} here`
    expect(formatDiagnostic({ code: 'X', severity: 'error', message, span }, [file])).toBe(
      `error[X]: unknown ${'x'.repeat(100)}… here\n  --> D:1:1\n  1 | RNU a\n    | ^^^`,
    )
    const place = lineCounter(file.text)
    for (let at = 0; at <= file.text.length; at++) expect(positionAt(file.text, at)).toMatchObject(place(at))
  })

  it('finds lines and near names', () => {
    expect(positionAt('a\r\nbc\n', 4)).toMatchObject({ line: 2, column: 2, lineText: 'bc' })
    expect(positionAt('x', 99)).toMatchObject({ line: 1, column: 2 })
    const text = 'a\n\nbc\n'
    const place = lineCounter(text)
    for (let at = 0; at <= text.length; at++) expect(positionAt(text, at)).toMatchObject(place(at))
    expect(nearest('biuld', ['test', 'build'])).toBe('build')
    expect(nearest('xyz', ['build'])).toBeUndefined()
  })
})
