// Cache configs: what is written is read again, what is hostile is refused, and what is composed is found.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCacheConfig, parseCacheConfig, parseInlineRecords } from '../../src/buildkit/cache-config.ts'
import { composeConfig, type ExportedOp } from '../../src/buildkit/compose.ts'
import { contentLinks, indexRecords, matchRecords } from '../../src/buildkit/match.ts'
import { contentRecord, type Vertex } from '../../src/buildkit/vertex.ts'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import '../support/property-seed.ts'

const digest = (name: string | number): Digest => digestOf(String(name))
const opOf = (name: string | number) => ({ kind: 'op', ref: digest(name), index: 0 }) as const
const code = (text: string): string => {
  try {
    parseCacheConfig(text)
    return 'accepted'
  } catch (thrown) {
    return String((thrown as { code?: unknown }).code)
  }
}

describe('cache config', () => {
  const source: ExportedOp = {
    ref: digest('image'),
    vertex: { digests: [digest('m'), digest('chain')], inputs: [] },
    contents: new Map(),
  }
  const step = (name: string, below: string, content?: string): ExportedOp => ({
    ref: digest(name),
    vertex: { digests: [digest(`d-${name}`)], inputs: [{ from: opOf(below), selectors: [digest('/')] }] },
    contents: new Map(content === undefined ? [] : [[0, [contentRecord(digest(content))]]]),
    result: { layers: [digest('l0'), digest(`l-${name}`)], created: '2026-01-02T03:04:05Z' },
  })

  it('is read as it was written', () => {
    const config = composeConfig([source, step('a', 'image'), step('b', 'a', 'content')])
    expect(parseCacheConfig(encodeCacheConfig(config))).toEqual(config)
    expect(config.layers).toEqual([
      { blob: digest('l0'), parent: -1 },
      { blob: digest('l-a'), parent: 0 },
      { blob: digest('l-b'), parent: 0 },
    ])
  })

  it('leaves out what has an input that nobody could find again', () => {
    const config = composeConfig([step('a', 'local'), step('b', 'a'), step('c', 'local', 'content')])
    expect(config.records.map(({ inputs }) => inputs.length)).toEqual([0, 1])
  })

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['a digest that is none', '{"records":[{"digest":"sha256:x"}]}'],
    ['a link that leads nowhere', `{"records":[{"digest":"${digest(1)}","inputs":[[{"link":1}]]}]}`],
    ['a negative link', `{"records":[{"digest":"${digest(1)}","inputs":[[{"link":-1}]]}]}`],
    [
      'a layer that is not there',
      `{"records":[{"digest":"${digest(1)}","layers":[{"layer":0,"createdAt":"x"}]}]}`,
    ],
    [
      'layers on top of each other',
      `{"layers":[{"blob":"${digest(1)}","parent":1},{"blob":"${digest(2)}"}],"records":[{"digest":"${digest(1)}","layers":[{"layer":1}]}]}`,
    ],
    ['too many records', `{"records":[${'0,'.repeat(100_000)}0]}`],
  ])('refuses %s', (_name, text) => {
    expect(code(text)).toBe('ERR_CACHE_INVALID')
  })

  it('refuses results that would unfold to more than memory holds', () => {
    const layers = Array.from({ length: 1000 }, (_, i) => `{"blob":"${digest(i)}","parent":${i - 1}}`)
    const record = `{"digest":"${digest(1)}","layers":[{"layer":999}]}`
    expect(code(`{"layers":[${layers}],"records":[${`${record},`.repeat(5000)}${record}]}`)).toBe(
      'ERR_CACHE_INVALID',
    )
  })

  it('refuses them also where one record has them all, before they are unfolded', () => {
    const layers = Array.from({ length: 1000 }, (_, i) => `{"blob":"${digest(i)}","parent":${i - 1}}`)
    const results = `${'{"layer":999},'.repeat(99_999)}{"layer":999}`
    const before = process.memoryUsage().heapUsed
    expect(code(`{"layers":[${layers}],"records":[{"digest":"${digest(1)}","layers":[${results}]}]}`)).toBe(
      'ERR_CACHE_INVALID',
    )
    // All of them would take 800 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(300e6)
  })

  it('says of nesting without an end that it is no index', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    expect(code(`{"layers":[{"blob":"${digest(1)}","parent":${deep}}]}`)).toBe('ERR_CACHE_INVALID')
  })

  it('takes what a record is known by once, however often it is linked', () => {
    const links = `${'{"link":1},'.repeat(300_000)}{"link":2}`
    const records = [
      `{"digest":"${digest('x')}","inputs":[[${links}]]}`,
      `{"digest":"${digest('a')}"}`,
      `{"digest":"${digest('b')}"}`,
    ]
    const index = indexRecords(parseCacheConfig(`{"records":[${records}]}`))
    expect(contentLinks(index, [0])).toEqual(new Map([[0, new Set([digest('a'), digest('b')])]]))
  })

  it('reads a time that is none as the beginning of time', () => {
    const text = `[{"digest":"${digest(1)}","layers":[{"createdAt":"\\u001b[2J"}]}]`
    expect(parseInlineRecords(text, [digest(2)]).records[0]?.results).toEqual([
      { layers: [0], created: '0001-01-01T00:00:00Z' },
    ])
  })

  it('never ends a look-up in a loop of links', async () => {
    const loop = `{"digest":"${digest('x')}","inputs":[[{"link":0}]]}`
    const index = indexRecords(parseCacheConfig(`{"records":[${loop}]}`))
    const vertex: Vertex = { digests: [digest('y')], inputs: [{ from: opOf('a'), selectors: [''] }] }
    expect(await matchRecords(vertex, index, nothingKnown)).toEqual(new Set())
  })

  it('throws nothing but ERR_CACHE_INVALID', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(['accepted', 'ERR_CACHE_INVALID']).toContain(code(text))
      }),
    )
  })
})

