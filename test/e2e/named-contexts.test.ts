// What a named context takes the place of: stages, bases and sources of COPY, by every spelling of a name. Each result was
// compared with BuildKit 0.34.
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tool, type Workspace, workspace } from './support/slipway.ts'

let ws: Workspace

beforeEach(() => {
  ws = workspace()
  ws.context('one', { f: 'one' })
  ws.context('two', { f: 'two' })
  ws.context('ignoring', { f: 'f', g: 'g', '.dockerignore': 'g\n' })
})

afterEach(() => {
  ws[Symbol.dispose]()
})

/** The files of the image, `path=content`. */
function build(dockerfile: string, flags: readonly string[]): readonly string[] {
  const context = ws.context('main', { Dockerfile: dockerfile, f: 'main' })
  const archive = join(ws.directory, 'out.tar')
  const args = flags.flatMap((flag) => (flag.startsWith('--') ? [flag] : ['--build-context', flag]))
  const { status, stderr } = ws.slipway(
    'build',
    '--progress=plain',
    '-o',
    'type=tar,dest=out.tar',
    ...args,
    context,
  )
  expect(stderr + status).toMatch(/[^0-9]0$/)
  return tool('tar', ['-tf', archive])
    .split('\n')
    .filter((name) => name !== '' && !name.endsWith('/'))
    .map((name) => `${name}=${tool('tar', ['-xOf', archive, name])}`)
}

const copyA = 'FROM scratch\nCOPY --from=a . /\n'

describe('a named context', () => {
  it.each<readonly [string, readonly string[], readonly string[]]>([
    [`FROM scratch AS a\nCOPY f /main\n${copyA}`, ['a=one'], ['f=one']],
    [`FROM scratch AS A\nCOPY f /main\n${copyA}`, ['a=one'], ['f=one']],
    ['FROM scratch AS a\nCOPY f /main\nFROM scratch\nCOPY --from=A . /\n', ['a=one'], ['f=one']],
    [`FROM nosuch AS a\nRUN false\n${copyA}`, ['a=one'], ['f=one']],
    [`FROM nosuch AS a\nRUN false\n${copyA}`, ['a=docker-image://scratch'], []],
    ['FROM scratch AS a\nCOPY f /main\nFROM a\nCOPY f /x\n', ['a=one'], ['f=one', 'x=main']],
    ['FROM scratch AS a\nCOPY f /main\nFROM a AS b\nFROM scratch\nCOPY --from=b . /\n', ['a=two'], ['f=two']],
    ['FROM nosuch AS a\nFROM a AS b\nFROM scratch\nCOPY --from=b . /\n', ['nosuch=one', 'a=two'], ['f=two']],
    ['FROM nosuch AS a\nCOPY f /main\nFROM a\n', ['nosuch=one', 'a=two'], ['f=two']],
    ['FROM nosuch AS b\nFROM scratch\nCOPY --from=b . /\n', ['nosuch=one', 'b=docker-image://scratch'], []],
    ['FROM scratch AS a\nCOPY f /main\nFROM scratch\nCOPY --from=0 . /\n', ['a=one'], ['f=one']],
    ['FROM scratch AS a\nCOPY f /main\nFROM scratch\nCOPY --from=0 . /\n', ['0=one'], ['main=main']],
    ['FROM scratch AS a\nCOPY f /main\nFROM scratch AS b\n', ['a=one', '--target=a'], ['f=one']],
    ['FROM alpine\nCOPY f /x\n', ['alpine=one'], ['f=one', 'x=main']],
    ['FROM alpine\nCOPY f /x\n', ['alpine:latest=one'], ['f=one', 'x=main']],
    ['FROM alpine:latest\nCOPY f /x\n', ['docker.io/library/alpine=one'], ['f=one', 'x=main']],
    ['FROM docker.io/library/alpine\nCOPY f /x\n', ['alpine=one'], ['f=one', 'x=main']],
    ['FROM alpine:3.18\n', ['alpine=one', 'alpine:3.18=two'], ['f=two']],
    ['ARG B=one\nFROM $B\n', ['one=one'], ['f=one']],
    ['FROM --platform=linux/arm64 alpine AS q\nFROM scratch\nCOPY --from=q . /\n', ['alpine=one'], ['f=one']],
    ['FROM scratch\nCOPY --from=img f /y\n', ['img:latest=one'], ['y=one']],
    ['FROM scratch\nCOPY --from=img:v1 f /y\n', ['img:v1=two', 'img=one'], ['y=two']],
    ['FROM scratch\nCOPY --from=a ../f /y\n', ['a=one'], ['y=one']],
    [
      'FROM scratch AS context\nCOPY f /y\nFROM scratch\nCOPY --from=context . /\n',
      ['context=one'],
      ['y=main'],
    ],
    ['FROM scratch\nCOPY f /y\n', ['scratch=one'], ['y=main']],
    ['FROM scratch\nCOPY --from=a . /\n', ['a=ignoring'], ['.dockerignore=g\n', 'f=f']],
    ['FROM a\n', ['a=ignoring'], ['.dockerignore=g\n', 'f=f']],
    ['FROM nosuch AS a\nFROM scratch\nCOPY --from=a . /\n', ['a=ignoring'], ['.dockerignore=g\n', 'f=f']],
    [copyA, ['a=one', 'a=two'], ['f=two']],
  ])('%j with %j', (dockerfile, flags, files) => {
    expect(build(dockerfile, flags)).toEqual(files)
  })

  it('does not go for an image with another tag, nor for the stage itself', () => {
    const context = ws.context('main', { Dockerfile: 'FROM scratch\nCOPY --from=localhost:1/img:v1 f /\n' })
    const other = ws.slipway('build', '--build-context', 'localhost:1/img=one', context)
    expect(other.status).toBe(1)
    expect(other.stderr).toContain('localhost:1/img:v1')
    ws.context('main', { Dockerfile: 'FROM scratch\nCOPY --from=0 . /\n' })
    const itself = ws.slipway('build', '--build-context', '0=one', context)
    expect(itself.status).toBe(1)
    expect(itself.stderr).toContain('circular dependency detected on stage: stage-0')
  })
})
