// Unchanged builds go without parser and planner, and nobody can tell by what they say or make.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`remembered plans (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  /** What a build says, without times. */
  const build = (context: string, ...flags: string[]): string =>
    ws.ok('build', '--progress=plain', '-t', 'made', ...flags, context).stderr.replace(/\d+\.\d+s?/g, 'T')
  const plans = (): readonly string[] => {
    const directory = join(ws.root, 'store-v1/plans')
    return readdirSync(directory).map((name) => join(directory, name))
  }
  const planOf = (text: string): string => {
    const found = plans().filter((path) => readFileSync(path, 'utf8').includes(text))
    expect(found).toHaveLength(1)
    return found[0] ?? ''
  }
  const sealed = (body: string): string =>
    `slipway plan 1 sha256:${createHash('sha256').update(body).digest('hex')}\n${body}`

  it('say what builds say that are planned, warnings and all', () => {
    const context = ws.context('warned', { Dockerfile: 'from base\nENV A b\nRUN echo once\n' })
    build(context)
    const planned = build(context)
    expect(planned).toContain('LegacyKeyValueFormat')
    expect(planned).toContain('ConsistentInstructionCasing')
    // Another program would have remembered something else: what is said now comes from there.
    const path = planOf('RUN echo once')
    const body = readFileSync(path, 'utf8').split('\n').slice(1).join('\n')
    writeFileSync(path, sealed(body.replace('RUN echo once', 'RUN from memory')))
    expect(build(context)).toBe(planned.replace(/RUN echo once/g, 'RUN from memory'))
    writeFileSync(path, body)
    expect(build(context)).toBe(planned)
  })

  it('stand on what names of images mean now', () => {
    imageFromTar(ws, 'moving', busyboxTar())
    const context = ws.context('moved', { Dockerfile: 'FROM moving\nRUN echo $WHICH > /which\n' })
    const which = () => ws.ok('run', 'made', 'cat', '/which').stdout
    build(context)
    expect(build(context)).toContain('CACHED')
    expect(which()).toBe('\n')
    const other = ws.context('other', { Dockerfile: 'FROM base\nENV WHICH=second\n' })
    ws.ok('build', '-t', 'moving', other)
    build(context)
    expect(which()).toBe('second\n')
    ws.ok('rmi', 'moving')
    const gone = ws.slipway('build', '-t', 'made', context)
    expect(gone).toMatchObject({ status: 1, stderr: expect.stringContaining('FROM moving') })
  })

  it('forget the images that a base asked for once it asks no more', () => {
    const base = (trigger: string) => ws.context('triggers', { Dockerfile: `FROM base\n${trigger}\n` })
    ws.ok('build', '-t', 'asked-for', base('ENV FIRST=1'))
    ws.ok('build', '-t', 'asking', base('ONBUILD COPY --from=asked-for /bin/busybox /b'))
    const context = ws.context('triggered', { Dockerfile: 'FROM asking\nENV A=b\n' })
    expect(build(context)).toContain('ONBUILD COPY')
    ws.ok('build', '-t', 'asking', base('ENV SECOND=1'))
    ws.ok('rmi', 'asked-for')
    for (let i = 0; i < 2; i++) expect(build(context)).not.toContain('asked-for')
  })

  it('are told of by du, and found by verify when they are damaged', () => {
    const context = ws.context('damaged', { Dockerfile: 'FROM base\nRUN echo whole\n' })
    build(context)
    expect(ws.ok('store', 'verify').stdout).not.toContain('plans')
    const path = planOf('RUN echo whole')
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -1))
    const found = ws.slipway('store', 'verify')
    expect(found).toMatchObject({ status: 1, stdout: expect.stringContaining(`${path}: it is no plan`) })
    ws.ok('store', 'verify', '--repair')
    expect(plans()).not.toContain(path)
    build(context)
    expect(plans()).toContain(path)
    expect(ws.ok('du', '--verbose').stdout).toContain('the plan of a build')
  })
})
