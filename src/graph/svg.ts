// A graph as a drawing: boxes for ops, frames for stages, a line from each input to what reads it. No other program is needed.
import { type Frame, layOut, type Placed } from './layout.ts'
import type { Graph, OpRef } from './op.ts'

const box = { width: 260, height: 34 }
const gap = { x: 40, y: 46 }
const margin = 40
const mostCharacters = 36

/** The drawing of what `roots` need as an SVG document. */
export function printSvg(graph: Graph, roots: readonly OpRef[]): string {
  const { placed, frames, rows, columns } = layOut(graph, roots)
  const places = new Map(placed.map((one) => [one.ref, one]))
  const width = 2 * margin + Math.max(1, columns) * (box.width + gap.x) - gap.x
  const height = 2 * margin + Math.max(1, rows) * (box.height + gap.y) - gap.y
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...frames.flatMap(drawFrame),
    ...placed.flatMap((to) =>
      [...new Set(graph.ops[to.ref]?.inputs)].flatMap((input) => {
        const from = places.get(input)
        return from === undefined ? [] : [drawLine(from, to)]
      }),
    ),
    ...placed.map((one) => drawBox(graph, one, roots.includes(one.ref))),
    '</svg>',
  ]
  return `${lines.join('\n')}\n`
}

function corner({ row, column }: { readonly row: number; readonly column: number }): {
  x: number
  y: number
} {
  return { x: margin + column * (box.width + gap.x), y: margin + row * (box.height + gap.y) }
}

function drawFrame({ stage, firstRow, lastRow, firstColumn, lastColumn }: Frame): string[] {
  if (stage === undefined) return []
  const from = corner({ row: firstRow, column: firstColumn })
  const to = corner({ row: lastRow, column: lastColumn })
  const [x, y] = [from.x - 12, from.y - 20]
  const size = `width="${to.x + box.width + 12 - x}" height="${to.y + box.height + 12 - y}"`
  return [
    `<rect x="${x}" y="${y}" ${size} rx="6" fill="#f3f6fa" stroke="#b8c4d4"/>`,
    `<text x="${x + 8}" y="${y + 13}" fill="#50607a">${escaped(clip(stage))}</text>`,
  ]
}

function drawLine(from: Placed, to: Placed): string {
  const [a, b] = [corner(from), corner(to)]
  const [x1, y1] = [a.x + box.width / 2, a.y + box.height]
  const [x2, y2] = [b.x + box.width / 2, b.y]
  const bend = Math.max(20, (y2 - y1) / 2)
  return `<path d="M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}" fill="none" stroke="#8090a8"/>`
}

function drawBox(graph: Graph, place: Placed, isRoot: boolean): string {
  const { x, y } = corner(place)
  const note = graph.notes[place.ref]
  const title = note === undefined ? place.ref : note.title
  const line = isRoot ? 'stroke="#205080" stroke-width="2"' : 'stroke="#8090a8"'
  return [
    `<g><title>${escaped(title)}</title>`,
    `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="4" fill="#fff" ${line}/>`,
    `<text x="${x + 10}" y="${y + 21}">${escaped(clip(title))}</text></g>`,
  ].join('')
}

function clip(text: string): string {
  const characters = [...text]
  return characters.length <= mostCharacters ? text : `${characters.slice(0, mostCharacters - 1).join('')}…`
}

/** Text of XML; what XML has no way to write is left out. */
function escaped(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu, '')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
