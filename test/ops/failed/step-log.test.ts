import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keptLogs } from '../../../src/ops/failed/kept-logs.ts'
import { openStepLog } from '../../../src/ops/failed/step-log.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-step-log-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** What is kept of a log of these texts. */
function kept(texts: readonly string[], mostBytes?: number): string | undefined {
  const path = join(directory, 'log')
  using log = openStepLog(path, mostBytes === undefined ? {} : { mostBytes })
  for (const text of texts) log.write(text)
  const target = join(directory, 'kept.log')
  return log.keep(target) ? readFileSync(target, 'utf8') : undefined
}

describe('openStepLog', () => {
  it('keeps every byte in order', () => {
    const texts = Array.from({ length: 5000 }, (_, i) => `${i} grüße 👋\n`.repeat((i % 7) + 1))
    expect(kept(texts)).toBe(texts.join(''))
  })

  it('has nothing to keep of a silent step', () => {
    expect(kept([])).toBeUndefined()
    expect(readdirSync(directory)).toEqual([])
  })

  it('makes no file while the log is short', () => {
    using log = openStepLog(join(directory, 'log'))
    log.write('x'.repeat(1000))
    expect(readdirSync(directory)).toEqual([])
  })

  it('keeps the beginning and the end of a log that is too long', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600_000 }),
        fc.integer({ min: 1, max: 300_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        (length, half, pieceLength) => {
          const whole = Array.from({ length: Math.ceil(length / 8) }, (_, i) => String(i).padStart(8, '.'))
            .join('')
            .slice(0, length)
          const pieces: string[] = []
          for (let at = 0; at < length; at += pieceLength) pieces.push(whole.slice(at, at + pieceLength))
          const text = kept(pieces, 2 * half)
          for (const name of readdirSync(directory)) rmSync(join(directory, name))
          if (length <= 2 * half) expect(text).toBe(whole)
          else {
            const mark = `\n[… ${length - 2 * half} bytes are left out here …]\n`
            expect(text).toBe(`${whole.slice(0, half)}${mark}${whole.slice(-half)}`)
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it('ends with a disk that refuses it, and the step does not', () => {
    using log = openStepLog(join(directory, 'missing', 'log'))
    for (let i = 0; i < 10; i++) log.write('x'.repeat(1 << 16))
    expect(() => log.keep(join(directory, 'kept.log'))).toThrow(/ENOENT/)
  })
})

describe('keptLogs', () => {
  const slot = { stage: '../a b', ordinal: 3 }
  const keep = (options: Parameters<typeof keptLogs>[1], text = 'text\n'): string | undefined => {
    using log = openStepLog(join(directory, 'work'))
    if (text !== '') log.write(text)
    return keptLogs(join(directory, 'logs'), options).keep(log, slot)
  }

  it('names a log after its step, inside the directory', () => {
    const path = keep({})
    expect(path).toMatch(/\/logs\/\.\._a_b-3-[0-9a-f]{8}\.log$/)
    expect(readFileSync(path ?? '', 'utf8')).toBe('text\n')
    expect(keep({}, '')).toBeUndefined()
  })

  it('keeps the newest ones, and what else is there', () => {
    const logs = join(directory, 'logs')
    mkdirSync(join(logs, 'other'), { recursive: true })
    const paths = [0, 1, 2].map((age) => {
      const path = keep({ mostLogs: 3 }) ?? ''
      utimesSync(path, 1000 + age, 1000 + age)
      return path
    })
    const newest = keep({ mostLogs: 3 })
    expect([...paths, newest].map((path) => existsSync(path ?? ''))).toEqual([false, true, true, true])
    expect(existsSync(join(logs, 'other'))).toBe(true)
  })

  it('keeps as many bytes as it may, the newest log always', () => {
    keep({}, 'x'.repeat(1000))
    keep({}, 'x'.repeat(1000))
    const newest = keep({ mostBytes: 500 }, 'x'.repeat(1000))
    expect(readdirSync(join(directory, 'logs'))).toEqual([newest?.split('/').at(-1)])
  })
})
