import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseChallenges } from '../../src/registry/challenge.ts'

const plain = (values: readonly string[]) =>
  parseChallenges(values).map(({ scheme, parameters }) => [scheme, { ...parameters }])

describe('parseChallenges', () => {
  it('reads what registries send', () => {
    const bearer =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull"'
    expect(plain([bearer])).toEqual([
      [
        'bearer',
        {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:library/debian:pull',
        },
      ],
    ])
    expect(plain(['Basic realm="Registry Realm"'])).toEqual([['basic', { realm: 'Registry Realm' }]])
  })

  it('keeps several challenges apart, in one header or in two', () => {
    const both = [
      ['bearer', { realm: 'https://a/t', service: 's' }],
      ['basic', { realm: 'r' }],
    ]
    expect(plain(['Bearer realm="https://a/t", service=s, Basic realm="r"'])).toEqual(both)
    expect(plain(['Bearer realm="https://a/t",service="s"', 'BASIC REALM=r'])).toEqual(both)
    expect(plain(['Negotiate, Basic realm="r"'])).toEqual([
      ['negotiate', {}],
      ['basic', { realm: 'r' }],
    ])
  })

  it('reads quoted pairs, commas and blanks inside quotes', () => {
    expect(plain(['Basic realm = "a\\"b, c=d"'])).toEqual([['basic', { realm: 'a"b, c=d' }]])
  })

  it('lets the first of two equal parameters count', () => {
    expect(plain(['Bearer realm="https://a",Realm="https://evil"'])).toEqual([
      ['bearer', { realm: 'https://a' }],
    ])
  })

  it('drops what is malformed and stays inside its limits', () => {
    expect(plain(['Bearer realm="unfinished'])).toEqual([['bearer', {}]])
    expect(plain(['realm="no scheme"'])).toEqual([])
    expect(plain(['', '  ', '"', '=', ',,,'])).toEqual([])
    expect(plain([`Bearer realm="${'x'.repeat(9000)}"`])).toEqual([])
    expect(parseChallenges([Array.from({ length: 50 }, () => 'Basic').join(',')])).toHaveLength(4)
    const many = Array.from({ length: 50 }, (_, i) => `p${i}=v`).join(',')
    expect(Object.keys(parseChallenges([`Basic ${many}`])[0]?.parameters ?? {})).toHaveLength(16)
  })

  it('never throws and gives back what was written', () => {
    fc.assert(fc.property(fc.array(fc.string()), (values) => Array.isArray(parseChallenges(values))))
    const name = fc.stringMatching(/^[a-z]{1,8}$/)
    const record = fc.dictionary(name, fc.stringMatching(/^[ -~]{0,20}$/), {
      maxKeys: 5,
      noNullPrototype: true,
    })
    fc.assert(
      fc.property(name, record, (scheme, parameters) => {
        const written = Object.entries(parameters).map(([k, v]) => `${k}="${v.replace(/["\\]/g, '\\$&')}"`)
        expect(plain([`${scheme} ${written.join(', ')}`])).toEqual([[scheme, parameters]])
      }),
    )
  })
})
