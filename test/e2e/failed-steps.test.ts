// What stays of a step that failed: its whole log.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`failed steps (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const failing = (name: string, script: string): string =>
    ws.context(name, { Dockerfile: `FROM base AS app\nRUN echo ok\nRUN ${script}\n` })
  const logOf = (stderr: string): string | undefined => /^ {2}log: (.*)$/m.exec(stderr)?.[1]

  describe('the log', () => {
    it.each(['plain', 'tty', 'quiet', 'none', 'rawjson', 'auto'])('is named with --progress=%s', (mode) => {
      const context = failing('log', 'seq 1 20000; echo last >&2; exit 3')
      const { status, stderr } = ws.slipway('build', `--progress=${mode}`, context)
      expect(status).toBe(1)
      const path = logOf(stderr)
      expect(path?.startsWith(join(ws.root, 'store-v1/logs/app-'))).toBe(true)
      const lines = readFileSync(path ?? '', 'utf8').split('\n')
      expect(lines.filter((line) => /^\d+$/.test(line))).toEqual(
        Array.from({ length: 20000 }, (_, i) => String(i + 1)),
      )
      expect(lines).toContain('last')
      if (mode !== 'rawjson') return
      const events = stderr
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line))
      const failed = events.find(({ type }) => type === 'op-failed')
      expect(failed.error).toMatchObject({ code: 'ERR_PROCESS_EXIT', data: { exitCode: 3, log: path } })
    })

    it('is not kept of steps that succeed or print nothing, nor is anything else', () => {
      const before = readdirSync(join(ws.root, 'store-v1/logs'))
      ws.ok('build', '-q', ws.context('fine', { Dockerfile: 'FROM base\nRUN seq 1 100000\n' }))
      const silent = ws.slipway('build', failing('silent', 'exit 1'))
      expect(silent.status).toBe(1)
      expect(logOf(silent.stderr)).toBeUndefined()
      expect(readdirSync(join(ws.root, 'store-v1/logs'))).toEqual(before)
      expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
    })

    it('makes room for newer ones', () => {
      const paths = Array.from({ length: 22 }, (_, i) =>
        logOf(ws.slipway('build', '-q', failing('many', `echo ${i}; exit 1`)).stderr),
      )
      expect(existsSync(paths[0] ?? '')).toBe(false)
      expect(paths.slice(-20).map((path) => readFileSync(path ?? '', 'utf8'))).toEqual(
        Array.from({ length: 20 }, (_, i) => `${i + 2}\n`),
      )
      expect(readdirSync(join(ws.root, 'store-v1/logs'))).toHaveLength(20)
    })
  })
})
