// `--check` and `--call`: answers about a Dockerfile, as text and as docker's JSON. Nothing runs and nothing is stored.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Workspace, workspace } from './support/slipway.ts'

const dockerfile = `# VERSION which base to use
ARG VERSION=1.0
ARG BASE=localhost:1/base:$VERSION UNUSED=1
# build makes it
FROM --platform=$BUILDPLATFORM \${BASE} AS build
ARG VERSION TARGETARCH
# FLAVOUR is the taste
ARG FLAVOUR=sw\${VERSION}eet OTHER
RUN --mount=type=secret,id=tok --mount=type=cache,target=/c true
RUN --mount=type=secret,id=tok,required --mount=type=ssh true
FROM scratch AS other
ARG ELSEWHERE=1
FROM scratch
COPY --from=build /a /b
`

const flawed = `FROM scratch AS Upper
workdir x
FROM scratch
MAINTAINER me
`

describe('questions about a Dockerfile', () => {
  let ws: Workspace
  let context: string
  beforeEach(() => {
    ws = workspace()
    context = ws.context('app', {
      Dockerfile: dockerfile,
      Flawed: flawed,
      Nowhere: 'FROM localhost:1/nothing\nMAINTAINER me\n',
      Broken: 'FRM x\nFROM scratch\nCOPY a\n',
    })
  })
  afterEach(() => ws?.[Symbol.dispose]())

  const call = (...args: string[]) => ws.slipway('build', ...args, context)
  const file = (name: string): string[] => ['-f', join(context, name)]
  const json = (...args: string[]) => JSON.parse(call(...args).stdout)

  it('outlines what the target can be given, stages it does not need left out', () => {
    expect(call('--call=outline')).toMatchObject({
      status: 0,
      stdout: `BUILD ARG   VALUE                  DESCRIPTION
VERSION     1.0                    which base to use
BASE        localhost:1/base:1.0
FLAVOUR     sw1.0eet               is the taste
OTHER

SECRET   REQUIRED
tok      true

SSH       REQUIRED
default

CACHE MOUNT
/c

`,
      stderr: '',
    })
  })

  it('outlines a named target with the values of the command line', () => {
    const { stdout } = call(
      '--call=outline',
      '--target=build',
      '--build-arg=VERSION=2',
      '--build-arg=OTHER=o',
    )
    expect(stdout).toBe(`TARGET:      build
DESCRIPTION: makes it

BUILD ARG   VALUE                DESCRIPTION
VERSION     2                    which base to use
BASE        localhost:1/base:2
FLAVOUR     sw2eet               is the taste
OTHER       o

SECRET   REQUIRED
tok      true

SSH       REQUIRED
default

CACHE MOUNT
/c

`)
    expect(call('--call=outline', '--target=other').stdout).toBe(`TARGET: other

BUILD ARG   VALUE   DESCRIPTION
ELSEWHERE   1

`)
  })

  it('outlines what the builder sets by itself only where the command line does', () => {
    expect(call('--call=outline', '--build-arg=TARGETARCH=other').stdout).toMatch(/^TARGETARCH +other$/m)
    expect(call('--call=outline').stdout).not.toContain('TARGETARCH')
  })

  it("outlines in docker's JSON", () => {
    const at = (line: number, end: number) => ({
      ranges: [{ start: { line, character: 0 }, end: { line, character: end } }],
    })
    expect(json('--call=outline,format=json')).toEqual({
      args: [
        { name: 'VERSION', description: 'which base to use', value: '1.0', location: at(2, 15) },
        { name: 'BASE', value: 'localhost:1/base:1.0', location: at(3, 43) },
        { name: 'FLAVOUR', description: 'is the taste', value: 'sw1.0eet', location: at(8, 33) },
        { name: 'OTHER', location: at(8, 33) },
      ],
      secrets: [{ name: 'tok', required: true, location: at(9, 64) }],
      ssh: [{ name: 'default', location: at(10, 61) }],
      cache: [{ ID: '/c', location: at(9, 64) }],
      sources: [Buffer.from(dockerfile).toString('base64')],
    })
  })

  it('lists the stages', () => {
    expect(call('--call=targets').stdout).toBe(
      'TARGET    DESCRIPTION\nbuild     makes it\nother\n(default)\n',
    )
    expect(json('--call=targets,format=json').targets).toMatchObject([
      {
        name: 'build',
        description: 'makes it',
        base: '${BASE}',
        platform: '$BUILDPLATFORM',
        location: { ranges: [{ start: { line: 5 } }] },
      },
      { name: 'other', base: 'scratch' },
      { default: true, base: 'scratch' },
    ])
  })

  it('checks every stage, and exits with 1 when there is something to say', () => {
    const { status, stdout, stderr } = call(...file('Flawed'), '--check')
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(stdout).toMatch(
      /^Check complete, 4 warnings have been found!\n\nWARNING: StageNameCasing - https:/,
    )
    expect(stdout).toContain(`
WARNING: WorkdirRelativePath - https://docs.docker.com/go/dockerfile/rule/workdir-relative-path/
Relative workdir "x" can have unexpected results if the base image changes
  --> Flawed:2:9
  2 | workdir x
    |         ^
`)
    expect(call(...file('Flawed'), '--call=check,ignorestatus=true').status).toBe(0)
    expect(call(...file('Flawed'), '--check=false', '--call=lint').status).toBe(1)
  })

  it('says that there is nothing to say', () => {
    const clean = ws.context('clean', { Dockerfile: 'FROM scratch\nCOPY a /\n' })
    expect(ws.slipway('build', '--check', clean)).toMatchObject({
      status: 0,
      stdout: 'Check complete, no warnings found.\n',
      stderr: '',
    })
  })

  it("checks in docker's JSON, with each finding whole beside it", () => {
    const checked = json(...file('Flawed'), '--call=check,format=json')
    expect(checked.warnings.map((w: { ruleName: string }) => w.ruleName)).toEqual([
      'StageNameCasing',
      'ConsistentInstructionCasing',
      'WorkdirRelativePath',
      'MaintainerDeprecated',
    ])
    expect(checked.warnings[3]).toEqual({
      ruleName: 'MaintainerDeprecated',
      description: expect.any(String),
      url: 'https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/',
      detail: expect.stringContaining('Maintainer instruction is deprecated'),
      location: { ranges: [{ start: { line: 4, character: 0 }, end: { line: 4, character: 10 } }] },
      diagnostic: expect.objectContaining({
        code: 'MaintainerDeprecated',
        severity: 'warning',
        place: {
          file: 'Flawed',
          start: { line: 4, column: 1, offset: 45 },
          end: { line: 4, column: 11, offset: 55 },
        },
      }),
    })
    expect(checked.sources).toEqual([
      { filename: 'Flawed', language: 'Dockerfile', data: Buffer.from(flawed).toString('base64') },
    ])
  })

  it('carries all mistakes, as text and as data', () => {
    const { status, stdout, stderr } = call(...file('Broken'), '--check')
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(
      /error\[UnknownInstruction\][\s\S]*error\[\w+\][\s\S]*ERROR: failed to build: 2 errors in Broken\n$/,
    )
    const checked = json(...file('Broken'), '--call=check,format=json')
    expect(checked.errors).toMatchObject([
      {
        code: 'UnknownInstruction',
        place: { start: { line: 1, column: 1 } },
        message: expect.stringContaining('FROM'),
      },
      { severity: 'error', place: { start: { line: 3 } } },
    ])
    expect(checked.buildError.message).toBe(checked.errors[0].message)
    const raw = call(...file('Broken'), '--check', '--progress=rawjson')
      .stderr.trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(raw.find(({ type }) => type === 'diagnostics').diagnostics).toEqual(checked.errors)
    const built = ws.slipway('build', ...file('Broken'), '--progress=rawjson', context)
    expect(built.status).toBe(1)
    expect(built.stderr).toContain(`"diagnostics":${JSON.stringify(checked.errors)}`)
  })

  it('checks what it can when an image cannot be had, and says so', () => {
    const { status, stdout, stderr } = call(...file('Nowhere'), '--check')
    expect(status).toBe(1)
    expect(stderr).toMatch(/localhost:1/)
    expect(stderr).toContain('ERROR: failed to build:')
    expect(stdout).toMatch(/^Check complete, 1 warning has been found!\n\nWARNING: MaintainerDeprecated/)
  })

  it('stores nothing, and writes the metadata file that is asked for', () => {
    const metadata = join(ws.directory, 'metadata.json')
    call('--call=targets', '--metadata-file', metadata)
    const written = JSON.parse(readFileSync(metadata, 'utf8'))
    expect(JSON.parse(written['result.json']).targets).toHaveLength(3)
    expect(written['result.txt']).toMatch(/^TARGET/)
    expect(existsSync(join(ws.root, 'store-v1'))).toBe(false)
  })

  it.each([
    ['--call=chek', /chek is no method\n {2}help: did you mean check\?/],
    ['--call=check,format=xml', /format is text or json/],
    ['--call=check,colour=red', /colour is neither/],
    ['--call=check,outline', /two methods/],
    ['--call=check,ignorestatus=perhaps', /true or false/],
  ])('refuses %s', (flag, text) => {
    expect(call(flag)).toMatchObject({ status: 1, stderr: expect.stringMatching(text) })
  })

  it('tells everything before it ends, however much that is', async () => {
    const wrong = ws.context('wrong', {
      Dockerfile: `FROM scratch\n${'RUN --mount=type=x a\n'.repeat(2000)}`,
    })
    const { status, stderr } = await ws.start('build', '--check', wrong).ended
    expect({ status, end: stderr.split('\n').at(-2) }).toEqual({
      status: 1,
      end: 'ERROR: failed to build: 1001 errors in Dockerfile',
    })
  })

  it('describes the methods', () => {
    expect(call('--call=subrequests.describe').stdout).toMatch(
      /^NAME +VERSION DESCRIPTION\nlint +1\.0\.0 +\w/,
    )
    expect(json('--call=subrequests.describe,format=json')[1]).toMatchObject({
      name: 'frontend.outline',
      type: 'rpc',
    })
  })
})
