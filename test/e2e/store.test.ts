// The state directory damaged, read-only, of another format, used by a clock that jumps: said in one line, nothing trusted
// that is not whole, and put right by `slipway store verify --repair`.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`the store (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let store: string
  let context: string
  beforeAll(() => {
    ws = workspace()
    store = join(ws.root, 'store-v1')
    imageFromTar(ws, 'base', busyboxTar())
    context = ws.context('app', { Dockerfile: 'FROM base\nRUN echo one > /one\nRUN echo two > /two\n' })
  })
  beforeEach(() => {
    ws.ok('build', '-q', '-t', 'app', context)
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const files = (directory: string): string[] =>
    readdirSync(join(store, directory), { recursive: true, encoding: 'utf8' })
      .map((name) => join(store, directory, name))
      .filter((path) => statSync(path).isFile())
  const problems = (...args: readonly string[]) => {
    const { stdout, status, stderr } = ws.slipway('store', 'verify', '--json', ...args)
    expect(stderr).toBe('')
    const found = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    return { status, kinds: found.map(({ kind }) => kind), found }
  }
  const isSound = (): void => {
    expect(problems()).toMatchObject({ status: 0, kinds: [] })
    ws.ok('build', '-q', '-t', 'app', context)
    expect(ws.ok('run', '--rm', 'app', 'cat', '/one', '/two').stdout).toBe('one\ntwo\n')
    expect(problems()).toMatchObject({ status: 0, kinds: [] })
  }
  const remakeBase = (): void => {
    rmSync(join(ws.directory, 'base-base'), { recursive: true, force: true })
    imageFromTar(ws, 'base', busyboxTar(), ['--no-cache'])
  }

  describe('damaged', () => {
    it('blobs are moved away, with the images that need them', () => {
      for (const path of files('blobs')) {
        const size = statSync(path).size
        if (size < 10_000) continue
        execFileSync('sh', ['-c', `printf x | dd of=${path} bs=1 seek=5000 conv=notrunc status=none`])
      }
      const before = problems()
      expect(before.status).toBe(1)
      expect([...new Set(before.kinds)].sort()).toEqual(['blob', 'missing'])
      const repaired = problems('--repair')
      expect(repaired.status).toBe(0)
      expect(repaired.found.find(({ kind }) => kind === 'blob').repair).toMatch(/^moved to .*\/damaged\//)
      expect(repaired.found.map(({ repair }) => repair).join()).toContain(
        'removed the image docker.io/library/app:latest',
      )
      remakeBase()
      isSound()
      ws.ok('prune', '--force', '--filter', 'type=internal', '--all')
      expect(readdirSync(join(store, 'damaged'))).toEqual([])
    })

    it.each([
      ['empty', (path: string) => truncateSync(path, 0)],
      ['torn', (path: string) => truncateSync(path, statSync(path).size - 1)],
      ['zeros', (path: string) => writeFileSync(path, Buffer.alloc(statSync(path).size))],
      [
        'another record',
        (path: string) =>
          writeFileSync(
            path,
            readFileSync(
              files('records').find(
                (other) => other !== path && readFileSync(other, 'utf8').includes('"record"'),
              ) ?? '',
            ),
          ),
      ],
    ])('records are misses: %s', (_how, damage) => {
      const all = [...files('records'), ...files('builds')].filter(
        (path) => readFileSync(path, 'utf8').includes('"key"') || path.includes('builds'),
      )
      for (const path of all) damage(path)
      ws.ok('build', '-q', '-t', 'app', context)
      expect(ws.ok('run', '--rm', 'app', 'cat', '/one', '/two').stdout).toBe('one\ntwo\n')
      problems('--repair')
      isSound()
    })

    it('the index is made anew', () => {
      truncateSync(join(store, 'index.json'), 100)
      expect(ws.slipway('images').stderr).toContain('slipway store verify --repair')
      expect(problems().kinds).toEqual(['index'])
      const images = Number(/with (\d+) images/.exec(problems('--repair').found[0].repair)?.[1])
      expect(images).toBeGreaterThanOrEqual(2)
      expect(ws.ok('images', '-q').stdout.split('\n')).toHaveLength(images + 1)
      remakeBase()
      isSound()
    })

    it('names drive no terminal', () => {
      writeFileSync(join(store, 'blobs/sha256/a\u001b[2Jb\nc'), '')
      const { stdout, status } = ws.slipway('store', 'verify')
      expect([stdout.split('\n').length, status]).toEqual([3, 1])
      expect(stdout).toMatch(/\/a \[2Jb c: its name is not a sha256 digest\n/)
      problems('--repair')
      isSound()
    })

    it.each([
      ['gone', () => rmSync(join(store, 'index.json'))],
      [
        'a directory',
        () => {
          rmSync(join(store, 'index.json'))
          mkdirSync(join(store, 'index.json'))
        },
      ],
    ])('an index that is %s is not taken for an empty one', (_how, damage) => {
      damage()
      expect(ws.slipway('prune', '--force', '--all').stderr).toContain('slipway store verify --repair')
      expect(problems()).toMatchObject({ status: 1, kinds: ['index'] })
      expect(problems('--repair').found[0].repair).toMatch(/made anew with [1-9]/)
      remakeBase()
      isSound()
    })

    it('unpacked layers are compared with their archives, and made again', () => {
      const layers = (name: string): string[] =>
        readdirSync(join(store, 'snapshots'))
          .map((id) => join(store, 'snapshots', id, 'fs', name))
          .filter((path) => existsSync(path))
      ws.ok('run', '--rm', 'app', 'true')
      for (const path of layers('one')) writeFileSync(path, 'two\n')
      for (const path of layers('bin/cat')) rmSync(path)
      const before = problems()
      expect(before).toMatchObject({ status: 1 })
      expect(before.found.map(({ message }) => message).join()).toMatch(
        /"\/bin\/cat" is missing.*"\/one" has other content|"\/one" has other content.*"\/bin\/cat" is missing/,
      )
      expect(problems('--repair').status).toBe(0)
      isSound()
    })

    it('what does not belong there stops nobody', () => {
      for (const place of ['records', 'snapshots', 'layers']) writeFileSync(join(store, place, 'stray'), '')
      const record = files('records').find((path) => path.endsWith('.json')) ?? ''
      rmSync(record)
      mkdirSync(record)
      rmSync(join(store, 'blobs'), { recursive: true })
      ws.ok('du')
      expect(problems('--repair').status).toBe(0)
      remakeBase()
      isSound()
    })

    it('the marker is written anew', () => {
      writeFileSync(join(store, 'oci-layout'), '')
      expect(ws.slipway('images').stderr).toContain('its oci-layout file is damaged')
      expect(problems('--repair')).toMatchObject({ status: 0, kinds: ['layout'] })
      isSound()
    })

    it('layers that the machine went down with are removed', () => {
      const [id = ''] = readdirSync(join(store, 'snapshots'))
      rmSync(join(store, 'snapshots', id, 'unsynced'), { force: true })
      symlinkSync('another-boot', join(store, 'snapshots', id, 'unsynced'))
      mkdirSync(join(store, 'snapshots/abc'))
      expect(problems().kinds).toEqual(['snapshot', 'snapshot'])
      expect(problems('--repair').status).toBe(0)
      isSound()
    })
  })

  describe('of another version', () => {
    it('is refused whole where the marker says so', () => {
      const marker = join(store, 'oci-layout')
      const own = readFileSync(marker)
      writeFileSync(marker, '{"imageLayoutVersion":"1.0.0","slipwayFormat":99}')
      const before = execFileSync('find', [store, '-printf', '%p %T@ %s\n'], { encoding: 'utf8' })
      for (const args of [
        ['build', context],
        ['images'],
        ['prune', '-f', '-a'],
        ['store', 'verify', '--repair'],
      ]) {
        const { status, stderr } = ws.slipway(...args)
        expect([status, stderr]).toEqual([
          1,
          expect.stringMatching(/a newer slipway made it \(format 99, known are those up to 1\)/),
        ])
      }
      expect(execFileSync('find', [store, '-printf', '%p %T@ %s\n'], { encoding: 'utf8' })).toBe(before)
      writeFileSync(marker, own)
      isSound()
    })

    it('records and past builds are not known, and no damage', () => {
      for (const path of [...files('records'), ...files('builds')]) {
        writeFileSync(path, readFileSync(path, 'utf8').replaceAll('"version":1', '"version":2'))
      }
      expect(ws.ok('build', '--progress=plain', '-t', 'app', context).stderr).not.toContain('CACHED')
      isSound()
    })
  })

  describe('read-only', () => {
    let mounted: string
    const readOnly = (run: (ro: Workspace) => void): void => {
      mounted = join(ws.directory, 'read-only')
      mkdirSync(mounted, { recursive: true })
      execFileSync('mount', ['--bind', ws.root, mounted])
      try {
        execFileSync('mount', ['-o', 'remount,ro,bind', mounted])
        using ro = workspace({ SLIPWAY_ROOT: mounted })
        run(ro)
      } finally {
        execFileSync('umount', [mounted])
      }
    }

    it.skipIf(process.getuid?.() !== 0)('what only reads works, the rest says why not (needs root)', () => {
      readOnly((ro) => {
        expect(ro.ok('images').stdout).toMatch(/^app /m)
        expect(ro.ok('inspect', 'app').stdout).toContain('"Id"')
        expect(ro.ok('history', 'app').stdout).toContain('RUN')
        expect(ro.ok('du').stdout).toMatch(/^Total: /m)
        expect(ro.ok('cache', 'ls').stdout).toMatch(/^ID/)
        expect(ro.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
        for (const args of [
          ['build', context],
          ['prune', '--force'],
          ['tag', 'app', 'other'],
          ['rmi', 'app'],
        ]) {
          const { status, stderr } = ro.slipway(...args)
          expect([status, stderr]).toEqual([1, expect.stringMatching(/the file system is read-only/)])
          expect(stderr).not.toMatch(/^ {4}at /m)
        }
      })
    })
  })

  it('survives clocks that jump', () => {
    const year = 365 * 24 * 3600
    const now = Date.now() / 1000
    for (const [index, path] of [...files('records'), ...files('stat-cache'), ...files('blobs')].entries()) {
      utimesSync(path, now, index % 2 === 0 ? now + year : 0)
    }
    const rows = ws
      .ok('du', '--json')
      .stdout.split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
    expect(rows.every(({ LastUsedAt }) => Date.parse(LastUsedAt) <= Date.now())).toBe(true)
    ws.ok('prune', '--force', '--filter', 'until=24h', '--all')
    isSound()
    // What was used in the future is used now: it does not stay for ever.
    for (const path of files('records')) utimesSync(path, now, now + year)
    ws.ok('prune', '--force', '--all')
    expect(files('records')).toEqual([])
    isSound()
  })

  it('does not believe files from the future to be settled', () => {
    const future = ws.context('future', { Dockerfile: 'FROM base\nCOPY data /data\n', data: 'old' })
    const build = (): string => {
      ws.ok('build', '-q', '-t', 'future', future)
      return ws.ok('run', '--rm', 'future', 'cat', '/data').stdout
    }
    const when = new Date(Date.now() + 86_400_000)
    const write = (text: string): void => {
      writeFileSync(join(future, 'data'), text)
      utimesSync(join(future, 'data'), when, when)
    }
    write('one')
    expect(build()).toBe('one')
    write('two')
    expect(build()).toBe('two')
    write('six')
    expect(build()).toBe('six')
  })
})
