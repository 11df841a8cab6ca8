// Why steps of real builds ran: changed files, args, base images, instructions and evicted records by name; and that
// nothing of it costs an unchanged build a write.
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`explained builds (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let context: string
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
    context = ws.context('app', {
      Dockerfile: dockerfile(),
      'src/app.ts': 'one',
      'src/lib.ts': 'lib',
      other: 'x',
    })
    build()
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const dockerfile = (more = ''): string =>
    [
      'FROM base AS build',
      'ARG NODE_ENV=production',
      'ARG API_TOKEN',
      'WORKDIR /w',
      more,
      'COPY src .',
      'RUN cat app.ts lib.ts > out',
      'FROM base',
      'COPY --from=build /w/out /out',
      'RUN --mount=type=bind,source=other,target=/other cat /other /out > /all',
      '',
    ].join('\n')
  const build = (...flags: string[]): string[] =>
    ws
      .ok('build', '--progress=plain', '--explain', ...flags, context)
      .stderr.split('\n')
      .filter((line) => /^MISS: |^\d+ other steps? ran/.test(line))
  const write = (name: string, text: string): void => writeFileSync(join(context, name), text)

  it('names the file that changed, came or went', () => {
    write('src/app.ts', 'two')
    write('src/new.ts', 'new')
    rmSync(join(context, 'src/lib.ts'))
    write('src/lib.ts', 'lib')
    expect(build()).toEqual([
      'MISS: COPY src . — src/app.ts changed, src/new.ts added',
      '3 other steps ran because of that',
    ])
    rmSync(join(context, 'src/new.ts'))
    expect(build()).toEqual(['MISS: COPY src . — src/new.ts removed', '1 other step ran because of that'])
  })

  it('names the file that a mount showed', () => {
    write('other', 'y')
    expect(build()).toEqual([
      expect.stringMatching(/^MISS: RUN --mount=type=bind,source=other,target=\/other .* — other changed$/),
    ])
  })

  it('names the ARG, and no value of one that is a secret', () => {
    expect(build('--build-arg', 'NODE_ENV=test')[0]).toBe(
      'MISS: RUN cat app.ts lib.ts > out — ARG NODE_ENV production→test',
    )
    expect(build('--build-arg', 'NODE_ENV=test', '--build-arg', 'API_TOKEN=hunter2')[0]).toBe(
      'MISS: RUN cat app.ts lib.ts > out — ARG API_TOKEN changed (value not shown)',
    )
    const past = readdirSync(join(ws.root, 'store-v1/builds')).map((name) =>
      readFileSync(join(ws.root, 'store-v1/builds', name), 'utf8'),
    )
    expect(past.join()).toContain('API_TOKEN')
    expect(past.join()).not.toContain('hunter2')
    build()
  })

  it('names a step that was put in, and none of those behind it', () => {
    write('Dockerfile', dockerfile('RUN echo more > /more'))
    expect(build()).toEqual(['MISS: RUN echo more > /more — new step', '2 other steps ran because of that'])
    write('Dockerfile', dockerfile('RUN echo less > /more'))
    expect(build()[0]).toBe('MISS: RUN echo less > /more — was RUN echo more > /more')
    write('Dockerfile', dockerfile())
    expect(build()).toEqual([])
  })

  it('names a step that was taken out, not the one that is now in its place', () => {
    const path = ws.context('less', { Dockerfile: 'FROM base\nRUN echo a > /a\nRUN echo b\nRUN echo c\n' })
    ws.ok('build', path)
    writeFileSync(join(path, 'Dockerfile'), 'FROM base\nRUN echo a > /a\nRUN echo c\n')
    const { stderr } = ws.ok('build', '--progress=plain', '--explain', path)
    expect(stderr).toMatch(/^MISS: RUN echo c — no RUN echo b right before it any more$/m)
    expect(stderr).not.toContain('because')
    writeFileSync(join(path, 'Dockerfile'), 'FROM base\nRUN echo a > /a\nRUN echo b\nRUN echo c\n')
    ws.ok('build', path)
    expect(ws.ok('explain', '--context', path).stdout).toMatch(/RUN echo b +hit {3}implied, saved \d/)
  })

  it('names the tag that moved', () => {
    const tar = join(ws.directory, 'base-base/rootfs.tar')
    writeFileSync(join(ws.directory, 'base-base/Dockerfile'), 'FROM scratch\nADD rootfs.tar /\nENV LEVEL=2\n')
    expect(statSync(tar).size).toBeGreaterThan(0)
    ws.ok('build', '-q', '-t', 'base', join(ws.directory, 'base-base'))
    expect(build()).toEqual([
      expect.stringMatching(/^MISS: FROM base — tag moved sha256:[0-9a-f]{12}→sha256:[0-9a-f]{12}$/),
      expect.stringMatching(/ran because of that$/),
    ])
  })

  it('names no ENV that only hands on what the moved tag brings', () => {
    const rebase = (place: string): void => {
      const text = `FROM scratch\nADD rootfs.tar /\nENV PLACE=${place}\n`
      writeFileSync(join(ws.directory, 'base-base/Dockerfile'), text)
      ws.ok('build', '-q', '-t', 'base', join(ws.directory, 'base-base'))
    }
    rebase('/opt/one')
    write('Dockerfile', dockerfile('ENV PATH=$PLACE/bin:$PATH LEVEL=1'))
    build()
    rebase('/opt/two')
    expect(build()).toEqual([
      expect.stringMatching(/^MISS: FROM base — tag moved/),
      expect.stringMatching(/ran because of that$/),
    ])
    rebase('/opt/three')
    write('Dockerfile', dockerfile('ENV PATH=$PLACE/bin:$PATH LEVEL=2'))
    expect(build().slice(0, -1)).toEqual([
      expect.stringMatching(/^MISS: FROM base — tag moved/),
      expect.stringMatching(/^MISS: RUN cat app.ts lib.ts > out — ENV LEVEL 1→2$/),
    ])
    write('Dockerfile', dockerfile())
    build()
  })

  it('says that records are gone, and what did not get done', () => {
    renameSync(join(ws.root, 'store-v1/records'), join(ws.directory, 'records'))
    expect(build().every((line) => line.endsWith('its result is not in the cache any more'))).toBe(true)
    const failing = ws.context('failing', {
      Dockerfile: 'FROM base\nRUN echo ok > /ok\nRUN test -e /m; exit 1\n',
    })
    expect(ws.slipway('build', failing).status).toBe(1)
    const again = ws.slipway('build', '--progress=plain', '--explain', failing).stderr
    expect(again).toContain('MISS: RUN test -e /m; exit 1 — unchanged, but not done in the last build')
    expect(ws.ok('explain').stdout).toMatch(/failed$/m)
  })

  it('tells of the last build afterwards, by step and as JSON', () => {
    write('src/app.ts', 'three')
    build()
    const told = ws.ok('explain', '--context', context).stdout
    expect(told).toMatch(/^Build of .*\/app, ended 20\d\d-/)
    expect(told).toMatch(/COPY src \. +MISS {2}src\/app\.ts changed \(\d/)
    expect(told).toMatch(/COPY --from=build .* +miss {2}because RUN cat app\.ts lib\.ts > out ran/)
    expect(told).toMatch(/WORKDIR \/w +hit {3}local, saved \d/)
    const chain = ws.ok('explain', '--context', context, 'Dockerfile:10').stdout.trimEnd().split('\n')
    expect(chain[0]).toMatch(/^\d+ {2}\[stage-1 3\/3\] RUN .* \(Dockerfile:10\): miss {2}because/)
    expect(chain.at(-1)).toMatch(/COPY src \. \(Dockerfile:6\): MISS {2}src\/app\.ts changed/)
    const { version, steps, failed } = JSON.parse(ws.ok('explain', '--json', 'COPY src').stdout)
    expect([version, failed, steps]).toEqual([
      1,
      false,
      [
        expect.objectContaining({
          ...{ stage: 'build', title: 'COPY src .', file: 'Dockerfile', line: 6, outcome: 'ran' },
          reasons: [{ kind: 'files', input: 1, changed: ['src/app.ts'], added: [], removed: [], more: 0 }],
        }),
      ],
    ])
    expect(ws.slipway('explain', 'nothing like it')).toMatchObject({ status: 1, stdout: '' })
  })

  it('shows the graph without building it', () => {
    const dir = ws.context('graph', {
      Dockerfile: 'FROM base AS a\nRUN exit 1\nFROM base\nCOPY --from=a /x /\n',
    })
    const shown = (format: string): string => ws.ok('graph', `--format=${format}`, dir).stdout
    expect(ws.ok('graph', dir).stdout).toBe(shown('text'))
    expect(shown('text')).toContain('exec  [a 2/2] RUN exit 1')
    expect(shown('dot')).toContain('label="a"')
    expect(JSON.parse(shown('json')).graph.version).toBe(1)
    expect(shown('svg')).toMatch(/^<svg [\s\S]*<title>RUN exit 1<\/title>[\s\S]*<\/svg>\n$/)
    const wrong = ws.slipway('graph', ws.context('wrong', { Dockerfile: 'FROM base\nCOPY\n' }))
    expect([wrong.status, wrong.stdout]).toEqual([1, ''])
    expect(wrong.stderr).toContain('Dockerfile:2')
  })

  it('tells of hits where they were found and what they saved; a warm build writes nothing', () => {
    build()
    const builds = join(ws.root, 'store-v1/builds')
    const before = readdirSync(builds).map((name) => statSync(join(builds, name)).ino)
    const { stderr } = ws.ok('build', '--progress=plain', '--explain', context)
    expect(stderr).toMatch(/CACHED \(local, saved \d/)
    expect(stderr).toContain('CACHED (implied)')
    expect(readdirSync(builds).map((name) => statSync(join(builds, name)).ino)).toEqual(before)
    expect(ws.ok('explain', '--context', context).stdout).toMatch(/RUN cat .* +hit {3}implied, saved \d/)
  })

  it('names an ARG once, at the first step that sees it', () => {
    write('Dockerfile', dockerfile('RUN echo seen > /seen'))
    build()
    expect(build('--build-arg', 'NODE_ENV=other')).toEqual([
      'MISS: RUN echo seen > /seen — ARG NODE_ENV production→other',
      expect.stringMatching(/^\d other steps ran because of that$/),
    ])
    expect(ws.ok('explain', '--context', context).stdout.match(/ MISS /g)).toHaveLength(1)
    write('Dockerfile', dockerfile())
    build()
  })
})
