// Images in OCI layouts as named contexts: which one is meant, as base, as stage and for COPY --from; and layouts that are damaged.
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { missing, tool, type Workspace, workspace } from './support/slipway.ts'

let ws: Workspace
let layout: string

beforeEach(() => {
  ws = workspace()
  layout = join(ws.directory, 'layout')
})

afterEach(() => {
  ws[Symbol.dispose]()
})

/** Makes an image with one file in the layout directory. */
function image(content: string, ...flags: readonly string[]): string {
  const dockerfile = 'FROM scratch\nCOPY f /f\nENV CONTENT=set\nCMD ["/f"]\n'
  const context = ws.context('image', { Dockerfile: dockerfile, f: content })
  const archive = join(ws.directory, 'layout.tar')
  // A store of its own: what is built here must come from the layout.
  tool(
    join(import.meta.dirname, '../../dist/slipway'),
    ['build', '-q', '-o', `type=oci,dest=${archive}`, ...flags, context],
    { ...ws.env, SLIPWAY_ROOT: join(ws.directory, 'other') },
  )
  rmSync(layout, { recursive: true, force: true })
  mkdirSync(layout)
  tool('tar', ['-C', layout, '-xf', archive])
  return index().manifests[0]?.digest ?? ''
}

interface Index {
  manifests: { digest: string; annotations?: Record<string, string> }[]
}

const index = (): Index => JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
const writeIndex = (value: unknown): void => writeFileSync(join(layout, 'index.json'), JSON.stringify(value))

function build(dockerfile: string, ...args: readonly string[]) {
  const context = ws.context('main', { Dockerfile: dockerfile })
  return ws.slipway('build', '--progress=plain', '-o', 'type=tar,dest=out.tar', ...args, context)
}

function ok(dockerfile: string, ...args: readonly string[]): string {
  const { status, stderr } = build(dockerfile, ...args)
  expect(stderr).not.toContain('ERROR')
  expect(status).toBe(0)
  return stderr
}

function refused(dockerfile: string, ...args: readonly string[]): string {
  const { status, stderr } = build(dockerfile, ...args)
  expect(status).toBe(1)
  expect(stderr).not.toMatch(/^ +at /m)
  return stderr
}

const read = (path: string): string => tool('tar', ['-xOf', join(ws.directory, 'out.tar'), path])
const copying = 'FROM scratch\nCOPY --from=src /f /copied\n'

describe('an image in an OCI layout', () => {
  it('is a base with its configuration, a stage, and a source of COPY', () => {
    image('x')
    ok(copying, '--build-context', `src=oci-layout://${layout}`)
    expect(read('copied')).toBe('x')
    ok('FROM src\n', '--build-context', 'src=oci-layout://layout')
    expect(read('f')).toBe('x')
    ok('FROM none AS dep\nRUN false\nFROM dep\n', '--build-context', `dep=oci-layout://${layout}`)
    expect(read('f')).toBe('x')
    const context = ws.context('main', { Dockerfile: 'FROM alpine:latest\n' })
    ws.ok('build', '-t', 'made', '--build-context', `alpine=oci-layout://${layout}`, context)
    expect(ws.ok('inspect', 'made').stdout).toContain('CONTENT=set')
    // Nothing of it is needed any more.
    rmSync(layout, { recursive: true })
    ws.ok('store', 'verify')
  })

  it('is found by its tag, its full name or its digest', () => {
    const first = image('1', '-t', 'example.com/app:one')
    const one = index().manifests[0]
    const saved = join(ws.directory, 'saved')
    renameSync(layout, saved)
    const second = image('2', '-t', 'example.com/app:two')
    const two = index().manifests[0]
    for (const name of readdirSync(join(saved, 'blobs/sha256'))) {
      renameSync(join(saved, 'blobs/sha256', name), join(layout, 'blobs/sha256', name))
    }
    writeIndex({ schemaVersion: 2, manifests: [one, two] })
    for (const [suffix, content] of [
      [':one', '1'],
      [':two', '2'],
      [`@${first}`, '1'],
      [`:one@${second}`, '2'],
    ]) {
      ok(copying, '--build-context', `src=oci-layout://${layout}${suffix}`)
      expect(read('copied')).toBe(content)
    }
    expect(refused(copying, '--build-context', `src=oci-layout://${layout}`)).toMatch(
      /open context src: the OCI layout .* has no image latest\n {2}help: it has one, two/,
    )
    expect(refused(copying, '--build-context', `src=oci-layout://${layout}:three`)).toContain(
      'no image three',
    )
  })

  it('is the only one that is there, with a warning if it has another tag', () => {
    image('x', '-t', 'a:one')
    expect(ok(copying, '--build-context', `src=oci-layout://${layout}:two`)).toMatch(
      /WARNING: UnknownLayoutTag: .*has no image two/,
    )
    expect(ok(copying, '--build-context', `src=oci-layout://${layout}`)).not.toContain('warning')
  })

  it.skipIf(missing('skopeo') !== undefined)(
    'may be in a directory with odd characters, made by skopeo (needs skopeo)',
    () => {
      image('x')
      const odd = join(ws.directory, 'a:b@c d')
      mkdirSync(odd)
      tool('skopeo', ['copy', '-q', `oci:${layout}`, `oci:${layout}-copied:v1`])
      renameSync(`${layout}-copied`, join(odd, 'l'))
      ok(copying, '--build-context', `src=oci-layout://${odd}/l:v1`)
      expect(read('copied')).toBe('x')
    },
  )
})

