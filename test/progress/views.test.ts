import { describe, expect, it, vi } from 'vitest'
import type { BuildEvent, TimedEvent } from '../../src/core/event.ts'
import { Model, printable } from '../../src/progress/model.ts'
import { formatSnippet } from '../../src/progress/recap.ts'
import type { Output, View } from '../../src/progress/types.ts'
import { openView } from '../../src/progress/view.ts'

const dockerfile = { name: 'Dockerfile', text: 'FROM scratch\nRUN a\nRUN false\n' }
const span = { file: 'Dockerfile', start: 19, end: 28 }

function recorder(overrides: Partial<Output> = {}): Output & { text: string } {
  const output = {
    text: '',
    write(chunk: string) {
      output.text += chunk
    },
    isTerminal: false,
    columns: 60,
    rows: 10,
    colours: false,
    ...overrides,
  }
  return output
}

function play(view: View, events: readonly (BuildEvent & { at?: number })[]): void {
  events.forEach(({ at, ...event }, sequence) => {
    const time = new Date(1_700_000_000_000 + (at ?? sequence * 100)).toISOString()
    view.apply({ ...(event as BuildEvent), time, sequence } as TimedEvent)
  })
  view.finish()
}

const graph: BuildEvent = {
  type: 'graph',
  files: [dockerfile],
  steps: [
    { step: 'a', label: '[1/2]', title: 'RUN a', inputs: [] },
    { step: 'b', label: '[2/2]', title: 'RUN false', inputs: ['a'], span },
  ],
}
const failing: BuildEvent[] = [
  graph,
  { type: 'op-cached', step: 'a', by: 'implied' },
  { type: 'op-started', step: 'b' },
  { type: 'log', step: 'b', stream: 'stdout', text: 'one\ntw' },
  { type: 'log', step: 'b', stream: 'stdout', text: 'o\nlast without newline' },
  { type: 'op-failed', step: 'b', error: { code: 'ERR_PROCESS_EXIT', message: 'exit code: 1' } },
]

describe('snippets', () => {
  it('stay short whatever the Dockerfile', () => {
    const text = `RUN ${'\\\n'.repeat(1_000_000)}${'x'.repeat(100_000)}`
    const lines = formatSnippet({ file: 'f', start: 0, end: text.length }, [{ name: 'f', text }])
    expect(lines).toHaveLength(104)
    expect(lines.at(-2)).toBe('     | … 999901 more lines')
    const line = formatSnippet({ file: 'f', start: 0, end: 9 }, [{ name: 'f', text: 'x'.repeat(1e6) }])
    expect(line.join('').length).toBeLessThan(1100)
  })
})

describe('plain view', () => {
  it('plain: hits that are told together are written together, at once or before what comes next', async () => {
    const writes: string[] = []
    const view = openView('plain', recorder({ write: (text) => void writes.push(text) }))
    let sequence = 0
    const tell = (event: BuildEvent): void =>
      view.apply({ ...event, time: new Date(1_700_000_000_000).toISOString(), sequence: sequence++ })
    const hit = (step: string): void => tell({ type: 'op-cached', step, by: 'implied' })
    const steps = ['a', 'b', 'c', 'd'].map((step) => ({ step, label: '', title: step, inputs: [] }))
    tell({ type: 'graph', files: [], steps })
    hit('a')
    hit('b')
    expect(writes).toEqual([])
    await Promise.resolve()
    const both = '#1 a\n#1 CACHED\n\n#2 b\n#2 CACHED\n'
    expect(writes).toEqual([both])
    hit('c')
    tell({ type: 'task-started', step: 'e', title: 'export' })
    expect(writes).toEqual([both, '\n#3 c\n#3 CACHED\n\n#4 export\n'])
    hit('d')
    view.finish()
    expect(writes.at(-1)).toBe('\n#5 d\n#5 CACHED\n')
    await Promise.resolve()
    expect(writes).toHaveLength(3)
  })

  it('prints numbered steps, whole lines, the failure and where it is written', () => {
    const output = recorder()
    play(openView('plain', output), failing)
    expect(output.text).toBe(`#1 [1/2] RUN a
#1 CACHED

#2 [2/2] RUN false
#2 0.100 one
#2 0.200 two
#2 0.300 last without newline
#2 ERROR: exit code: 1
------
 > [2/2] RUN false:
0.100 one
0.200 two
0.300 last without newline
------
Dockerfile:3
--------------------
   1 |     FROM scratch
   2 |     RUN a
   3 | >>> RUN false
--------------------
`)
  })

  it('names a step again when its output comes back after another one', () => {
    const output = recorder()
    play(openView('plain', output), [
      graph,
      { type: 'op-started', step: 'a' },
      { type: 'op-started', step: 'b' },
      { type: 'log', step: 'a', stream: 'stderr', text: 'back\n' },
    ])
    expect(output.text).toBe('#1 [1/2] RUN a\n\n#2 [2/2] RUN false\n\n#1 …\n#1 0.200 back\n')
  })

  it('says in the recap only what was not said before', () => {
    const output = recorder()
    play(openView('plain', output), [
      { type: 'task-started', step: 't', title: 'push x' },
      { type: 'task-failed', step: 't', error: { code: 'ERR_REGISTRY_DENIED', message: '403 forbidden' } },
    ])
    expect(output.text).toBe('#1 push x\n#1 ERROR: 403 forbidden\n')
  })

  it('tells steps that were stopped from the one that failed', () => {
    const output = recorder()
    play(openView('plain', output), [
      graph,
      { type: 'op-started', step: 'a' },
      { type: 'op-started', step: 'b' },
      { type: 'op-failed', step: 'b', error: { code: 'ERR_PROCESS_EXIT', message: 'exit code: 1' } },
      { type: 'op-failed', step: 'a', error: { code: 'ERR_CANCELED', message: 'build canceled' } },
    ])
    expect(output.text).toContain('#1 …\n#1 CANCELED\n------\n > [2/2] RUN false:\n------\nDockerfile:3\n')
    expect(output.text).not.toContain('> [1/2]')
  })

  it('keeps bytes in a file but never lets a step drive a terminal', () => {
    const events: BuildEvent[] = [
      { type: 'task-started', step: 't', title: 'task' },
      { type: 'log', step: 't', stream: 'stdout', text: '\u001b]0;evil\u0007\u001b[2Jred\u001b[31m\n' },
    ]
    const file = recorder()
    play(openView('plain', file), events)
    expect(file.text).toContain('\u001b]0;evil')
    const tty = recorder({ isTerminal: true })
    play(openView('plain', tty), events)
    expect(tty.text).toContain('0.100 red\n')
    expect(tty.text).not.toContain('\u001b')
  })
})

