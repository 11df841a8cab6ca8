import { describe, expect, it } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { graphBuilder } from '../../src/graph/builder.ts'
import { printGraph } from '../../src/graph/print.ts'
import { image, note, run } from './support.ts'

const builder = graphBuilder()
const base = builder.add(image('base'), { ...note, title: 'FROM "base"' })
const root = builder.add(run(base, 'echo', 'a\nb'), {
  ...note,
  span: { file: 'Dockerfile', start: 10, end: 12 },
})
const graph = builder.graph([root], [{ name: 'Dockerfile', text: 'FROM base\nRUN true\n' }])

describe('printGraph', () => {
  it('as text shows each op with its place and only what is not the default', () => {
    expect(printGraph(graph, [root])).toBe(`%0 image  [1/1] FROM "base"
    manifest ${digestOf('base')}
    platform linux/amd64
    # slot 0/0
%1 exec  [1/1] RUN true
    root %0
    args ["echo","a\\nb"]
    env PATH=/bin
    # slot 0/0 at Dockerfile:2
root %1
`)
  })

  it('as dot escapes what Graphviz would read', () => {
    expect(printGraph(graph, [root], 'dot')).toBe(`digraph {
  node [shape=box fontname="monospace"]
  subgraph cluster_0 {
    label="stage-0"
    "%0" [label="[1/1] FROM \\"base\\""]
    "%1" [label="[1/1] RUN true" style=bold]
  }
  "%0" -> "%1"
}
`)
  })

  it('as JSON gives the whole value back', () => {
    expect(JSON.parse(printGraph(graph, [root], 'json'))).toEqual({ graph, roots: [root] })
  })
})
