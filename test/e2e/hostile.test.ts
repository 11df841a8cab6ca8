// What nobody vouches for (contexts, images, steps) cannot read or change anything of the host: a canary
// beside the build stays as it is, its content never shows, and every refusal is one clear line.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isRoot } from '../sys/native.ts'
import { expectClean, secret } from './support/canary.ts'
import { type Finished, type Workspace, workspace } from './support/slipway.ts'

describe.skipIf(!isRoot)('hostile input (needs root)', () => {
  let ws: Workspace
  let host: string
  let turn = 0
  beforeAll(() => {
    ws = workspace()
    host = mkdtempSync(join(tmpdir(), 'slipway-canary-'))
  })
  afterAll(() => {
    ws?.[Symbol.dispose]()
    rmSync(host, { recursive: true, force: true })
  })
  const build = async (context: string, ...flags: string[]): Promise<Finished> =>
    ws.start('build', '--progress=plain', ...flags, context).ended

  describe('contexts', () => {
    beforeEach(() => writeFileSync(join(host, 'secret'), `${secret}\n`))
    const copyAll = 'FROM scratch\nCOPY . /\n'
    it.each<[string, string, (context: string) => void, RegExp]>([
      [
        'a Dockerfile that is a link out',
        copyAll,
        (context) => {
          rmSync(join(context, 'Dockerfile'))
          symlinkSync(join(host, 'secret'), join(context, 'Dockerfile'))
        },
        /a link leads out of the build context/,
      ],
      [
        'a Dockerfile that is a link to the environment',
        copyAll,
        (context) => {
          rmSync(join(context, 'Dockerfile'))
          symlinkSync('/proc/self/environ', join(context, 'Dockerfile'))
        },
        /a link leads out of the build context/,
      ],
      [
        'an ignore file that is a link out',
        copyAll,
        (context) => {
          writeFileSync(join(host, 'secret'), `[${secret}\n`)
          symlinkSync(join(host, 'secret'), join(context, '.dockerignore'))
        },
        /a link leads out of the build context/,
      ],
      [
        'an ignore file of its own that is a link out',
        copyAll,
        (context) => {
          writeFileSync(join(host, 'secret'), `[${secret}\n`)
          symlinkSync(join(host, 'secret'), join(context, 'Dockerfile.dockerignore'))
        },
        /a link leads out of the build context/,
      ],
      [
        'a source that is a link out',
        'FROM scratch\nCOPY link /\n',
        (context) => symlinkSync(join(host, 'secret'), join(context, 'link')),
        /not found in the build context/,
      ],
      [
        'a source behind a link out',
        'FROM scratch\nCOPY link/secret /\n',
        (context) => symlinkSync(host, join(context, 'link')),
        /not found in the build context/,
      ],
    ])('%s', async (_name, dockerfile, arrange, message) => {
      const context = ws.context(`context-${turn++}`, { Dockerfile: dockerfile })
      arrange(context)
      const result = await build(context)
      expectClean(result)
      expect(result.status).toBe(1)
      expect(result.stderr).toMatch(message)
    })

    it('a Dockerfile in a linked directory, named with --file', async () => {
      const context = ws.context(`context-${turn++}`, {})
      mkdirSync(context)
      symlinkSync(host, join(context, 'd'))
      const result = await build(context, '--file', join(context, 'd/secret'))
      expectClean(result)
      expect(result.stderr).toMatch(/a link leads out of the build context/)
    })

    it('links that stay inside, and files outside that the caller names, are read', async () => {
      const context = ws.context(`context-${turn++}`, { 'sub/real': 'FROM scratch\n' })
      symlinkSync('sub/real', join(context, 'Dockerfile'))
      expect(await build(context)).toMatchObject({ status: 0 })
      const other = ws.context(`context-${turn++}`, { Dockerfile: 'FROM scratch\n' })
      symlinkSync(join(context, 'sub/real'), join(ws.directory, 'link'))
      expect(await build(other, '--file', join(ws.directory, 'link'))).toMatchObject({ status: 0 })
    })
  })
})