describe('tty view', () => {
  it('ends with a frame that fits the width and the recap below it', () => {
    const output = recorder({ isTerminal: true })
    play(openView('auto', output), failing)
    const lines = output.text.replace(/\u001b\[[?0-9]*[A-Za-z]/g, '').split('\n')
    expect(lines[0]).toBe('\r[+] Building 0.5s (2/2)                            FINISHED')
    expect(lines[1]).toBe(' => CACHED [1/2] RUN a                                 0.0s')
    expect(lines[2]).toBe(' => ERROR [2/2] RUN false                              0.3s')
    expect(lines).toContain('Dockerfile:3')
  })

  it('shows the line that is being written', () => {
    vi.useFakeTimers()
    const output = recorder({ isTerminal: true })
    const view = openView('tty', output)
    const event = (e: BuildEvent): void =>
      view.apply({ ...e, time: new Date(Date.now()).toISOString(), sequence: 0 } as TimedEvent)
    event({ type: 'task-started', step: 't', title: 'task' })
    event({ type: 'log', step: 't', stream: 'stderr', text: 'done\n10%\r' })
    event({ type: 'log', step: 't', stream: 'stderr', text: '20%\r' })
    vi.advanceTimersByTime(200)
    expect(output.text).toMatch(/ => => # done.*\n => => # 20%\u001b\[K\n/)
    view.finish()
    vi.useRealTimers()
  })

  it.each([
    [80, ' => => sha256:abababababab [==========          ] 5.00MB / 10.00MB'],
    [40, ' => => sha256:abababababab 50%     0.2s'],
  ])('shows how far a transfer is on %i columns', (columns, row) => {
    vi.useFakeTimers()
    const output = recorder({ isTerminal: true, columns })
    const view = openView('tty', output)
    const time = new Date(Date.now()).toISOString()
    view.apply({ type: 'task-started', step: 't', title: 'pull x', time, sequence: 0 })
    const gauge = { what: `sha256:${'ab'.repeat(32)}`, current: 5e6, total: 1e7, unit: 'bytes' } as const
    view.apply({ type: 'progress', step: 't', ...gauge, time, sequence: 1 })
    vi.advanceTimersByTime(200)
    expect(output.text).toContain(row)
    view.finish()
    vi.useRealTimers()
  })

  it('is not finished between two steps', () => {
    vi.useFakeTimers()
    const output = recorder({ isTerminal: true })
    const view = openView('tty', output)
    const time = new Date(Date.now()).toISOString()
    view.apply({ type: 'task-started', step: 't', title: 'task', time, sequence: 0 })
    view.apply({ type: 'task-finished', step: 't', time, sequence: 1 })
    vi.advanceTimersByTime(200)
    expect(output.text).toContain('(1/1)')
    expect(output.text).not.toContain('FINISHED')
    view.finish()
    expect(output.text).toContain('FINISHED')
    vi.useRealTimers()
  })

  it('cuts wide characters by their width', () => {
    const output = recorder({ isTerminal: true, columns: 24 })
    play(openView('tty', output), [
      { type: 'task-started', step: 't', title: '日本語日本語日本語日本語日本語' },
      { type: 'task-finished', step: 't' },
    ])
    expect(output.text).toContain(' => 日本語日本語…  0.1s')
  })
})

describe('findings', () => {
  const doubtful = {
    code: 'StageNameCasing',
    severity: 'warning',
    message: "Stage name 'A' should be lowercase",
    span: { file: 'Dockerfile', start: 5, end: 12 },
    hint: 'write a',
  } as const
  const wrong = { code: 'UnknownFlag', severity: 'error', message: 'unknown flag: --x', span } as const
  const told: BuildEvent = { type: 'diagnostics', diagnostics: [doubtful, wrong], files: [dockerfile] }
  const warning = `
WARNING: StageNameCasing: Stage name 'A' should be lowercase (line 1)
  1 | FROM scratch
    |      ^^^^^^^
  = help: write a
`
  const error = `
error[UnknownFlag]: unknown flag: --x
  --> Dockerfile:3:1
  3 | RUN false
    | ^^^^^^^^^
`

  it.each(['plain', 'tty'] as const)('stand at the end of a build, before the failed step (%s)', (mode) => {
    const output = recorder()
    play(openView(mode, output), [told, ...failing])
    expect(output.text.split(warning)).toHaveLength(2)
    expect(output.text).toContain(`${warning}${error}------\n > [2/2] RUN false:`)
  })

  it('stand there when everything was cached', () => {
    const output = recorder()
    play(openView('plain', output), [told, graph, { type: 'op-cached', step: 'a', by: 'definition' }])
    expect(output.text).toBe(`#1 [1/2] RUN a\n#1 CACHED\n${warning}${error}`)
  })

  it('come behind steps, each of which ends once', () => {
    const output = recorder()
    const cached: BuildEvent = { type: 'op-cached', step: 'a', by: 'definition' }
    play(openView('plain', output), [
      graph,
      { type: 'op-started', step: 'a' },
      { type: 'op-finished', step: 'a' },
      cached,
      told,
    ])
    expect(output.text.match(/#1 (DONE|CACHED)/g)).toEqual(['#1 DONE'])
  })

  it('are mistakes alone for those who want quiet', () => {
    const output = recorder()
    play(openView('quiet', output), [told])
    expect(output.text).toBe(error)
  })

  it('stop after fifty warnings', () => {
    const output = recorder({ colours: true })
    play(openView('plain', output), [{ ...told, diagnostics: Array.from({ length: 60 }, () => doubtful) }])
    expect(output.text.match(/\u001b\[33mWARNING:\u001b\[0m Stage/g)).toHaveLength(50)
    expect(output.text).toMatch(/\n… and 10 more warnings\n$/)
  })
})

describe('rawjson and quiet', () => {
  it('writes each event as one line', () => {
    const output = recorder()
    play(openView('rawjson', output), failing)
    const parsed = output.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(parsed.map((e) => e.type)).toEqual(failing.map((e) => e.type))
    expect(parsed[2]).toMatchObject({ sequence: 2, time: '2023-11-14T22:13:20.200Z' })
  })

  it('is silent unless a step failed', () => {
    const good = recorder()
    play(openView('quiet', good), failing.slice(0, 4))
    expect(good.text).toBe('')
    const bad = recorder()
    play(openView('quiet', bad), failing)
    expect(bad.text).toMatch(/^------\n > \[2\/2\] RUN false:\n/)
  })
})

describe('model', () => {
  it('keeps what a carriage return leaves on the line', () => {
    const model = new Model()
    const log: TimedEvent = {
      type: 'log',
      step: 's',
      stream: 'stdout',
      text: '10%\r50%\r100%\r\n',
      time: new Date(0).toISOString(),
      sequence: 0,
    }
    expect(model.apply(log)?.lines.map((l) => l.text)).toEqual(['100%'])
  })

  it('never keeps more of an endless line than a terminal shows, nor more than 64 KiB', () => {
    const model = new Model()
    const log = (text: string): readonly string[] | undefined =>
      model
        .apply({
          type: 'log',
          step: 's',
          stream: 'stdout',
          text,
          time: new Date(0).toISOString(),
          sequence: 0,
        })
        ?.lines.map((l) => l.text)
    expect(log('1%\r2%\r')).toEqual([])
    expect(log('\n')).toEqual(['2%'])
    const lengths = ['x'.repeat(50_000), 'y'.repeat(50_000), 'z\n'].map((text) =>
      log(text)?.map((l) => l.length),
    )
    expect(lengths).toEqual([[], [100_000], [1]])
  })

  it('takes every control sequence out of text', () => {
    expect(
      printable('a\u001b[1;31mb\u001b[0mc\u001b]8;;http://x\u001b\\d\u009b2Je\u0007\tf\u001bPq\u001b\\g'),
    ).toBe('abcde\tfg')
  })

  it('shows several marked lines for a span over lines', () => {
    const lines = formatSnippet({ file: 'Dockerfile', start: 0, end: 18 }, [dockerfile])
    expect(lines.filter((l) => l.includes('>>>'))).toHaveLength(2)
  })
})
