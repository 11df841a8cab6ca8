// What of a base image comes over the network, counted at a real registry: nothing but its documents, until a step or an
// output reads its bytes; then each layer once. A push to where it came from mounts it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { type CountingProxy, startCountingProxy } from './support/counting-proxy.ts'
import { type RealRegistry, startRegistry } from './support/registry.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox', 'docker-registry')

describe.skipIf(lacking !== undefined)(`lazy pulls (needs ${lacking ?? 'nothing more'})`, () => {
  let registry: RealRegistry
  let proxy: CountingProxy
  let layers: string[] = []
  let ws: Workspace
  beforeAll(async () => {
    registry = await startRegistry()
    proxy = await startCountingProxy(registry.host)
    using maker = workspace()
    imageFromTar(maker, 'first', busyboxTar())
    const base = maker.context('base', {
      Dockerfile: 'FROM first\nRUN echo two > /two\nRUN echo three > /three\n',
    })
    const { ended } = maker.start('build', '-q', '-t', `${proxy.host}/team/base:1`, '--push', base)
    expect(await ended).toMatchObject({ status: 0 })
    layers = await layersOf('team/base', '1')
    expect(layers).toHaveLength(3)
  })
  afterAll(async () => {
    await proxy?.stop()
    registry?.stop()
  })
  beforeEach(() => {
    ws = workspace()
  })
  afterEach(() => ws[Symbol.dispose]())

  const layersOf = async (repository: string, tag: string): Promise<string[]> => {
    const answer = await fetch(`http://${registry.host}/v2/${repository}/manifests/${tag}`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    })
    const { layers: found } = (await answer.json()) as { layers: { digest: string }[] }
    return found.map(({ digest }) => digest)
  }
  /** What was asked of the base's layers since the last question, each with how often. */
  const asked = (): Record<string, number> => {
    const counts: Record<string, number> = {}
    for (const line of proxy.asked.splice(0)) {
      const layer = layers.findIndex(
        (digest) => line.includes(digest) || line.includes(encodeURIComponent(digest)),
      )
      if (layer === -1) continue
      const what = line.startsWith('GET') ? 'get' : line.includes('mount=') ? 'mount' : undefined
      if (what !== undefined) counts[`${what} ${layer}`] = (counts[`${what} ${layer}`] ?? 0) + 1
    }
    return counts
  }
  const each = (what: string) => ({ [`${what} 0`]: 1, [`${what} 1`]: 1, [`${what} 2`]: 1 })
  const build = async (lines: readonly string[], ...flags: string[]): Promise<string> => {
    const context = ws.context('app', {
      Dockerfile: `FROM ${proxy.host}/team/base:1\n${lines.join('\n')}\n`,
      f: 'f',
    })
    const { status, stderr } = await ws.start('build', '--progress=plain', ...flags, context).ended
    expect([status, stderr]).toEqual([0, expect.anything()])
    return stderr
  }
  const push = (name: string) => ['-t', `${proxy.host}/team/${name}:1`, '--push']

  it('neither settings nor linked files need the layers: a push mounts them', async () => {
    proxy.asked.splice(0)
    await build(['COPY --link f /f', 'ENV A=b'], ...push('linked'))
    expect(asked()).toEqual(each('mount'))
    expect((await layersOf('team/linked', '1')).slice(0, 3)).toEqual(layers)
    // The second time everything is there.
    await build(['COPY --link f /f', 'ENV A=c'], ...push('linked'))
    expect(asked()).toEqual({})
    expect(existsSync(join(ws.root, 'store-v1/blobs/sha256', layers[0]?.slice(7) ?? ''))).toBe(false)
    expect((await ws.start('store', 'verify').ended).stdout).toMatch(/ 0 problems\n$/)
    // What is not all here is no image of the local store.
    expect((await ws.start('images', '-q').ended).stdout.trim()).toBe('')
  })

  it('a step fetches each layer once, and what is cached none', async () => {
    proxy.asked.splice(0)
    await build(['RUN test -e /two', 'COPY f /f'], ...push('ran'))
    expect(asked()).toEqual({ ...each('get'), ...each('mount') })
    await build(['RUN test -e /two', 'COPY f /f', 'ENV A=b'], ...push('ran'))
    expect(asked()).toEqual({})
  })

  it('several steps at a time fetch each layer once', async () => {
    proxy.asked.splice(0)
    const stages = ['a', 'b', 'c'].flatMap((name) => [
      `FROM ${proxy.host}/team/base:1 AS ${name}`,
      `RUN echo ${name} > /${name}`,
    ])
    await build(
      [
        'RUN echo x > /x',
        ...stages,
        'FROM scratch',
        ...['a', 'b', 'c'].map((name) => `COPY --from=${name} /${name} /`),
      ],
      '-o',
      'type=cacheonly',
    )
    expect(asked()).toEqual(each('get'))
  })

  it('an output that is stored or written here fetches them, and so does store=true', async () => {
    const anew = (): void => {
      ws[Symbol.dispose]()
      ws = workspace()
      proxy.asked.splice(0)
    }
    for (const output of ['type=image', 'type=oci,dest=x.tar']) {
      anew()
      await build(['ENV A=b'], '-t', 'app', '-o', output)
      expect(asked()).toEqual(each('get'))
    }
    anew()
    await build(['ENV A=b'], '-o', `type=registry,name=${proxy.host}/team/kept:1,store=true`)
    expect(asked()).toEqual({ ...each('get'), ...each('mount') })
    expect((await ws.start('images', '-q').ended).stdout.trim()).not.toBe('')
  })

  it('nothing is fetched of a base whose build has no output', async () => {
    proxy.asked.splice(0)
    await build(['ENV A=b'], '-o', 'type=cacheonly')
    expect(asked()).toEqual({})
  })

  it('a push to another registry passes each layer on, once', async () => {
    const other = await startRegistry()
    try {
      proxy.asked.splice(0)
      await build(['COPY --link f /f'], '-t', `${other.host}/app:1`, '--push')
      expect(asked()).toEqual(each('get'))
      using reader = workspace()
      expect(await reader.start('pull', `${other.host}/app:1`).ended).toMatchObject({ status: 0 })
      const run = await reader.start('run', '--rm', `${other.host}/app:1`, 'cat', '/f', '/two').ended
      expect(run).toMatchObject({ status: 0, stdout: 'ftwo\n' })
    } finally {
      other.stop()
    }
  })
})
