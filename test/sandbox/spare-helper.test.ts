import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openSpareHelpers, type SpareHelpers } from '../../src/sandbox/spare-helper.ts'
import { testNative } from '../sys/native.ts'

const opened: SpareHelpers[] = []

function open(): SpareHelpers {
  const spares = openSpareHelpers(testNative())
  opened.push(spares)
  return spares
}

afterEach(async () => {
  for (const spares of opened.splice(0)) await spares[Symbol.asyncDispose]()
})

function children(): number[] {
  const tasks = readdirSync('/proc/self/task')
  const pids = tasks.flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'latin1').split(' '))
  return pids.filter((pid) => pid !== '').map(Number)
}

const others = new Set(children())

/** Helpers that this process has started and not waited for. */
const helpers = (): number[] => children().filter((pid) => !others.has(pid))

describe('helpers started ahead', () => {
  test('one waits, and is the one that is taken', () => {
    const spares = open()
    expect(helpers()).toEqual([])
    spares.prepare()
    spares.prepare()
    const [waiting, ...further] = helpers()
    expect(further).toEqual([])
    const { helper, killed } = spares.take()
    expect(helper.child.pid).toBe(waiting)
    killed.abort()
    return helper.ended
  })

  test('without one a new helper is taken', async () => {
    const { helper, killed } = open().take()
    expect(helpers()).toEqual([helper.child.pid])
    killed.abort()
    expect(await helper.ended).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test('one that was killed while it waited is not given to anybody', async () => {
    const spares = open()
    spares.prepare()
    const [pid = 0] = helpers()
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(helpers()).toEqual([]))
    await setImmediate()
    const { helper, killed } = spares.take()
    expect(helpers()).toEqual([helper.child.pid])
    killed.abort()
    await helper.ended
  })

  test('the one that waits does not outlive its owner', async () => {
    const spares = open()
    spares.prepare()
    const [pid] = helpers()
    await spares[Symbol.asyncDispose]()
    expect(existsSync(`/proc/${pid}`)).toBe(false)
    await spares[Symbol.asyncDispose]()
  })

  test('that none can be started ahead is no failure of who asks for it', async () => {
    const spares = openSpareHelpers({ ...testNative(), helper: '/nowhere' })
    spares.prepare()
    expect(() => spares.take()).toThrow(expect.objectContaining({ code: 'ERR_NATIVE_MISSING' }))
    await spares[Symbol.asyncDispose]()
  })

  test('a status line goes to who took it', async () => {
    const spares = open()
    spares.prepare()
    const { helper } = spares.take()
    helper.request.end()
    const end = await helper.ended
    expect([end.code, end.failure?.kind]).toEqual([1, 'request-cut'])
  })

  test('signals wait with it for a request', async () => {
    const spares = open()
    spares.prepare()
    const { helper } = spares.take()
    await expect.poll(() => blockedSignals(helper.child.pid) & sigterm, { timeout: 30_000 }).toBe(sigterm)
    helper.child.kill('SIGTERM')
    helper.request.end()
    const end = await helper.ended
    expect([end.code, end.failure?.kind]).toEqual([1, 'request-cut'])
  })
})

const sigterm = 1n << 14n

function blockedSignals(pid: number): bigint {
  const mask = /^SigBlk:\s+([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '0'
  return BigInt(`0x${mask}`)
}
