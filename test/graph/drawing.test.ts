import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { graphBuilder } from '../../src/graph/builder.ts'
import { layOut } from '../../src/graph/layout.ts'
import type { OpRef } from '../../src/graph/op.ts'
import { printGraph } from '../../src/graph/print.ts'
import { shownGraph } from '../../src/graph/shown.ts'
import { copy, image, note, run } from './support.ts'

/** A random graph of a few stages. */
const steps = fc.array(fc.record({ stage: fc.nat(3), base: fc.nat(), from: fc.option(fc.nat()) }), {
  minLength: 1,
  maxLength: 25,
})
type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never

function graphOf(plan: Steps) {
  const builder = graphBuilder()
  const context = builder.add(
    { kind: 'local', inputs: [], name: 'context', ignore: [] },
    { ...note, label: '[internal]', title: 'load build context' },
  )
  const refs: OpRef[] = [builder.add(image('base'), { ...note, title: 'FROM base' })]
  for (const [i, { stage, base, from }] of plan.entries()) {
    const below = refs[base % refs.length] ?? context
    const own = {
      ...note,
      slot: { stage: `s${stage}`, ordinal: i },
      label: `[s${stage} 1/1]`,
      title: `step <${i}>`,
    }
    const source = from === null ? context : (refs[from % refs.length] ?? context)
    refs.push(builder.add(i % 2 === 0 ? run(below, `x${i}`) : copy(below, source, `f${i}`), own))
  }
  const roots = [refs.at(-1) ?? context]
  return { graph: builder.graph(roots, []), roots }
}

describe('a drawn graph', () => {
  test('has every op once, inputs above their readers, and frames that hold their own stage alone', () =>
    fc.assert(
      fc.property(steps, (plan) => {
        const { graph, roots } = graphOf(plan)
        const { placed, frames, rows, columns } = layOut(graph, roots)
        const places = new Map(placed.map((one) => [one.ref, one]))
        expect([...places.keys()].sort()).toEqual(Object.keys(graph.ops).sort())
        expect(new Set(placed.map(({ row, column }) => `${row} ${column}`)).size).toBe(placed.length)
        for (const { ref, row, column } of placed) {
          expect(row < rows && column < columns).toBe(true)
          for (const input of graph.ops[ref]?.inputs ?? []) expect(places.get(input)?.row).toBeLessThan(row)
          const inside = frames.filter(
            (frame) =>
              frame.firstRow <= row &&
              row <= frame.lastRow &&
              frame.firstColumn <= column &&
              column <= frame.lastColumn,
          )
          expect(inside).toHaveLength(1)
          const { label, slot } = graph.notes[ref] ?? note
          expect(inside[0]?.stage).toBe(
            label === '[internal]' ? undefined : slot.stage === '0' ? 'stage-0' : slot.stage,
          )
        }
      }),
    ))

  test('as SVG has a box for each op, a line for each input, and no text that is markup', () =>
    fc.assert(
      fc.property(steps, (plan) => {
        const { graph, roots } = graphOf(plan)
        const svg = printGraph(graph, roots, 'svg')
        const edges = Object.values(graph.ops).reduce((sum, { inputs }) => sum + new Set(inputs).size, 0)
        expect(svg.match(/<title>/g)).toHaveLength(Object.keys(graph.ops).length)
        expect(svg.match(/<path /g) ?? []).toHaveLength(edges)
        expect(svg).not.toContain('<1>')
        // Well-formed: every element is closed where it was opened.
        const open: string[] = []
        for (const [, end, name, self] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
          if (end === '/') expect(open.pop()).toBe(name)
          else if (self !== '/') open.push(name ?? '')
        }
        expect(open).toEqual([])
      }),
    ))

  test('as dot has each stage as a cluster', () => {
    const { graph, roots } = graphOf([
      { stage: 0, base: 0, from: null },
      { stage: 1, base: 1, from: 1 },
    ])
    const dot = printGraph(graph, roots, 'dot')
    expect(
      dot
        .match(/subgraph cluster_\d+ \{\n {4}label="(.*)"/g)
        ?.map((text) => /"(.*)"/.exec(text)?.[1])
        .sort(),
    ).toEqual(['s0', 's1', 'stage-0'])
  })

  test('is nothing where there is nothing', () => {
    const empty = { version: 1, ops: {}, notes: {}, files: [] } as const
    expect(printGraph(empty, [], 'svg')).toMatch(/^<svg [^>]*>\n<rect [^>]*>\n<\/svg>\n$/)
  })
})

test('a graph that is shown has no credentials and no values of secrets', () => {
  const builder = graphBuilder()
  const secret = { ...run(builder.add(image('base'), note), 'x'), env: ['API_TOKEN=hunter2', 'A=1'] }
  const root = builder.add(secret, {
    ...note,
    args: ['API_TOKEN=hunter2'],
    remote: { url: 'https://user:hunter2@example.com/x.git' },
    unkeyed: { env: ['http_proxy=http://user:hunter2@proxy:80'] },
  })
  const shown = shownGraph(builder.graph([root], []))
  const json = printGraph(shown, [root], 'json')
  expect(json).not.toContain('hunter2')
  expect(json).toContain('API_TOKEN=xxxxx')
  expect(json).toContain('A=1')
})
