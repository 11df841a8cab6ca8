// The same Dockerfiles give the same images as BuildKit: as the results kept of its newest version, as dockerd's own
// where that is installed, and as a running buildkitd's when SLIPWAY_TEST_BUILDKIT names one. With that and
// UPDATE_GOLDEN=1 its results are kept anew.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { groups, slugOf } from './peer-cases/groups.ts'
import { mergeLayers } from './support/archive.ts'
import { type Buildkit, connectBuildkit } from './support/buildkit.ts'
import { comparableEntries, exactConfig, exactLayers, olderConfig, olderLayer } from './support/comparable.ts'
import { type Comparison, comparison } from './support/comparison.ts'
import { type Docker, dockerdMissing, startDocker } from './support/docker.ts'
import type { PeerResult } from './support/peer.ts'
import { missing, repository } from './support/slipway.ts'

const tools = missing('busybox', 'setcap', 'setfattr', 'xz', 'bzip2')
const results = join(repository, 'fixtures/buildkit')
const concurrent = { concurrent: true }
const isUpdate = process.env.UPDATE_GOLDEN === '1'

const cases = Object.entries(groups).flatMap(([group, { cases, ...facts }]) =>
  Object.entries(cases).map(([name, peerCase]) => ({
    ...facts,
    title: `${group}: ${name}`,
    slug: slugOf(group, name),
    peerCase,
    pinnedTime: pinnedTimeOf(peerCase.args ?? []),
  })),
)
type Case = (typeof cases)[number]

/** Seconds since 1970 if the build is given SOURCE_DATE_EPOCH. */
function pinnedTimeOf(args: readonly string[]): number | undefined {
  const [, seconds] = args.flatMap((text) => (text.startsWith('SOURCE_DATE_EPOCH=') ? text.split('=') : []))
  return seconds === undefined ? undefined : Number(seconds)
}

describe.skipIf(tools !== undefined)(`the same as BuildKit (needs ${tools ?? 'nothing more'})`, () => {
  let all: Comparison
  beforeAll(() => {
    all = comparison()
  })
  afterAll(() => all?.[Symbol.dispose]())

  /** Everything about a build that the newest BuildKit must share. */
  const exact = async (result: PeerResult, { pinnedTime, peerCase }: Case) => {
    if (result.kind === 'refused') return { refused: true }
    const config = exactConfig(result.archive, pinnedTime !== undefined)
    const { differs, received } = peerCase
    const layers = exactLayers(result.archive, await all.bases(peerCase), {
      since: all.since,
      ...(differs === undefined ? {} : { apart: differs }),
      ...(received === undefined ? {} : { received }),
    })
    return { config, layers }
  }

  const older = dockerdMissing()
  describe.skipIf(older !== undefined)(`as dockerd's (needs ${older ?? 'nothing more'})`, concurrent, () => {
    let docker: Docker
    beforeAll(async () => {
      docker = await startDocker()
      await all.share('base', docker)
    })
    afterAll(async () => docker?.stop())

    it.for(cases.filter(({ isNewer }) => !isNewer))('$title', async (test, { expect }) => {
      const { slug, peerCase, hasTrees } = test
      const [mine, other] = await Promise.all([
        all.ours(slug, peerCase),
        all.theirs(docker, slug, peerCase, hasTrees === true),
      ])
      if (mine.kind === 'refused' || other.kind === 'refused') {
        expect(mine.kind, JSON.stringify([mine, other], undefined, 1)).toBe(other.kind)
        return
      }
      const { apart } = peerCase
      const options = { since: all.since, ...(apart === undefined ? {} : { apart }) }
      const layersOf = ({ archive: { layers } }: typeof mine) =>
        layers.map((layer, index) => olderLayer(layer, layers.slice(0, index), options))
      expect.soft(olderConfig(mine.archive)).toEqual(olderConfig(other.archive))
      expect.soft(layersOf(mine), 'layers').toEqual(layersOf(other))
      if (!hasTrees) return
      const treeOf = ({ tree }: typeof mine) => comparableEntries(tree, options)
      expect.soft(treeOf(mine), 'tree').toEqual(treeOf(other))
    })
  })

  // They are being made.
  if (!isUpdate)
    describe("as the results kept of the newest version's", concurrent, () => {
      it.for(cases.filter(({ isLocal, isOlder }) => !isLocal && !isOlder))(
        '$title',
        async (test, { expect }) => {
          const { buildkit: _, ...kept } =
            test.isRefused === true
              ? { buildkit: 'any', refused: true }
              : JSON.parse(readFileSync(join(results, `${test.slug}.json`), 'utf8'))
          const mine = await all.ours(test.slug, test.peerCase)
          expect(await exact(mine, test), mine.kind === 'refused' ? mine.message : '').toEqual(kept)
        },
      )
    })

  describe('as slipway itself: the layers make up the tree it exports', concurrent, () => {
    it.for(cases)('$title', async ({ slug, peerCase, pinnedTime = Number.POSITIVE_INFINITY }, { expect }) => {
      const mine = await all.ours(slug, peerCase)
      if (mine.kind === 'refused') return
      const options = { since: all.since, directoryTimes: true }
      // What the base brings keeps its times in its own layers.
      const merged = mergeLayers(mine.archive.layers).map((entry) => ({
        ...entry,
        mtime: Math.min(entry.mtime, pinnedTime),
      }))
      expect(comparableEntries(mine.tree, options)).toEqual(comparableEntries(merged, options))
    })
  })

  // Not a test that is skipped elsewhere: the results it would find are kept, and compared with above.
  if (process.env.SLIPWAY_TEST_BUILDKIT !== undefined)
    describe("as a buildkitd's", concurrent, () => {
      let buildkit: Buildkit
      beforeAll(async () => {
        buildkit = connectBuildkit()
        await all.share('base', buildkit)
      })

      it.for(cases.filter(({ isOlder }) => !isOlder))('$title', async (test, { expect }) => {
        const { slug, peerCase, isLocal, isRefused } = test
        const [mine, other] = await Promise.all([
          all.ours(slug, peerCase),
          all.theirs(buildkit, slug, peerCase, true),
        ])
        const theirs = await exact(other, test)
        expect(other.kind, 'message' in other ? other.message : '').toBe(isRefused ? 'refused' : 'built')
        if (isUpdate && !isLocal && !isRefused) {
          mkdirSync(results, { recursive: true })
          const text = JSON.stringify({ buildkit: buildkit.version, ...theirs }, undefined, 1)
          writeFileSync(join(results, `${slug}.json`), `${text}\n`)
        }
        const messages = [mine, other].flatMap((result) => (result.kind === 'refused' ? result.message : []))
        expect.soft(await exact(mine, test), messages.join('\n')).toEqual(theirs)
        if (mine.kind === 'refused' || other.kind === 'refused') return
        // With SOURCE_DATE_EPOCH BuildKit gives every file of a tree that time, slipway only those that are later.
        if (test.pinnedTime !== undefined) return
        // Without the times of directories: BuildKit makes files in /etc for a step and takes them away again.
        const { differs } = peerCase
        const options = { since: all.since, ...(differs === undefined ? {} : { apart: differs }) }
        const treeOf = ({ tree }: typeof mine) => comparableEntries(tree, options)
        expect.soft(treeOf(mine), 'tree').toEqual(treeOf(other))
      })
    })
})
