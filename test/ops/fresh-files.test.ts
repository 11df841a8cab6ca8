// A file that changes while nothing tells of it: through memory that was mapped and written to before it was listed.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { freshFiles } from '../../src/ops/copy/fresh-files.ts'
import { hashFiles } from '../../src/ops/copy/hash-files.ts'
import { localTree } from '../../src/ops/copy/local-tree.ts'
import type { SourceEntry } from '../../src/ops/copy/source-tree.ts'
import { missing } from '../support/missing.ts'
import { isRoot, testNative } from '../sys/native.ts'
import { testContext } from './support/context.ts'
import { copy, openRig, type Rig, writeTree } from './support/rig.ts'

// A minute slow, so that what a test has just written is fresh however long it takes to be looked at.
vi.mock('../../src/ops/copy/storage-time.ts', async (original) => {
  const real = await original<typeof import('../../src/ops/copy/storage-time.ts')>()
  const storageTime = (directory: string): bigint | undefined => {
    const now = real.storageTime(directory)
    return now === undefined ? undefined : now - 60_000_000_000n
  }
  return { ...real, storageTime }
})

const native = testNative()
const { signal } = new AbortController()

describe.skipIf(!isRoot || missing('python3') !== undefined)(
  'a file written to through mapped memory (needs root and python3)',
  () => {
    let rig: Rig
    let writer: ChildProcess | undefined
    beforeEach(async () => {
      rig = await openRig()
      writeTree(rig.context, { 'd/f': 'old!', 'd/g': 'g' })
    })
    afterEach(() => {
      writer?.kill('SIGKILL')
      rig.dispose()
    })

    /**
     * Maps the file and writes to it, which sets its times; at each call of the result again, which does so only
     * when the memory was written to disk meanwhile. */
    async function map(): Promise<() => Promise<void>> {
      const script = `import mmap,sys
f = open(sys.argv[1], 'r+b')
m = mmap.mmap(f.fileno(), 4)
m[0:4] = b'held'
print('ready', flush=True)
for line in sys.stdin:
  m[0:4] = line[0:4].encode()
  print('done', flush=True)`
      const child = spawn('python3', ['-c', script, join(rig.context, 'd/f')], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      writer = child
      const answer = (): Promise<void> => new Promise((resolve) => child.stdout.once('data', () => resolve()))
      await answer()
      return async () => {
        child.stdin.write('NEW!\n')
        await answer()
      }
    }
    const entriesOf = async (): Promise<readonly SourceEntry[]> => {
      const tree = localTree({ root: rig.context, description: 'build context', native })
      const top = await tree.find('', true)
      return top === undefined ? [] : await tree.walk(top)
    }

    it('is compared before and after when it had just changed', async () => {
      const write = await map()
      const entries = await entriesOf()
      const { ctimeNs } = entries.find(({ path }) => path === 'd/f')?.state ?? { ctimeNs: 0n }
      const fresh = freshFiles(native, ctimeNs)
      fresh.note(entries, await hashFiles(entries, { native, signal }))
      await fresh.verify(entries, signal)
      await write()
      await expect(fresh.verify(entries, signal)).rejects.toMatchObject({
        code: 'ERR_CONTEXT_CHANGED',
        message: 'read "d/f": the file changed during the build',
      })
    })

    it('is not read twice when it had rested', async () => {
      const entries = await entriesOf()
      const newestNs = entries.reduce((newest, { state }) => {
        return state !== undefined && state.ctimeNs > newest ? state.ctimeNs : newest
      }, 0n)
      for (const nowNs of [newestNs + 100_000_000n, undefined]) {
        const fresh = freshFiles(native, nowNs)
        fresh.note(entries, await hashFiles(entries, { native, signal }))
        const nothing = { ...native, addon: () => expect.fail('files were read') }
        await freshFiles(nothing, nowNs).verify(entries, signal)
        await fresh.verify(entries, signal)
      }
    })

    it('fails the copy', async () => {
      const actions = [copy({ sources: ['d'], destination: '/' })]
      const write = await map()
      const cx = testContext()
      const local = rig.local()
      await rig.digest(actions, [], cx)
      await write()
      await expect(rig.run(null, [local], actions, cx)).rejects.toMatchObject({ code: 'ERR_CONTEXT_CHANGED' })
    })
  },
)