describe('a layout that is wrong', () => {
  const context = (): string => `src=oci-layout://${layout}`

  it.each([
    [
      'is missing',
      () => rmSync(layout, { recursive: true }),
      /open context src: .*layout: no such directory/,
    ],
    ['is empty', () => rmSync(join(layout, 'index.json')), /it has no index.json\n {2}help/],
    ['has no JSON', () => writeFileSync(join(layout, 'index.json'), 'x'), /not JSON|invalid/i],
    ['has a link for an index', () => linkOut('index.json'), /index.json: it is a symbolic link/],
    ['has no images', () => writeIndex({ schemaVersion: 2, manifests: [] }), /it has none at all/],
    ['lacks its blobs', () => rmSync(join(layout, 'blobs'), { recursive: true }), /not in the OCI layout/],
    ['has a manifest with other bytes', () => spoil(index().manifests[0]?.digest), /digest|bytes/],
    ['has a layer with other bytes', () => spoil(largest()), /digest|bytes/],
    ['has a layer that is a link', () => linkOut(`blobs/sha256/${largest().slice(7)}`), /symbolic link/],
    ['has a layer that is a pipe', () => pipeFor(largest()), /no regular file/],
  ])('%s', (_name, change, message) => {
    image('content that is longer than any document of the layout'.repeat(100))
    change()
    expect(refused(copying, '--build-context', context())).toMatch(message)
  })

  it('has no digest of this name', () => {
    image('x')
    expect(refused(copying, '--build-context', `${context()}@sha256:${'0'.repeat(64)}`)).toContain(
      'not in the OCI layout',
    )
  })

  const blob = (digest: string): string => join(layout, 'blobs/sha256', digest.slice('sha256:'.length))
  function spoil(digest = ''): void {
    appendFileSync(blob(digest), ' ')
  }
  function linkOut(name: string): void {
    renameSync(join(layout, name), join(ws.directory, 'outside'))
    symlinkSync(join(ws.directory, 'outside'), join(layout, name))
  }
  function pipeFor(digest: string): void {
    rmSync(blob(digest))
    tool('mkfifo', [blob(digest)])
  }
  /** The layer: everything else is JSON. */
  function largest(): string {
    const names = readdirSync(join(layout, 'blobs/sha256'))
    const layer = names.find((name) => readFileSync(join(layout, 'blobs/sha256', name), 'latin1')[0] !== '{')
    return `sha256:${layer}`
  }
})

describe('names of contexts', () => {
  it('are those of images, and what has no effect is told', () => {
    image('x')
    const wrong = refused(copying, '--build-context', `Src=${layout}`)
    expect(wrong).toContain('invalid context name "Src"')
    const told = ok('FROM scratch\nCOPY . /d/\n', '--build-context', `context=oci-layout://${layout}`)
    expect(told).toContain('build context context has no effect')
    expect(refused(copying, '--build-context', 'src=ftp://x')).toContain('unsupported context source ftp://x')
    expect(refused(copying, '--build-context', 'src=target:x')).toContain(
      'unsupported context source target:x',
    )
  })
})
