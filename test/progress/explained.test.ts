import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { BuildEvent, MissReason } from '../../src/core/event.ts'
import { explained } from '../../src/progress/explained.ts'
import { openView } from '../../src/progress/view.ts'

const titles = { from: 'FROM node:22', copy: 'COPY src .', run: 'RUN npm ci', last: 'RUN test' }
const graph: BuildEvent = {
  type: 'graph',
  files: [],
  steps: Object.entries(titles).map(([step, title]) => ({ step, label: '', title, inputs: [] })),
}
const missed = (step: string, ...reasons: MissReason[]): BuildEvent => ({ type: 'op-missed', step, reasons })

function told(...events: BuildEvent[]) {
  const why = explained()
  why.text(graph)
  return { texts: events.map((event) => why.text(event)), summary: why.summary(false) }
}

describe('explained', () => {
  test.each([
    [
      missed('copy', {
        ...{ kind: 'files', input: 1, changed: ['src/app.ts'] },
        ...{ added: [], removed: ['src/b.ts'], more: 0 },
      }),
      'MISS: COPY src . — src/app.ts changed, src/b.ts removed',
    ],
    [
      missed('run', { kind: 'variable', name: 'NODE_ENV', from: 'ARG', was: 'production', now: 'test' }),
      'MISS: RUN npm ci — ARG NODE_ENV production→test',
    ],
    [
      {
        type: 'op-changed',
        step: 'from',
        reasons: [{ kind: 'image', reference: 'node:22', was: digestOf('a'), now: digestOf('b') }],
      },
      `MISS: FROM node:22 — tag moved ${digestOf('a').slice(0, 19)}→${digestOf('b').slice(0, 19)}`,
    ],
    [
      missed('run', { kind: 'variable', name: 'TOKEN', from: 'ENV', isMasked: true }),
      'MISS: RUN npm ci — ENV TOKEN changed (value not shown)',
    ],
    [
      missed('run', { kind: 'op', field: 'instruction', was: 'RUN npm i', now: 'RUN npm ci' }),
      'MISS: RUN npm ci — was RUN npm i',
    ],
    [
      missed('run', { kind: 'op', field: 'SHELL', was: '/bin/sh -c', now: '/bin/sh -ec' }),
      'MISS: RUN npm ci — SHELL /bin/sh -c→/bin/sh -ec',
    ],
    [
      missed('copy', { kind: 'op', field: 'actions[0].destination', was: '/app/src', now: '/srv/src' }),
      'MISS: COPY src . — destination /app/src→/srv/src',
    ],
    [
      missed('run', { kind: 'op', field: 'root', was: 0, now: null }),
      'MISS: RUN npm ci — nothing is below it any more',
    ],
    [
      missed('run', { kind: 'moved', input: 0, step: 'from', was: 'COPY src .' }),
      'MISS: RUN npm ci — no COPY src . right before it any more',
    ],
    [missed('run', { kind: 'forced' }), 'MISS: RUN npm ci — asked to run (--no-cache or --no-cache-filter)'],
    [missed('run', { kind: 'new' }), 'MISS: RUN npm ci — new step'],
    [missed('run', { kind: 'first' }), 'miss: not built before'],
    [missed('run', { kind: 'input', input: 0, step: 'copy' }), 'miss: because COPY src . changed'],
    [{ type: 'op-cached', step: 'run', by: 'definition', savedMs: 12_345 }, '(local, saved 12.3s)'],
    [{ type: 'op-cached', step: 'run', by: 'implied' }, '(implied)'],
    [missed('run'), undefined],
  ] satisfies [BuildEvent, string | undefined][])('%#', (event, text) => {
    expect(told(event).texts).toEqual([text])
  })

  test('only first causes are repeated at the end, an ARG that all steps see once', () => {
    const variable: MissReason = { kind: 'variable', name: 'V', from: 'ARG', was: '1', now: '2' }
    const { texts, summary } = told(
      missed('copy', { kind: 'content', input: 0 }),
      missed('run', variable, { kind: 'input', input: 0, step: 'copy' }),
      missed('last', variable, { kind: 'input', input: 0, step: 'run' }),
    )
    expect(texts.at(-1)).toBe('miss: because RUN npm ci ran')
    expect(summary).toBe(
      'MISS: COPY src . — its files changed\nMISS: RUN npm ci — ARG V 1→2\n1 other step ran because of that\n',
    )
  })

  test.each([
    ['FROM docker.io/library/node:22', 'FROM node:22'],
    ['FROM docker.io/library/node:latest', 'FROM node'],
    ['FROM docker.io/me/app:1', 'FROM me/app:1'],
    ['FROM 127.0.0.1:5000/app:latest', 'FROM 127.0.0.1:5000/app'],
  ])('%s is called as it is written, without its pin', (name, written) => {
    const why = explained()
    const pinned = `${name}@${digestOf('a')}`
    why.text({ type: 'graph', files: [], steps: [{ step: 'from', label: '', title: pinned, inputs: [] }] })
    const reasons = [{ kind: 'image', reference: 'x', was: digestOf('a'), now: digestOf('b') }] as const
    expect(why.text({ type: 'op-changed', step: 'from', reasons })).toMatch(`MISS: ${written} — tag moved `)
    expect(why.text(missed('copy', { kind: 'input', input: 0, step: 'from' }))).toBe(
      `miss: because ${written} changed`,
    )
  })

  test('long lists and texts are cut short, and cannot drive a terminal', () => {
    const changed = Array.from({ length: 10 }, (_, i) => `f${i}\u001b[31m`)
    const { texts } = told(
      missed('copy', { kind: 'files', input: 0, changed, added: [], removed: [], more: 90 }),
      missed('run', {
        kind: 'variable',
        name: 'V',
        from: 'ENV',
        was: 'x'.repeat(500),
        now: '\u001b]0;t\u0007',
      }),
    )
    expect(texts[0]).toBe(
      'MISS: COPY src . — f0 changed, f1 changed, f2 changed, f3 changed, f4 changed, and 95 more',
    )
    expect(texts[1]).toBe(`MISS: RUN npm ci — ENV V ${'x'.repeat(80)}…→""`)
  })
})

