// The same build by several processes at a time: each step is run by one of them and found by the others, also when the
// one that runs it is killed in the middle.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, until, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`builds of the same (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const project = (name: string): string =>
    ws.context(name, {
      Dockerfile: `FROM base\nRUN echo ${name}-one; sleep 1\nRUN echo ${name}-two > /two\n`,
    })
  const start = (context: string) => ws.start('build', '--progress=plain', context)
  /** Which of its two steps a build has run to their end. */
  const ran = (stderr: string): string[] =>
    [...stderr.matchAll(/^#(\d+) \[[23]\/3\] RUN (?:echo )(\S+-(?:one|two))/gm)].flatMap(
      ([, number, step]) => (new RegExp(`^#${number} DONE`, 'm').test(stderr) ? [step ?? ''] : []),
    )

  it('at the same time run each step once', async () => {
    const context = project('shared')
    const ends = await Promise.all([1, 2, 3].map(() => start(context).ended))
    expect(ends.map(({ status }) => status)).toEqual([0, 0, 0])
    expect(ends.flatMap(({ stderr }) => ran(stderr)).sort()).toEqual(['shared-one', 'shared-two'])
  })

  it('do what one of them was killed over', async () => {
    const context = project('killed')
    const first = start(context)
    await until('the step', () => first.stderr().includes('killed-one\n'))
    const second = start(context)
    first.kill('SIGKILL')
    await first.ended
    const { status, stderr } = await second.ended
    expect(status).toBe(0)
    expect(ran(stderr).sort()).toEqual(['killed-one', 'killed-two'])
  })
})
