// What the state directory holds, told by lines of Dockerfiles, and taking it away.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

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
})
