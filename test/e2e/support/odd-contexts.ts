// Builds of contexts whose files are odd or hostile, and the set-up that the files of such tests share.
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { isRoot } from '../../sys/native.ts'
import { expectClean, secret } from './canary.ts'
import { type Finished, type Workspace, workspace } from './slipway.ts'

/** Files of the host that no build may show or change. */
const canaries = ['canary', 'dir/canary', 'mine']

export interface OddContexts {
  /** Made before the first test, as `host` is: the directory of the canaries. */
  readonly ws: Workspace
  readonly host: string
  /** A context with these files; links are written `-> target`. */
  contextOf(files: Record<string, string>): string
  /** Where a build of this context writes to. */
  output(context: string): string
  build(context: string, dockerfile: string, ...flags: string[]): Promise<Finished>
  /** What was made: files with their content, links with their target, directories with a slash, other things by kind. */
  listing(context: string): Record<string, string>
  /** The listing of a build that must succeed. */
  copied(context: string, dockerfile: string): Promise<Record<string, string>>
  /** The error of a build that must fail. */
  refused(context: string, dockerfile: string, ...flags: string[]): Promise<string>
  /** That all builds so far have left the store whole and the canaries as they were. It is looked at after the last test anyway. */
  expectNothingLeft(): void
}

/** Registers the tests of `body`, which can be run by root only. */
export function describeOddContexts(body: (odd: OddContexts) => void): void {
  describe.skipIf(!isRoot)('odd and hostile contexts (needs root)', () => {
    let ws: Workspace
    let host: string
    beforeAll(() => {
      ws = workspace()
      host = mkdtempSync(join(tmpdir(), 'slipway-canary-'))
      mkdirSync(join(host, 'dir'))
      for (const name of canaries) writeFileSync(join(host, name), `${secret}\n`)
    })
    afterAll(() => {
      if (ws === undefined) return
      try {
        expectNothingLeft(ws, host)
      } finally {
        // Node removes nothing that is nested this deep.
        execFileSync('rm', ['-rf', ws.directory, host])
        ws[Symbol.dispose]()
      }
    })
    body({
      get ws() {
        return ws
      },
      get host() {
        return host
      },
      ...buildsIn(() => ({ ws, host })),
      expectNothingLeft: () => expectNothingLeft(ws, host),
    })
  })
}

function buildsIn(
  made: () => Pick<OddContexts, 'ws' | 'host'>,
): Omit<OddContexts, 'ws' | 'host' | 'expectNothingLeft'> {
  let turn = 0
  const contextOf: OddContexts['contextOf'] = (files) => {
    const { ws, host } = made()
    const context = join(ws.directory, `context-${turn++}`)
    mkdirSync(context)
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(context, path)), { recursive: true })
      if (content.startsWith('-> ')) symlinkSync(content.slice(3).replace('HOST', host), join(context, path))
      else writeFileSync(join(context, path), content)
    }
    return context
  }
  const output: OddContexts['output'] = (context) => `${context}-out`
  const build: OddContexts['build'] = async (context, dockerfile, ...flags) => {
    const file = `${context}.Dockerfile`
    writeFileSync(file, `FROM scratch\n${dockerfile}\n`)
    rmSync(output(context), { recursive: true, force: true })
    const result = await made().ws.start('build', '-f', file, '-o', output(context), ...flags, context).ended
    expectClean(result)
    return result
  }
  const listing: OddContexts['listing'] = (context) => {
    const list: Record<string, string> = {}
    const out = output(context)
    const found = execFileSync('find', [out, '-mindepth', '1', '-printf', '%P\\0%y\\0%l\\0'], {
      encoding: 'latin1',
    })
    const fields = found.split('\0')
    for (let i = 0; i + 2 < fields.length; i += 3) {
      const [path = '', kind = '', target = ''] = fields.slice(i)
      const read = (): string => readFileSync(Buffer.from(`${out}/${path}`, 'latin1'), 'latin1')
      if (kind === 'd') list[`${path}/`] = ''
      else list[path] = kind === 'l' ? `-> ${target}` : kind === 'f' ? read() : kind
    }
    return list
  }
  const copied: OddContexts['copied'] = async (context, dockerfile) => {
    const { status, stderr } = await build(context, dockerfile)
    expect(stderr).not.toContain('ERROR')
    expect(status).toBe(0)
    return listing(context)
  }
  const refused: OddContexts['refused'] = async (context, dockerfile, ...flags) => {
    const { status, stderr } = await build(context, dockerfile, ...flags)
    expect(status, stderr).toBe(1)
    return stderr.slice(stderr.lastIndexOf('ERROR: '))
  }
  return { contextOf, output, build, listing, copied, refused }
}

function expectNothingLeft(ws: Workspace, host: string): void {
  expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
  expect(readdirSync(join(ws.root, 'store-v1/ingest'))).toEqual([])
  expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
  for (const name of canaries) expect(readFileSync(join(host, name), 'utf8')).toBe(`${secret}\n`)
  expect(readdirSync(host).sort()).toEqual(['canary', 'dir', 'mine'])
}
