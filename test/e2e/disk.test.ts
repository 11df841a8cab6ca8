// What the state directory holds, told by lines of Dockerfiles, and taking it away.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { ordinaryUser, whyNoUser } from './support/ordinary-user.ts'
import { missing, until, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

interface Row {
  readonly ID: string
  readonly Type: string
  readonly Size: number
  readonly Inodes: number
  readonly Shared: boolean
  readonly InUse: boolean
  readonly Description: string
  readonly Step?: { readonly file: string; readonly line: number }
}

describe.skipIf(lacking !== undefined)(`disk (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let context: string
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
    context = ws.context('app', {
      Dockerfile: `FROM base AS tools
RUN head -c 3000000 /dev/urandom > /tools
FROM base
# what is copied
COPY data /data
RUN --mount=type=cache,target=/cache head -c 2000000 /dev/urandom > /cache/kept
RUN --mount=from=tools,target=/from head -c 1000000 /from/tools > /made
`,
      data: 'data\n',
    })
    ws.ok('build', '-q', '-t', 'app', context)
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const rows = (...args: readonly string[]): readonly Row[] =>
    ws
      .ok('du', '--json', ...args)
      .stdout.split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Row)

  describe('du', () => {
    it('names the lines, and what each takes', () => {
      const steps = ws
        .ok('du', '--by-step', '--json')
        .stdout.split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
        .filter(({ step }) => step.build.startsWith(context))
      const byLine = Object.fromEntries(
        steps.map(({ step, bytes }) => [`${step.file.split('/').at(-1)}:${step.line}`, bytes]),
      )
      expect(Object.keys(byLine).sort()).toEqual([
        'Dockerfile:2',
        'Dockerfile:5',
        'Dockerfile:6',
        'Dockerfile:7',
      ])
      expect(byLine['Dockerfile:2']).toBeGreaterThan(3_000_000)
      // The directory, and the tar that the image has of it.
      expect(byLine['Dockerfile:7']).toBeGreaterThan(2_000_000)
      expect(byLine['Dockerfile:7']).toBeLessThan(2_100_000)
      const table = ws.ok('du', '--by-step').stdout
      expect(table).toMatch(/Dockerfile:2 +RUN head -c 3000000/)
    })

    it('counts everything once', () => {
      const total = rows().reduce((bytes, { Size }) => bytes + Size, 0)
      const found = Number(
        execFileSync('du', ['-s', '-B1', join(ws.root, 'store-v1')], { encoding: 'utf8' }).split('\t')[0],
      )
      // Beside it there are the directories that hold it all.
      expect(total).toBeLessThan(found)
      expect(total).toBeGreaterThan(found - 400_000)
      expect(ws.ok('du').stdout).toMatch(/^Total: +[\d.]+MB in \d+ files and directories$/m)
    })

    it('tells images, caches and filters apart', () => {
      expect(rows('--filter', 'type=exec.cachemount')).toMatchObject([{ Description: 'cache /cache' }])
      expect(
        rows('--filter', 'type=image')
          .map(({ Description }) => Description)
          .sort(),
      ).toEqual(['docker.io/library/app:latest', 'docker.io/library/base:latest'])
      const images = ws.ok('du', '--by-image').stdout
      expect(images).toMatch(/^docker\.io\/library\/app:latest +[\d.]+MB +1\.\d+MB /m)
      expect(ws.ok('du', '--verbose', '--filter', 'description~=from=tools').stdout).toMatch(
        /^Description: +Dockerfile:7 RUN --mount=from=tools/m,
      )
      expect(ws.slipway('du', '--filter', 'colour=red').status).toBe(125)
    })
  })

  describe('prune', () => {
    const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '')
    const cached = (dockerfile: string): string =>
      ws.ok('build', '--progress=plain', '-t', 'app', dockerfile).stderr

    it('asks first', () => {
      expect(ws.slipway('prune').stdout).toMatch(
        /^WARNING! This will remove all dangling build cache.*Total:\t0B\n$/s,
      )
      expect(rows().length).toBeGreaterThan(5)
    })

    it('leaves what an image with a name needs, and what its next build needs', () => {
      ws.ok(
        'build',
        '-q',
        ws.context('nameless', { Dockerfile: 'FROM base\nRUN echo nameless > /nameless\n' }),
      )
      const removed = ws.ok('prune', '--force', '--json')
      const titles = lines(removed.stdout).map((line) => (JSON.parse(line) as Row).Description)
      expect(titles).toContain('RUN head -c 3000000 /dev/urandom > /tools')
      expect(titles).toContain('RUN echo nameless > /nameless')
      expect(titles).toContain('image without a name')
      expect(titles).toContain('cache /cache')
      expect(rows('--filter', 'type=image')).toHaveLength(2)
      expect(ws.ok('run', '--rm', 'app', 'wc', '-c', '/made').stdout).toBe('1000000 /made\n')
      expect(cached(context).match(/CACHED/g)).toHaveLength(5)
      expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    })

    it('keeps within bounds, the longest unused first', () => {
      for (const name of ['one', 'two', 'three']) {
        ws.ok(
          'build',
          '-q',
          ws.context(name, { Dockerfile: `FROM base\nRUN head -c 4000000 /dev/urandom > /${name}\n` }),
        )
      }
      const title = ({ Description }: Row): string => Description
      const left = (): string[] =>
        rows('--filter', 'description~=4000000')
          .map(title)
          .map((text) => text.split('/').at(-1) ?? '')
      expect(left().sort()).toEqual(['one', 'three', 'two'])
      ws.ok('prune', '--force', '--filter', 'until=24h')
      expect(left()).toHaveLength(3)
      // Each has a directory and an archive.
      ws.ok('prune', '--force', '--max-used-space', '20mb')
      expect(left().sort()).toEqual(['three', 'two'])
      ws.ok('prune', '--force', '--min-free-space', '1', '--max-used-space', '1', '--reserved-space', '10mb')
      expect(left()).toEqual(['three'])
      ws.ok('prune', '--force', '--filter', 'type=regular')
      expect(left()).toEqual([])
    })

    it('takes everything but images with --all, and what those need is there', () => {
      const named = (): string => ws.ok('images', '--format', 'json').stdout.replace(/^\{"id".*\n/gm, '')
      const before = named()
      ws.ok('prune', '--force', '--all')
      expect(rows().every(({ Type }) => Type === 'image' || Type === 'regular')).toBe(true)
      expect(named()).toBe(before)
      expect(readdirSync(join(ws.root, 'store-v1/snapshots'))).toEqual([])
      expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
      expect(ws.ok('run', '--rm', 'app', 'wc', '-c', '/made').stdout).toBe('1000000 /made\n')
      expect(cached(context)).not.toMatch(/CACHED/)
    })

    it('leaves what runs now alone', async () => {
      const build = ws.start(
        'build',
        '--progress=plain',
        '-t',
        'slow',
        ws.context('slow', {
          Dockerfile: `FROM base
RUN echo first > /first
RUN --mount=type=cache,target=/cache touch /cache/here; echo running; sleep 3; cat /first; ls /cache
`,
        }),
      )
      await until('the step to run', () => build.stderr().includes('running'))
      for (let i = 0; i < 3; i++) ws.ok('prune', '--force', '--all')
      expect(rows('--filter', 'inuse').map(({ Description }) => Description)).toContain(
        'RUN echo first > /first',
      )
      const { status, stderr } = await build.ended
      expect(stderr).toMatch(/ first\n.* here\n/)
      expect(status).toBe(0)
      expect(ws.ok('run', '--rm', 'slow', 'cat', '/first').stdout).toBe('first\n')
    })
  })

  describe('the collection after a build', () => {
    const make = (name: string, env: Readonly<Record<string, string>>) => {
      using small = workspaceOn(ws, env)
      return small.ok(
        'build',
        '--progress=plain',
        ws.context(name, { Dockerfile: `FROM base\nRUN head -c 4000000 /dev/urandom > /${name}\n` }),
      ).stderr
    }
    const left = (): string[] =>
      rows('--filter', 'description~=4000000').map(({ Description }) => Description.split('/').at(-1) ?? '')

    it('keeps within the bounds, and is not begun by builds that make nothing', () => {
      ws.ok('prune', '--force', '--all')
      const bounds = {
        SLIPWAY_GC_MAX_USED_SPACE: '25mb',
        SLIPWAY_GC_RESERVED_SPACE: '0',
        SLIPWAY_GC_MIN_FREE_SPACE: '0',
      }
      for (const name of ['a', 'b', 'c', 'd']) {
        // What else is written to this disk meanwhile counts as growth: without the note there is no question.
        rmSync(join(ws.root, 'store-v1/usage.json'))
        expect(make(name, bounds).includes('removing unused cache')).toBe(name === 'd')
      }
      expect(left().sort()).toEqual(['b', 'c', 'd'])
      rmSync(join(ws.root, 'store-v1/usage.json'))
      expect(make('d', bounds)).not.toContain('removing')
      const before = left().length
      expect(make('e', { ...bounds, SLIPWAY_GC: 'off' })).not.toContain('removing')
      expect(left()).toHaveLength(before + 1)
      expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    })

    it('refuses bounds that are none before anything is built', () => {
      using wrong = workspaceOn(ws, { SLIPWAY_GC_MAX_USED_SPACE: 'plenty' })
      expect(wrong.slipway('build', ws.context('never', { Dockerfile: 'FROM base\n' })).stderr).toMatch(
        /SLIPWAY_GC_MAX_USED_SPACE: "plenty" is no amount/,
      )
    })
  })
})

const noUser = whyNoUser() ?? missing('busybox')

describe.skipIf(noUser !== undefined).each([{ ranges: true }, { ranges: false }])(
  `the disk of an ordinary user, %j (needs ${noUser ?? 'nothing more'})`,
  (options) => {
    it('is told and made free, whoever owns the files of steps', () => {
      using user = ordinaryUser(options)
      const files = { Dockerfile: 'FROM scratch\nADD base.tar /\n', 'base.tar': readFileSync(busyboxTar()) }
      user.ok('build', '-q', '-t', 'base', user.context('base', files))
      const dockerfile =
        'FROM base\nRUN mkdir -m 700 /own && head -c 3000000 /dev/urandom > /own/x && chown -R 7:8 /own\n'
      const context = user.context('app', { Dockerfile: dockerfile })
      user.ok('build', '-q', '-t', 'app', context)
      const bytes = (): number => {
        const rows = user
          .ok('du', '--by-step', '--json')
          .stdout.split('\n')
          .filter((line) => line.includes('/own'))
        return rows.reduce((sum, line) => sum + JSON.parse(line).bytes, 0)
      }
      expect(bytes()).toBeGreaterThan(6_000_000)
      user.ok('prune', '--force')
      expect(bytes()).toBeGreaterThan(6_000_000)
      user.ok('rmi', 'app')
      expect(user.ok('prune', '--force').stdout).toMatch(/^Total:\t6\.\d+MB$/m)
      expect(bytes()).toBe(0)
      user.ok('build', '-q', '-t', 'app', context)
      expect(user.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    })
  },
)

/** Another workspace with the same state directory and more environment. */
function workspaceOn(ws: Workspace, env: Readonly<Record<string, string>>): Workspace {
  return workspace({ ...env, SLIPWAY_ROOT: ws.root })
}
