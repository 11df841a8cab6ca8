// Caches across builders: what slipway wrote is used by BuildKit (dockerd's, and the newest where somebody has started
// it), and the other way round. A RUN that draws lots tells the same layers from layers made again.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type DebianRegistry, hasDebianRegistry, startDebianRegistry } from '../support/debian-registry.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { type Docker, dockerdMissing, startDocker } from './support/docker.ts'
import { missing, tool, type Workspace, workspace } from './support/slipway.ts'

const shared = missing('busybox') ?? (hasDebianRegistry ? undefined : 'docker-registry')
const buildkit = process.env.SLIPWAY_TEST_BUILDKIT

describe.skipIf(shared !== undefined)(`caches across builders (needs ${shared ?? 'nothing more'})`, () => {
  let registry: DebianRegistry
  let base: string
  let context: string
  let home: Workspace
  const machines: Workspace[] = []
  beforeAll(async () => {
    registry = await startDebianRegistry()
    base = `${registry.host}/base:1`
    home = workspace()
    imageFromTar(home, base, busyboxTar(), ['--push'])
    context = home.context('app', {
      Dockerfile: `FROM ${base} AS build
WORKDIR /work
COPY src src
RUN cat src/a.txt > out
FROM ${base}
ENV X=<1> Y="a & b"
RUN head -c 16 /dev/urandom | md5sum > /made
COPY *.txt /t/
COPY src/sub /s/
COPY --from=build /work/out /out
COPY --chown=app:1000 one.txt /owned
USER app
WORKDIR /home/app/x
RUN id > who
`,
      '.dockerignore': 'Dockerfile\n',
      'src/a.txt': 'a\n',
      'src/sub/b.txt': 'b\n',
      'one.txt': '1\n',
      'two.txt': '2\n',
    })
  })
  afterAll(async () => {
    home?.[Symbol.dispose]()
    await registry?.[Symbol.asyncDispose]()
  })
  afterEach(() => {
    for (const machine of machines.splice(0)) machine[Symbol.dispose]()
  })
  const machine = (): Workspace => {
    const ws = workspace()
    machines.push(ws)
    return ws
  }
  const layersOf = (ws: Workspace, name: string): readonly string[] =>
    JSON.parse(ws.ok('inspect', name).stdout)[0].RootFS.Layers

  const dockerd = dockerdMissing()
  describe.skipIf(dockerd !== undefined)(`dockerd's BuildKit (needs ${dockerd ?? 'nothing more'})`, () => {
    let docker: Docker
    beforeAll(async () => {
      docker = await startDocker()
    })
    afterAll(() => docker?.stop())
    // Its steps need a network that it can set up here; slipway's are to be the same steps.
    const network = '--network=host'
    const dockerLayers = (name: string): readonly string[] =>
      JSON.parse(docker.run('inspect', name))[0].RootFS.Layers

    it('uses an inline cache of slipway', () => {
      const ref = `${registry.host}/inline:slipway`
      const ws = machine()
      ws.ok('build', '-q', network, '-t', ref, '--push', '--cache-to', 'type=inline', context)
      docker.run('build', '-q', network, '-t', 'again', '--cache-from', ref, context)
      expect(dockerLayers('again')).toEqual(layersOf(ws, ref))
    })

    it('writes an inline cache that slipway uses', () => {
      const ref = `${registry.host}/inline:docker`
      docker.run('builder', 'prune', '-af')
      docker.run('build', '-q', network, '-t', ref, '--build-arg', 'BUILDKIT_INLINE_CACHE=1', context)
      docker.run('push', '-q', ref)
      const ws = machine()
      ws.ok('build', '-q', network, '-t', 'again', '--cache-from', ref, context)
      expect(layersOf(ws, 'again')).toEqual(dockerLayers(ref))
    })
  })

  // Its keys and cache documents are held to in test/buildkit without it.
  if (buildkit !== undefined) {
    describe('the newest BuildKit', () => {
      const buildctl = (...args: readonly string[]): string =>
        tool(process.env.SLIPWAY_TEST_BUILDCTL ?? 'buildctl', [`--addr=${buildkit}`, ...args])
      const build = (ws: Workspace, ...args: readonly string[]): readonly string[] => {
        buildctl('prune', '--all')
        const out = join(ws.directory, `out-${readdirSync(ws.directory).length}`)
        const files = [`--local=context=${context}`, `--local=dockerfile=${context}`]
        const output = `--output=type=oci,tar=false,dest=${out}`
        buildctl('build', '--progress=quiet', '--frontend=dockerfile.v0', ...files, output, ...args)
        const read = (digest: string) =>
          JSON.parse(readFileSync(join(out, 'blobs/sha256', digest.slice(7)), 'utf8'))
        const index = JSON.parse(readFileSync(join(out, 'index.json'), 'utf8'))
        return read(read(index.manifests[0].digest).config.digest).rootfs.diff_ids
      }

      it.each([
        ['registry', ''],
        ['registry', ',image-manifest=false'],
        ['local', ''],
      ])('uses a cache of slipway (%s%s)', (type, form) => {
        const ws = machine()
        const directory = join(ws.directory, 'cache')
        const ref = `${registry.host}/max:slipway${form.length}`
        const to = type === 'local' ? `dest=${directory}` : `ref=${ref}`
        ws.ok(
          'build',
          '-q',
          '-t',
          'app',
          '--cache-to',
          `type=${type},${to},mode=max,required=true${form}`,
          context,
        )
        const from = type === 'local' ? `src=${directory}` : `ref=${ref}`
        expect(build(ws, `--import-cache=type=${type},${from}`)).toEqual(layersOf(ws, 'app'))
      })

      it.each(['registry', 'local'])('writes a cache that slipway uses (%s)', (type) => {
        const ws = machine()
        const directory = join(ws.directory, 'cache')
        const ref = `${registry.host}/max:buildkit`
        const to = type === 'local' ? `dest=${directory}` : `ref=${ref}`
        const layers = build(ws, `--export-cache=type=${type},${to},mode=max`)
        const from = type === 'local' ? `type=local,src=${directory}` : ref
        ws.ok('build', '-q', '-t', 'again', '--cache-from', from, context)
        expect(layersOf(ws, 'again')).toEqual(layers)
      })

      it('writes an inline cache that slipway uses, and slipway one that it uses', () => {
        const ws = machine()
        const ref = `${registry.host}/inline:slipway-new`
        ws.ok('build', '-q', '-t', ref, '--push', '--cache-to', 'type=inline', context)
        const layers = build(ws, `--import-cache=type=registry,ref=${ref}`)
        expect(layers).toEqual(layersOf(ws, ref))
        const theirs = `${registry.host}/inline:buildkit`
        buildctl('prune', '--all')
        const files = [`--local=context=${context}`, `--local=dockerfile=${context}`]
        buildctl(
          'build',
          '--progress=quiet',
          '--frontend=dockerfile.v0',
          ...files,
          '--export-cache=type=inline',
          `--output=type=image,name=${theirs},push=true`,
        )
        ws.ok('pull', theirs)
        const other = machine()
        other.ok('build', '-q', '-t', 'again', '--cache-from', theirs, context)
        expect(layersOf(other, 'again')).toEqual(layersOf(ws, theirs))
      })
    })
  }
})
