// What is remembered of a context between builds: it spares work, and never hides a change, whoever else builds or is
// killed at the same time.
import { execFileSync } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, type Workspace, workspace } from './support/slipway.ts'

describe('a context that was built before', () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const dockerfile = 'FROM scratch\nCOPY . /app\n'
  const files = (count: number, text = (i: number) => `file ${i}`): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`d${i % 7}/f${i}`, text(i)]))
  const build = (context: string, ...flags: string[]): string =>
    ws.ok('build', '-q', ...flags, context).stdout
  const isCached = (context: string): boolean =>
    /CACHED/.test(ws.ok('build', '--progress=plain', context).stderr)
  /** A file of the image that this context gives. */
  const built = (context: string, path: string): string => {
    const out = join(ws.directory, `${Math.random()}.tar`)
    build(context, '-o', `type=tar,dest=${out}`)
    return execFileSync('tar', ['-xOf', out, path], { encoding: 'utf8' })
  }
  const trees = (): string[] =>
    readdirSync(join(ws.root, 'store-v1/stat-cache')).filter((name) => name.endsWith('.tree'))

  it('is found again when nothing or only times changed, and is built when content did', async () => {
    const context = ws.context('changes', { Dockerfile: dockerfile, ...files(300) })
    // What changed less than two seconds ago is read again.
    await sleep(2100)
    const first = build(context)
    expect(trees()).toHaveLength(1)
    expect(isCached(context)).toBe(true)
    expect(build(context)).toBe(first)
    utimesSync(join(context, 'd0/f0'), 1, 1)
    expect(isCached(context)).toBe(true)

    const path = join(context, 'd1/f1')
    const { mtime } = statSync(path)
    writeFileSync(path, 'FILE 1')
    utimesSync(path, mtime, mtime)
    expect(isCached(context)).toBe(false)
    expect(built(context, 'app/d1/f1')).toBe('FILE 1')
    // At once again, when neither times nor size tell.
    writeFileSync(path, 'fILE 1')
    utimesSync(path, mtime, mtime)
    expect(built(context, 'app/d1/f1')).toBe('fILE 1')
  })

  it('is used by many builds at the same time', async () => {
    const context = ws.context('shared', { Dockerfile: dockerfile, ...files(2000) })
    await sleep(2100)
    const all = await Promise.all([1, 2, 3, 4].map(() => ws.start('build', '-q', context).ended))
    expect(all.map(({ status, stderr }) => [status, stderr])).toEqual(all.map(() => [0, '']))
    appendFileSync(join(context, 'd3/f3'), ' more')
    await Promise.all([1, 2, 3].map(() => ws.start('build', '-q', context).ended))
    expect(built(context, 'app/d3/f3')).toBe('file 3 more')
    expect(built(context, 'app/d4/f4')).toBe('file 4')
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
  })

  it('is built right after builds of it were killed', async () => {
    const context = ws.context('killed', {
      Dockerfile: dockerfile,
      ...files(3000, (i) => `${i}`.repeat(500)),
    })
    await sleep(2100)
    for (const delayMs of [60, 100, 150, 200, 300]) {
      const victim = ws.start('build', '-q', context)
      await sleep(delayMs)
      victim.kill('SIGKILL')
      await victim.ended
    }
    expect(built(context, 'app/d5/f2000')).toBe('2000'.repeat(500))
    build(context)
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    await until(
      'nothing half-made is left',
      () => {
        build(context, '--no-cache')
        return readdirSync(join(ws.root, 'store-v1/ingest')).length === 0
      },
      10_000,
    )
  })

  it('gives files to the steps of a later build, though its layer was only an archive', () => {
    const context = ws.context('later', { Dockerfile: dockerfile, a: 'from a', 'd/b': 'from b' })
    build(context)
    writeFileSync(
      join(context, 'Dockerfile'),
      'FROM scratch AS files\nCOPY . /app\nFROM scratch\nCOPY --from=files /app/d /new\nCOPY --from=files /app/a /\n',
    )
    writeFileSync(join(context, '.dockerignore'), 'Dockerfile*\n')
    const out = join(ws.directory, 'later')
    build(context, '-o', out)
    expect(readFileSync(join(out, 'new/b'), 'utf8')).toBe('from b')
    expect(readFileSync(join(out, 'a'), 'utf8')).toBe('from a')
  })

  it('exports the files of a layer that was made as an archive', () => {
    const context = ws.context('exported', { Dockerfile: dockerfile, a: 'from a' })
    build(context)
    expect(isCached(context)).toBe(true)
    expect(built(context, 'app/a')).toBe('from a')
    const out = join(ws.directory, 'exported')
    build(context, '-o', out)
    expect(readFileSync(join(out, 'app/a'), 'utf8')).toBe('from a')
  })
})
