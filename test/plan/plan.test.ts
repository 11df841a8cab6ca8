import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasErrors } from '../../src/core/diagnostic.ts'
import { digestOf } from '../../src/core/digest.ts'
import { printGraph } from '../../src/graph/print.ts'
import { keyOfRequest } from '../../src/plan/pin-key.ts'
import { plan } from '../../src/plan/plan.ts'
import { planWithPins } from '../../src/plan/plan-with-pins.ts'
import type { Pin, PinRequest, PlanOptions } from '../../src/plan/types.ts'
import { optionsWith, sharedPins, stagesOf } from './support.ts'

const root = resolve(import.meta.dirname, '../../fixtures/plan')
const pins = sharedPins(root)

function graphOf(text: string, change: Partial<PlanOptions> = {}) {
  const { stages, files } = stagesOf(text)
  const { value, diagnostics } = plan(stages, optionsWith(change, files), pins)
  expect(diagnostics.filter((d) => d.severity === 'error')).toEqual([])
  if (value.kind !== 'ready') throw new Error(`needs ${value.pins.map(keyOfRequest).join(' ')}`)
  return value
}

describe('plan', () => {
  it('does not change when stages that are not needed do', () => {
    const line = fc.constantFrom(
      'RUN make',
      'COPY --from=nginx / /x',
      'ENV A=1',
      'WORKDIR /x',
      'RUN --mount=type=cache,target=/c true',
      'ADD https://example.com/x /',
      'USER nobody',
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.array(line, { maxLength: 6 }), (before, after) => {
        const text = (extra: readonly string[], later: readonly string[]): string =>
          [
            'FROM debian:12 AS tools',
            'RUN tools',
            'FROM golang:1.22 AS unused',
            ...extra,
            'FROM debian:12 AS final',
            'COPY --from=tools /t /t',
            'RUN final',
            'FROM nginx AS later',
            ...later,
            '',
          ].join('\n')
        const changed = graphOf(text(before, after), { target: 'final' })
        const plain = graphOf(text([], []), { target: 'final' })
        expect(changed.graph.ops).toEqual(plain.graph.ops)
        expect(changed.target).toEqual(plain.target)
      }),
      { numRuns: 40 },
    )
  })

  it('gives an edited step a new identity and keeps those below it', () => {
    const text = 'FROM debian:12\nRUN one\nRUN two\n'
    const [before, after] = [text, text.replace('two', 'three')].map((t) => Object.keys(graphOf(t).graph.ops))
    expect(after?.slice(0, 2)).toEqual(before?.slice(0, 2))
    expect(after?.[2]).not.toBe(before?.[2])
  })

  it('keeps proxies, hosts, titles and places out of the identity', () => {
    const plain = graphOf('FROM debian:12\nRUN one\n')
    const other = graphOf('# comment\nfrom debian:12\n\nrun   one\n', {
      buildArgs: { HTTP_PROXY: 'http://p' },
      hosts: [{ name: 'x', ip: '10.0.0.1' }],
      noCache: true,
    })
    expect(other.graph.ops).toEqual(plain.graph.ops)
    expect(other.target).toEqual(plain.target)
  })

  it('is the same text for the same input', () => {
    const text = 'FROM debian:12 AS a\nRUN a\nFROM nginx\nCOPY --from=a / /\nCOPY . .\n'
    const [first, second] = [graphOf(text), graphOf(text)].map(({ graph, target }) =>
      printGraph(graph, target.root === null ? [] : [target.root]),
    )
    expect(second).toBe(first)
  })
})

