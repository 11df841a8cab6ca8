// Build args that nobody types: proxies of docker's config.json, SOURCE_DATE_EPOCH of the environment, and those that
// speak to the builder.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { executable, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`build args (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const configure = (httpProxy: string): void => {
    mkdirSync(join(ws.directory, 'docker'), { recursive: true })
    const text = JSON.stringify({ proxies: { default: { httpProxy, noProxy: 'localhost' } } })
    writeFileSync(join(ws.directory, 'docker/config.json'), text)
  }
  /** Builds `dockerfile` from standard input; what it prints. */
  const build = (dockerfile: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string => {
    const result = spawnSync(executable, ['build', '--progress=plain', ...args, '-'], {
      env: { ...ws.env, ...env },
      cwd: ws.directory,
      input: dockerfile,
      encoding: 'utf8',
    })
    expect(result.status, result.stderr).toBe(0)
    return result.stderr
  }

  it("reach RUN as docker's proxies, and neither the image nor the cache key", () => {
    const dockerfile = 'FROM base\nRUN echo "[$http_proxy $HTTP_PROXY $no_proxy]"\n'
    configure('http://one:1')
    expect(build(dockerfile, ['-t', 'proxied'])).toContain('[http://one:1 http://one:1 localhost]')
    configure('http://two:2')
    const again = build(dockerfile, ['-t', 'proxied'])
    expect(again).toContain('CACHED')
    expect(again).not.toContain('not consumed')
    expect(ws.ok('inspect', 'proxied').stdout).not.toMatch(/proxy/i)
    expect(ws.ok('history', '--no-trunc', 'proxied').stdout).not.toContain('http://')
    const typed = build(dockerfile, ['--no-cache', '--build-arg', 'HTTP_PROXY=http://typed'])
    expect(typed).toContain('[http://typed http://typed localhost]')
  })

  it('are variables once an ARG asks for them', () => {
    configure('http://one:1')
    build('FROM base\nARG http_proxy\nLABEL proxy=$http_proxy\n', ['-t', 'declared'])
    expect(ws.ok('inspect', 'declared').stdout).toContain('"proxy": "http://one:1"')
  })

  it('pin the time as SOURCE_DATE_EPOCH of the environment, which an ARG sees', () => {
    const dockerfile = 'FROM base\nARG SOURCE_DATE_EPOCH\nLABEL epoch=$SOURCE_DATE_EPOCH\n'
    build(dockerfile, ['-t', 'dated'], { SOURCE_DATE_EPOCH: '1000000000' })
    const dated = ws.ok('inspect', 'dated').stdout
    expect(dated).toContain('"epoch": "1000000000"')
    expect(dated).toContain('"Created": "2001-09-09T01:46:40Z"')
    const args = ['-t', 'dated', '--build-arg', 'SOURCE_DATE_EPOCH=0']
    build(dockerfile, args, { SOURCE_DATE_EPOCH: '1000000000' })
    expect(ws.ok('inspect', 'dated').stdout).toContain('"Created": "1970-01-01T00:00:00Z"')
    build('ARG SOURCE_DATE_EPOCH=1\nFROM base\n', ['-t', 'dated'])
    expect(ws.ok('inspect', 'dated').stdout).toContain('"Created": "1970-01-01T00:00:01Z"')
  })

  it('make the same layers with an epoch, whatever was built before', () => {
    const dockerfile = 'FROM base\nWORKDIR /made/here\nCOPY <<EOF /file\na\nEOF\n'
    const layers = (args: readonly string[], environment?: Record<string, string>): string => {
      build(dockerfile, ['-t', 'timed', ...args], environment)
      return JSON.stringify(JSON.parse(ws.ok('inspect', 'timed').stdout)[0].RootFS.Layers)
    }
    const undated = layers([])
    const dated = layers([], { SOURCE_DATE_EPOCH: '5' })
    expect(dated).not.toBe(undated)
    expect(layers(['--no-cache'], { SOURCE_DATE_EPOCH: '5' })).toBe(dated)
    expect(layers([])).toBe(undated)
  })

  it('speak to the builder', () => {
    const args = ['BUILDKIT_SYNTAX=docker/dockerfile:1', 'BUILDKIT_SANDBOX_HOSTNAME=box', 'UNUSED=1']
    const dockerfile = '# syntax=example.com/other\nFROM base\nRUN hostname\n'
    const told = build(
      dockerfile,
      args.flatMap((arg) => ['--build-arg', arg]),
    )
    expect(told).toMatch(/ box\n/)
    expect(told).toContain('One or more build-args [UNUSED] were not consumed')
  })
})
