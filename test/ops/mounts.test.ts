// RUN --mount of files: what of an input decides whether a step runs again, and what the sandbox is given.
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openCaches } from '../../src/cache-mounts/caches.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { ExecMount, OpOf } from '../../src/graph/op.ts'
import { openSources } from '../../src/ops/copy/sources.ts'
import { execDriver } from '../../src/ops/exec.ts'
import { openContextCopies } from '../../src/ops/mounts/context-copies.ts'
import type { Mount, Sandbox } from '../../src/sandbox/types.ts'
import type { Result } from '../../src/solve/types.ts'
import { type TestContext, testContext } from './support/context.ts'
import { openRig, type Rig, writeTree } from './support/rig.ts'

const note = { slot: { stage: '0', ordinal: 1 }, label: '', title: '' }

function opWith(mounts: readonly ExecMount[]): OpOf<'exec'> {
  return {
    kind: 'exec',
    inputs: [],
    root: 0,
    args: ['x'],
    env: [],
    cwd: '/',
    user: '',
    network: 'default',
    security: 'sandbox',
    hostname: 'h',
    mounts,
  }
}

function bind(source: string, input = 1): ExecMount {
  return { kind: 'bind', target: `/${input}${source}`, input, source, readonly: true }
}

describe('mounts of files', () => {
  let rig: Rig
  let base: Result
  beforeEach(async () => {
    rig = await openRig()
    base = await rig.layer({ base: 'base' })
  })
  afterEach(() => rig.dispose())

  const open = (sandbox: Sandbox) => {
    const { snapshotter, reading } = rig
    const { native, layers } = reading
    const sources = openSources(reading)
    const secret = async () => ({ missing: 'there are none' })
    const caches = openCaches({ root: join(rig.root, 'state'), native, snapshotter })
    const agent = async () => undefined
    const host = { os: 'linux', architecture: 'amd64' }
    const contexts = openContextCopies({ native, snapshotter, sources })
    return {
      contexts,
      driver: execDriver({
        host,
        native,
        caches,
        snapshotter,
        layers,
        sandbox,
        sources,
        contexts,
        secret,
        agent,
      }),
    }
  }
  const idle: Sandbox = { run: async () => ({ code: 0 }) }
  const contentOf = async (
    mounts: readonly ExecMount[],
    input: Result,
    cx: TestContext = testContext(),
  ): Promise<string | undefined> => await open(idle).driver.contentOf?.(opWith(mounts), 1, input, cx)

  describe('what decides whether the step runs again', () => {
    it('content, modes and names; not times, nor what is beside the source or ignored', async () => {
      writeTree(rig.context, { 'd/a': 'a', 'd/sub/b': 'b', beside: 'x', 'd/ignored': 'x' })
      const digest = () => contentOf([bind('/d')], rig.local(['d/ignored']))
      const first = await digest()
      utimesSync(join(rig.context, 'd/a'), 1, 1)
      writeFileSync(join(rig.context, 'beside'), 'y')
      writeFileSync(join(rig.context, 'd/ignored'), 'y')
      expect(await digest()).toBe(first)
      chmodSync(join(rig.context, 'd'), 0o700)
      const closed = await digest()
      expect(closed).not.toBe(first)
      chmodSync(join(rig.context, 'd/sub/b'), 0o600)
      const other = await digest()
      expect(other).not.toBe(closed)
      writeFileSync(join(rig.context, 'd/a'), 'A')
      expect(await digest()).not.toBe(other)
    })

    it('the order of the sources', async () => {
      writeTree(rig.context, { 'one/a': 'a', 'two/a': 'b' })
      const digest = (...paths: string[]) =>
        contentOf(
          paths.map((path) => bind(path)),
          rig.local(),
        )
      expect(await digest('/one', '/two')).not.toBe(await digest('/two', '/one'))
    })

    it('of stages as of contexts; owners count there', async () => {
      const mounts = [bind('/d')]
      const one = await contentOf(mounts, await rig.layer({ 'd/a': 'a', x: '1' }))
      expect(await contentOf(mounts, await rig.layer({ 'd/a': 'a', x: '2' }))).toBe(one)
      expect(await contentOf(mounts, await rig.layer({ 'd/a': ['a', 0o644, 5, 5] }))).not.toBe(one)
      writeTree(rig.context, { 'd/a': 'a' })
      expect(await contentOf(mounts, rig.local())).toBe(one)
    })

    it('the whole of a base image by its name alone, and the root file system by how it was made', async () => {
      const digest = digestOf('image')
      const blob = {
        kind: 'blob',
        diffId: digest,
        source: 'x',
        descriptor: { mediaType: '', digest, size: 1 },
      } as const
      expect(await contentOf([bind('/')], { id: digest, layers: [blob] })).toBe(digest)
      const { driver } = open(idle)
      expect(await driver.contentOf?.(opWith([bind('/', 0)]), 0, base, testContext())).toBeUndefined()
    })

    it('a cache that starts with files counts them', async () => {
      const cache = (source: string): ExecMount => ({
        kind: 'cache',
        target: '/c',
        id: '//c',
        sharing: 'shared',
        start: { input: 1, source },
        readonly: false,
      })
      const stage = await rig.layer({ 'd/a': 'a', 'e/a': 'b' })
      expect(await contentOf([cache('/d')], stage)).toBe(await contentOf([bind('/d')], stage))
      expect(await contentOf([cache('/e')], stage)).not.toBe(await contentOf([bind('/d')], stage))
    })

    it('names with the characters of patterns are themselves', async () => {
      writeTree(rig.context, { 'a*b': 'star', axb: 'x', 'q?\\[z]': 'odd' })
      const digest = (path: string) => contentOf([bind(path)], rig.local())
      expect(await digest('/a*b')).not.toBe(await digest('/axb'))
      expect(await digest('/q?\\[z]')).toMatch(/^sha256:/)
      await expect(digest('/a?b*')).rejects.toMatchObject({ code: 'ERR_COPY_NOT_FOUND' })
    })

    it('a source that is not there is an error that names the place', async () => {
      writeTree(rig.context, { 'd/file': 'x' })
      await expect(contentOf([bind('/d/fil')], rig.local())).rejects.toMatchObject({
        code: 'ERR_COPY_NOT_FOUND',
        message: 'RUN --mount failed: "/d/fil": not found in the build context',
        hint: 'did you mean "/d/file"?',
      })
      await expect(contentOf([bind('/nothing')], base)).rejects.toMatchObject({
        message: 'RUN --mount failed: "/nothing": not found in the image',
      })
    })
  })

  describe('what the sandbox is given', () => {
    const run = async (mounts: readonly ExecMount[], inputs: readonly Result[], steps = 1) => {
      const given: Mount[][] = []
      const { driver, contexts } = open({
        run: async (spec) => {
          given.push([...spec.mounts])
          return { code: 0 }
        },
      })
      const cx = testContext()
      for (let i = 0; i < steps; i++) await driver.run(opWith(mounts), [base, ...inputs], note, cx)
      return { given, contexts }
    }

    it('a context is a copy of what is not ignored: owned by root, with times and modes; one a build', async () => {
      writeTree(rig.context, { 'd/a': ['a', 0o640, 7, 7], 'd/x': 'x', 'd/l': '-> /etc/passwd', f: 'f' })
      chmodSync(join(rig.context, 'd'), 0o711)
      const local = rig.local(['d/x', 'f'])
      const { given, contexts } = await run([bind('/'), bind('/d'), bind('/d/a')], [local], 2)
      expect(given[0]).toEqual(given[1])
      const [whole, below, file] = given[0] ?? []
      if (whole?.kind !== 'layers' || below?.kind !== 'layers' || file?.kind !== 'layers')
        throw new Error('kinds')
      const [directory = ''] = below.lower
      expect(readdirSync(whole.lower[0] ?? '')).toEqual(['d'])
      expect(readdirSync(directory).sort()).toEqual(['a', 'l'])
      expect(below.source).toBe('/')
      expect(lstatSync(directory).mode & 0o777).toBe(0o711)
      const { mode, uid, mtime } = lstatSync(join(directory, 'a'))
      expect([mode & 0o777, uid, mtime]).toEqual([0o640, 0, new Date('2010-01-01T00:00:00Z')])
      expect(file.source).toBe('/a')
      expect(readFileSync(join(file.lower[0] ?? '', 'a'), 'utf8')).toBe('a')
      expect([whole.readOnly, whole.target]).toEqual([true, '/1/'])
      await contexts[Symbol.asyncDispose]()
      expect(existsSync(directory)).toBe(false)
    })

    it('a copy that was given up with one solve is made by the next', async () => {
      writeTree(rig.context, { f: 'f' })
      const { driver, contexts } = open(idle)
      const run = (signal: AbortSignal) =>
        driver.run(opWith([bind('/')]), [base, rig.local([])], note, { ...testContext(), signal })
      await expect(run(AbortSignal.abort(new Error('a cached layer lied')))).rejects.toThrow('lied')
      await run(new AbortController().signal)
      await contexts[Symbol.asyncDispose]()
    })

    it('a stage is its layers', async () => {
      const stage = await rig.layer({ 'd/a': 'a' })
      const both = { ...stage, layers: [...base.layers, ...stage.layers] }
      const { given } = await run([{ ...bind('/d'), readonly: false } as ExecMount], [both])
      const directories = await rig.reading.layers.directories(both.layers, testContext())
      expect(given).toEqual([
        [{ kind: 'layers', target: '/1/d', readOnly: false, source: '/d', lower: directories }],
      ])
    })

    it('a tmpfs', async () => {
      const { given } = await run(
        [
          { kind: 'tmpfs', target: '/a', readonly: false },
          { kind: 'tmpfs', target: '/b', readonly: true, sizeBytes: 5 },
        ],
        [],
      )
      expect(given).toEqual([
        [
          { kind: 'tmpfs', target: '/a', readOnly: false },
          { kind: 'tmpfs', target: '/b', readOnly: true, sizeBytes: 5 },
        ],
      ])
    })
  })

  describe('caches', () => {
    const cache = (change: Partial<Extract<ExecMount, { kind: 'cache' }>> = {}): ExecMount => ({
      kind: 'cache',
      target: '/c',
      id: '//c',
      sharing: 'shared',
      start: { mode: 0o755 },
      readonly: false,
      ...change,
    })
    /** Runs a step; `write` is what it does in the directories of its mounts. */
    const step = async (
      mounts: readonly ExecMount[],
      write: (...directories: string[]) => void = () => undefined,
      { user = '', inputs = [] }: { user?: string; inputs?: readonly Result[] } = {},
    ) => {
      const given: Mount[] = []
      const { driver } = open({
        run: async (spec) => {
          given.push(...spec.mounts)
          write(...given.map((mount) => (mount.kind === 'bind' ? mount.source : '')))
          return { code: 0 }
        },
      })
      const cx = testContext()
      await driver.run({ ...opWith(mounts), user }, [base, ...inputs], note, cx)
      const log = cx.events.flatMap((event) => (event.type === 'log' ? event.text : []))
      return { directories: given.map((mount) => (mount.kind === 'bind' ? mount.source : '')), given, log }
    }

    it('outlive the step; the id of a Dockerfile is in no path', async () => {
      const id = '/../../../../etc'
      const { directories } = await step([cache({ id })], (directory) =>
        writeFileSync(join(directory, 'f'), 'x'),
      )
      const [directory = ''] = directories
      expect(directory).toMatch(/\/state\/cache-mounts\/[0-9a-f]{64}\/0\/fs$/)
      expect((await step([cache({ id, target: '/other', readonly: true })])).given).toEqual([
        { kind: 'bind', source: directory, target: '/other', readOnly: true },
      ])
      expect(readFileSync(join(directory, 'f'), 'utf8')).toBe('x')
      expect((await step([cache({ id: '/b' })])).directories).not.toEqual([directory])
    })

    it('are one where a step mounts one twice, whatever it says of sharing', async () => {
      const { directories } = await step([
        cache({ sharing: 'locked' }),
        cache({ target: '/d', sharing: 'private' }),
        cache({ target: '/e' }),
      ])
      expect(new Set(directories).size).toBe(1)
    })

    it('belong to whom the Dockerfile says; another owner is another cache', async () => {
      const { directories } = await step([
        cache({ start: { mode: 0o1770, uid: 5, gid: 6 } }),
        cache({ target: '/d', start: { mode: 0o700, uid: 5, gid: 6 } }),
      ])
      const facts = directories.map((path) => {
        const { mode, uid, gid } = lstatSync(path)
        return [mode & 0o7777, uid, gid]
      })
      expect(facts).toEqual([
        [0o1770, 5, 6],
        [0o700, 5, 6],
      ])
    })

    it('belong to USER otherwise, by name or number; while they are empty to whoever comes', async () => {
      const passwd = 'root:x:0:0::/:\napp:x:1000:100::/:\n'
      base = await rig.layer({ 'etc/passwd': passwd, 'etc/group': 'staff:x:50:\n' })
      const owner = async (id: string, user: string, write?: (directory: string) => void) => {
        const { directories, log } = await step([cache({ id })], write, { user })
        const { uid, gid, mode } = lstatSync(directories[0] ?? '')
        return [`${uid}:${gid} ${(mode & 0o777).toString(8)}`, ...log]
      }
      expect(await owner('/a', 'app')).toEqual(['1000:100 755'])
      expect(await owner('/b', 'app:staff')).toEqual(['1000:50 755'])
      expect(await owner('/c', '7')).toEqual(['7:0 755'])
      expect(await owner('/d', '7:8')).toEqual(['7:8 755'])
      expect(await owner('/e', '')).toEqual(['0:0 755'])
      expect(await owner('/e', '1000')).toEqual(['1000:100 755'])
      const write = (directory: string): void => writeFileSync(join(directory, 'f'), '')
      expect(await owner('/e', '', write)).toEqual(['1000:100 755'])
      expect(await owner('/e', '7')).toEqual([
        '1000:100 755',
        'warning: the cache at /c belongs to 1000:100, USER 7:0 may not be able to write to it\n',
      ])
    })

    it('begin with files where the Dockerfile says so; other files begin another cache', async () => {
      const one = await rig.layer({ 'd/a': ['1', 0o640, 3, 4], 'd/l': '-> a', 'd/h': '= d/a', e: 'e' })
      const start = { input: 1, source: '/d' }
      const mount = cache({ start })
      const { directories } = await step([mount], (directory) => writeFileSync(join(directory, 'new'), ''), {
        inputs: [one],
      })
      const [directory = ''] = directories
      expect(readdirSync(directory)).toEqual(['a', 'h', 'l', 'new'])
      const { mode, uid, gid, nlink } = lstatSync(join(directory, 'a'))
      expect([mode & 0o777, uid, gid, nlink]).toEqual([0o640, 3, 4, 2])
      expect((await step([mount], undefined, { inputs: [one] })).directories).toEqual([directory])
      const other = await rig.layer({ 'd/a': '2' })
      const second = await step([mount], undefined, { inputs: [other] })
      expect(readdirSync(second.directories[0] ?? '')).toEqual(['a'])
      const file = await step([cache({ start: { input: 1, source: '/e' } })], undefined, { inputs: [one] })
      expect(file.directories[0]).toMatch(/\/fs\/e$/)
    })
  })
})