describe('planWithPins', () => {
  const resolveFrom = (asked: string[][]) => {
    let turn: string[] | undefined
    return async (request: PinRequest): Promise<Pin> => {
      if (turn === undefined) {
        turn = []
        asked.push(turn)
        setImmediate(() => {
          turn = undefined
        })
      }
      turn.push(
        request.kind === 'image'
          ? request.reference
          : request.kind === 'git'
            ? `${request.remote} ${request.ref}`
            : request.url,
      )
      if (request.kind === 'git')
        return { kind: 'git', commit: 'c'.repeat(40), ref: `refs/tags/${request.ref}`, tag: 'a'.repeat(40) }
      await new Promise((done) => setImmediate(done))
      if (request.kind === 'http') return { kind: 'http', digest: digestOf(request.url), modified: 1 }
      const pin = pins[keyOfRequest(request)]
      if (pin === undefined) throw new Error(`no ${request.reference}`)
      return pin
    }
  }

  it('asks for what is missing at once, and again for what triggers of a base bring', async () => {
    const { stages, files } = stagesOf('FROM nginx AS n\nFROM onbuild:1\nCOPY --from=n / /n\nRUN true\n')
    const asked: string[][] = []
    const { value, diagnostics } = await planWithPins(stages, optionsWith({}, files), resolveFrom(asked))
    expect(hasErrors(diagnostics)).toBe(false)
    expect(asked.map((turn) => turn.sort())).toEqual([
      ['docker.io/library/nginx:latest', 'docker.io/library/onbuild:1'],
      ['docker.io/library/debian:12'],
    ])
    expect(Object.keys(value.pins)).toHaveLength(3)
    const again = plan(stages, optionsWith({}, files), value.pins)
    expect(again.value).toEqual({ kind: 'ready', graph: value.graph, target: value.target })
  })

  it('asks for nothing that known pins tell, nor for a file that cannot be built', async () => {
    const asked: string[][] = []
    const known = stagesOf('FROM debian:12\nRUN true\n')
    await planWithPins(known.stages, optionsWith({}, known.files), resolveFrom(asked), pins)
    const broken = stagesOf('FROM missing:1\nRUN --device=x true\n')
    const { diagnostics } = await planWithPins(broken.stages, optionsWith({}), resolveFrom(asked))
    expect(asked).toEqual([])
    expect(diagnostics.map((d) => d.code)).toEqual(['NotSupportedYet'])
  })

  it('asks for URLs once the variables of the base are known, all at once, those with a checksum never', async () => {
    const url = 'http://127.0.0.1/a%20b?x#y'
    const sum = digestOf('c')
    const { stages, files } = stagesOf(
      `FROM debian:12\nARG U=${url}\nADD $U /x\nADD $U https://e.org/ /y/\nADD --checksum=${sum} http://e.org/c /c\n`,
    )
    const asked: string[][] = []
    const { value } = await planWithPins(stages, optionsWith({}, files), resolveFrom(asked))
    expect(asked).toEqual([['docker.io/library/debian:12'], [url, 'https://e.org/']])
    const http = Object.values(value.graph.ops).filter((op) => op.kind === 'http')
    expect(http).toEqual(
      expect.arrayContaining([
        { kind: 'http', inputs: [], checksum: digestOf(url), filename: 'a b', modified: 1 },
        {
          kind: 'http',
          inputs: [],
          checksum: digestOf('https://e.org/'),
          filename: '__unnamed__',
          modified: 1,
        },
        { kind: 'http', inputs: [], checksum: sum, filename: 'c' },
      ]),
    )
    expect(http).toHaveLength(3)
    expect(Object.keys(value.pins).join()).not.toContain('127.0.0.1')
  })

  it.each([
    ['https://e.org/', 'said.txt', 'said.txt', 'said.txt'],
    ['https://e.org/x/..', 'a/b/said', 'said', 'said'],
    ['https://e.org/dir/', undefined, 'dir', 'dir'],
    ['https://e.org/url.txt', 'said.txt', 'url.txt', 'url.txt'],
    ['https://e.org/a%2a%5b.txt', undefined, 'a*[.txt', 'a[*][[].txt'],
    ['https://e.org/%2e%2e', '..', '__unnamed__', '__unnamed__'],
    ['https://e.org/%zz', undefined, '%zz', '%zz'],
  ])('calls the file of %s that its server calls %s %s', async (url, said, filename, pattern) => {
    const { stages } = stagesOf(`FROM scratch\nADD ${url} /d/\n`)
    const pin: Pin = {
      kind: 'http',
      digest: digestOf('x'),
      ...(said === undefined ? {} : { filename: said }),
    }
    const { value } = await planWithPins(stages, optionsWith({}), async () => pin)
    const ops = Object.values(value.graph.ops)
    expect(ops.find((op) => op.kind === 'http')).toMatchObject({ filename })
    expect(ops.find((op) => op.kind === 'file')).toMatchObject({
      actions: [{ sources: [pattern], unpack: false }],
    })
  })

  it('shows no password of a URL in history, titles or the printed graph', async () => {
    const { stages } = stagesOf('FROM scratch\nADD https://me:hunter2@e.org/f /f\n')
    const pin: Pin = { kind: 'http', digest: digestOf('x') }
    const { value } = await planWithPins(stages, optionsWith({}), async () => pin)
    const { remote, ...shown } = Object.values(value.graph.notes).find((note) => note.remote) ?? {}
    expect(remote).toEqual({ url: 'https://me:hunter2@e.org/f' })
    const root = value.target.root === null ? [] : [value.target.root]
    const all = JSON.stringify([value.target, value.graph.ops, shown]) + printGraph(value.graph, root)
    expect(all).toContain('xxxxx@e.org/f')
    expect(all).not.toContain('hunter2')
  })

  it('asks for refs of repositories, and for no commit that is named by its id', async () => {
    const id = 'd'.repeat(40)
    const remote = 'https://e.org/r.git'
    const lines = [
      `ADD ${remote}#v1:/a/../docs /1`,
      `ADD --keep-git-dir ${remote}?tag=v1&submodules=false&mtime=commit /2`,
      `ADD ${remote}#${id} /3`,
      `ADD ${remote}?branch=b&fetch-by-commit&commit=${id} /4`,
      `ADD --keep-git-dir --checksum=aaaa git@e.org:r.git#v1:docs /5`,
    ]
    const { stages, files } = stagesOf(`FROM scratch\n${lines.join('\n')}\n`)
    const asked: string[][] = []
    const { value, diagnostics } = await planWithPins(stages, optionsWith({}, files), resolveFrom(asked))
    expect(diagnostics).toEqual([])
    expect(asked).toEqual([[`${remote} v1`, `${remote} refs/tags/v1`, 'git@e.org:r.git v1']])
    const git = Object.values(value.graph.ops).filter((op) => op.kind === 'git')
    const plain = { kind: 'git', inputs: [], subdir: '', submodules: true, mtime: 'checkout' }
    const commit = 'c'.repeat(40)
    const gitDir = { remote, ref: 'refs/tags/refs/tags/v1', tag: 'a'.repeat(40) }
    const expected = [
      { ...plain, commit, subdir: 'docs' },
      { ...plain, commit, submodules: false, mtime: 'commit', gitDir },
      { ...plain, commit: id },
    ]
    expect(git).toEqual(expect.arrayContaining(expected))
    // The same commit from elsewhere is the same, and a part of a tree keeps no repository.
    expect(git).toHaveLength(expected.length)
  })

  it('rejects with what resolving throws', async () => {
    const { stages } = stagesOf('FROM missing:1\n')
    await expect(planWithPins(stages, optionsWith({}), resolveFrom([]))).rejects.toThrow(/no docker.io/)
  })

  it('finds a circle of more stages than a call stack has room for', () => {
    const count = 20_000
    const stage = (i: number): string => `FROM scratch AS s${i}\nCOPY --from=s${(i + 1) % count} /a /a\n`
    const { stages } = stagesOf(Array.from({ length: count }, (_, i) => stage(i)).join(''))
    const { diagnostics } = plan(stages, optionsWith({}), {})
    expect(diagnostics.map((d) => d.code)).toEqual(['CircularDependency'])
    expect(diagnostics[0]?.notes).toHaveLength(count - 1)
  })
})