test('of long texts that begin alike the part is shown where they differ', () => {
  const [was, now] = ['one', 'two'].map((end) => `RUN ${'echo line\n'.repeat(40)}echo ${end}`)
  const tail = 'cho line\\necho '
  const cut = `…${'echo line\\necho line\\necho '.slice(-20)}`
  expect(cut).toContain(tail)
  expect(told(missed('run', { kind: 'op', field: 'instruction', was, now })).texts).toEqual([
    `MISS: RUN npm ci — ${cut}one→${cut}two`,
  ])
  expect(told(missed('run', { kind: 'op', field: 'args[2]', was, now })).texts).toEqual([
    `MISS: RUN npm ci — command ${cut}one→${cut}two`,
  ])
})

describe('views that explain', () => {
  const events: BuildEvent[] = [
    graph,
    {
      type: 'op-changed',
      step: 'from',
      reasons: [{ kind: 'op', field: 'reference', was: 'node:20', now: 'node:22' }],
    },
    missed('copy', { kind: 'input', input: 0, step: 'from' }),
    { type: 'op-started', step: 'copy' },
    { type: 'op-finished', step: 'copy' },
    { type: 'op-cached', step: 'run', by: 'content', from: 'remote', savedMs: 2000 },
  ]
  const shown = (mode: 'plain' | 'tty', explain: boolean): string => {
    let text = ''
    const output = {
      ...{ isTerminal: false, columns: 100, rows: 30, colours: false },
      write: (chunk: string) => {
        text += chunk
      },
    }
    const view = openView(mode, output, { explain })
    for (const [sequence, event] of events.entries()) {
      view.apply({ ...event, time: new Date(1_700_000_000_000 + sequence).toISOString(), sequence })
    }
    view.finish()
    return text
  }

  test.each(['plain', 'tty'] as const)('%s says it at each step, and the first causes at the end', (mode) => {
    const text = shown(mode, true)
    expect(text).toContain('MISS: FROM node:22 — node:20→node:22')
    expect(text).toContain('miss: because FROM node:22 changed')
    expect(text).toMatch(/CACHED[\s\S]*\(remote, by content, saved 2\.0s\)/)
    expect(text).toMatch(/MISS: FROM node:22 — node:20→node:22\n1 other step ran because of that\n$/)
  })

  test.each(['plain', 'tty'] as const)('%s says nothing of it unasked', (mode) => {
    expect(shown(mode, false)).not.toMatch(/miss:|saved|because/i)
  })
})