const nothingKnown = {
  nodesOf: () => new Set<number>(),
  async *contentsOf(): AsyncGenerator<Digest> {
    yield* []
  },
}

describe('what is composed is found', () => {
  // Chains and joins of ops; each by the definition of its inputs, or by their content where that is read.
  const graphs = fc.array(
    fc.record({ inputs: fc.uniqueArray(fc.nat(20), { maxLength: 3 }), byContent: fc.boolean() }),
    { minLength: 1, maxLength: 20 },
  )

  it('every op by definition; those above a changed one only by content', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, fc.nat(), async (shapes, chosen) => {
        const ops = shapes.map((shape, at): ExportedOp & { readonly inputs: readonly number[] } => {
          const inputs = shape.inputs.filter((input) => input < at)
          return {
            inputs,
            ref: digest(at),
            vertex: {
              digests: [digest(`d${at}`)],
              inputs: inputs.map((input) => ({ from: opOf(input), selectors: [digest('/')] })),
            },
            contents: new Map(
              shape.byContent ? inputs.map((input, i) => [i, [contentRecord(digest(`c${input}`))]]) : [],
            ),
            result: { layers: [digest(`l${at}`)], created: '2026-01-01T00:00:00Z' },
          }
        })
        const index = indexRecords(parseCacheConfig(encodeCacheConfig(composeConfig(ops))))
        const changed = chosen % ops.length
        for (const isChanged of [false, true]) {
          const nodes = new Map<Digest, ReadonlySet<number>>()
          const expected = new Map<number, boolean>()
          for (const [at, { vertex, contents, inputs }] of ops.entries()) {
            const mine = isChanged && at === changed ? { ...vertex, digests: [digest('changed')] } : vertex
            const found = await matchRecords(mine, index, {
              nodesOf: ({ from }) => (from.kind === 'op' ? (nodes.get(from.ref) ?? new Set()) : new Set()),
              async *contentsOf({ from }) {
                const at = from.kind === 'op' ? inputs.find((input) => digest(input) === from.ref) : undefined
                if (contents.size > 0) yield digest(`c${at}`)
              },
            })
            nodes.set(digest(at), found)
            expected.set(
              at,
              !(isChanged && at === changed) &&
                inputs.every((input) => expected.get(input) === true || contents.size > 0),
            )
            expect(found.size > 0).toBe(expected.get(at))
          }
        }
      }),
      { numRuns: 100 },
    )
  })
})
