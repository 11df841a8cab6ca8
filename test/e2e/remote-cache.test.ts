// Remote caches between machines that share nothing else: registry, inline, directory; caches that are gone or lie.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startActions } from '../support/actions-server.ts'
import { type DebianRegistry, hasDebianRegistry, startDebianRegistry } from '../support/debian-registry.ts'
import { s3Keys, startS3 } from '../support/s3-server.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { type Finished, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox') ?? (hasDebianRegistry ? undefined : 'docker-registry')

/** The steps that ran, by their titles. */
function ran({ stderr }: Finished): string[] {
  const titles = new Map<string, string>()
  const ended = new Set<string>()
  for (const line of stderr.split('\n').filter((text) => text.startsWith('{'))) {
    const event = JSON.parse(line)
    if (event.type === 'graph') for (const { step, title } of event.steps) titles.set(step, title)
    if (event.type === 'op-finished') ended.add(event.step)
  }
  return [...ended]
    .map((step) => titles.get(step) ?? '')
    .filter((title) => /^(?:RUN|COPY|WORKDIR)/.test(title))
}

describe.skipIf(lacking !== undefined)(`remote caches (needs ${lacking ?? 'nothing more'})`, () => {
  let registry: DebianRegistry
  let base: string
  const machines: Workspace[] = []
  beforeAll(async () => {
    registry = await startDebianRegistry()
    base = `${registry.host}/base:1`
    using ws = workspace()
    imageFromTar(ws, base, busyboxTar(), ['--push'])
  })
  afterAll(() => registry?.[Symbol.asyncDispose]())
  afterEach(() => {
    for (const machine of machines.splice(0)) machine[Symbol.dispose]()
  })

  let app: string
  let source: Workspace
  const machine = (): Workspace => {
    const ws = workspace()
    machines.push(ws)
    return ws
  }
  const dockerfile = (extra = ''): string => `FROM ${base} AS build
WORKDIR /work
COPY src src
RUN cat src/a.txt > out && head -c 16 /dev/urandom | md5sum > id
FROM ${base}
RUN head -c 16 /dev/urandom | md5sum > /made${extra}
COPY one.txt /t/
COPY --from=build /work/out /work/id /from/
RUN --mount=type=cache,target=/c --mount=from=build,source=/work,target=/w cat /w/out > /y
COPY <<EOT /heredoc
text
EOT
COPY --link one.txt /linked/
`
  beforeEach(() => {
    source = machine()
    app = source.context('app', {
      Dockerfile: dockerfile(),
      '.dockerignore': 'Dockerfile\n',
      'src/a.txt': 'a\n',
      'one.txt': '1\n',
    })
  })
  const build = (ws: Workspace, ...args: readonly string[]): Finished =>
    ws.ok('build', '--progress=rawjson', '-t', 'app', ...args, app)
  const imageOf = (ws: Workspace): unknown => JSON.parse(ws.ok('inspect', 'app').stdout)[0].RootFS
  const warnings = ({ stderr }: Finished): string[] =>
    stderr
      .split('\n')
      .filter((line) => line.includes('"type":"log"') && line.includes('warning: '))
      .map((line) => JSON.parse(line).text)

  it.each([
    ['a registry', 'type=registry,required=true', ''],
    ['a registry, as an index', 'type=registry,required=true,image-manifest=false', ''],
    ['a registry, in zstd', 'type=registry,required=true,compression=zstd', ''],
    ['a directory', 'type=local,required=true', 'type=local'],
  ])('%s: another machine runs nothing and has the same image', (_name, to, from) => {
    const isLocal = from !== ''
    const directory = join(source.directory, 'cache')
    const ref = `${registry.host}/cache:${createHash('sha256').update(to).digest('hex').slice(0, 8)}`
    const place = isLocal ? `dest=${directory}` : `ref=${ref}`
    expect(ran(build(source, '--cache-to', `${to},${place},mode=max`)).length).toBe(9)
    const other = machine()
    const again = build(other, '--cache-from', isLocal ? `${from},src=${directory}` : ref)
    expect(ran(again)).toEqual([])
    expect(imageOf(other)).toEqual(imageOf(source))
    expect(other.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    // What was fetched is this machine's own now.
    rmSync(directory, { recursive: true, force: true })
    expect(ran(build(other))).toEqual([])
  })

  it('inline: the steps of the image are found by its name', () => {
    const ref = `${registry.host}/inline:1`
    source.ok('build', '-q', '-t', ref, '--push', '--cache-to', 'type=inline', app)
    const other = machine()
    // Nothing of the other stage is in the image, but nothing in the image needs it to be made.
    expect(ran(build(other, '--cache-from', ref))).toEqual([])
    other.ok('pull', ref)
    expect(imageOf(other)).toEqual(JSON.parse(other.ok('inspect', ref).stdout)[0].RootFS)
  })

  it('mode=min has what is in the image, mode=max also what that was made of', () => {
    for (const mode of ['min', 'max']) {
      const ref = `${registry.host}/modes:${mode}`
      build(source, '--cache-to', `type=registry,ref=${ref},mode=${mode},required=true`)
      const other = machine()
      const changed = other.context('app', {
        Dockerfile: dockerfile(' && true'),
        '.dockerignore': 'Dockerfile\n',
        'src/a.txt': 'a\n',
        'one.txt': '1\n',
      })
      const again = other.ok('build', '--progress=rawjson', '--cache-from', ref, changed)
      expect(ran(again).some((title) => title.startsWith('RUN cat src/a.txt'))).toBe(mode === 'min')
      expect(ran(again).some((title) => title.startsWith('COPY --from=build'))).toBe(true)
    }
  })

  it('what is copied of a stage that was made anew is the same, and all above it is known', () => {
    const ref = `${registry.host}/cut:1`
    const files = { '.dockerignore': 'Dockerfile\n', 'src/a.txt': 'a\n', 'one.txt': '1\n' }
    const stable = dockerfile().replace('head -c 16 /dev/urandom | md5sum > id', 'echo same > id')
    const context = source.context('stable', { ...files, Dockerfile: stable })
    const to = `type=registry,ref=${ref},mode=max,required=true`
    source.ok('build', '-q', '--cache-to', to, context)
    // A cache that is written from what is known must not know less.
    source.ok('build', '-q', '--cache-to', to, context)
    const relay = machine()
    relay.ok('build', '-q', '--cache-from', ref, '--cache-to', to, context)
    const other = machine()
    const changed = other.context('app', { ...files, Dockerfile: stable.replace('RUN cat', 'RUN : ; cat') })
    const again = other.ok('build', '--progress=rawjson', '--cache-from', ref, changed)
    expect(ran(again)).toEqual([expect.stringMatching(/^RUN : ; cat/)])
  })

  it('only what changed runs, and forced steps do', () => {
    const ref = `${registry.host}/some:1`
    build(source, '--cache-to', `type=registry,ref=${ref},mode=max,required=true`)
    const other = machine()
    const context = other.context('app', {
      Dockerfile: dockerfile(),
      '.dockerignore': 'Dockerfile\n',
      'src/a.txt': 'a\n',
      'one.txt': 'changed\n',
    })
    const again = other.ok('build', '--progress=rawjson', '--cache-from', ref, context)
    expect(
      ran(again)
        .sort()
        .map((title) => title.slice(0, 12)),
    ).toEqual(['COPY --from=', 'COPY --link ', 'COPY <<EOT /', 'COPY one.txt', 'RUN --mount='].sort())
    const forced = machine()
    expect(ran(build(forced, '--no-cache', '--cache-from', ref)).length).toBe(9)
  })

  it('a cache that is not there, or not to be reached, is a warning; a required one that cannot be written an error', () => {
    const gone = `${registry.host}/gone:1`
    const dead = '127.0.0.1:1/cache:1'
    const found = build(source, '--cache-from', gone, '--cache-from', dead, '--cache-to', dead)
    expect(warnings(found).join('')).toMatch(/there is no cache/)
    expect(warnings(found).join('')).toMatch(/the cache was not written: .*127\.0\.0\.1:1/)
    const refused = source.slipway('build', '--cache-to', `type=registry,ref=${dead},required=true`, app)
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/export cache to 127\.0\.0\.1:1\/cache:1: /)
  })

  describe('a cache that lies', () => {
    const blobsOf = (directory: string): string => join(directory, 'blobs/sha256')
    const read = (directory: string, digest: string) =>
      JSON.parse(readFileSync(join(blobsOf(directory), digest.replace('sha256:', '')), 'utf8'))

    /** The manifest of a cache, changed, under the tag `bad` of a registry whose other blobs are as they were. */
    const spoil = async (
      ref: string,
      change: (layers: { digest: string; annotations: Record<string, string> }[]) => void,
    ) => {
      const [host, rest = ''] = ref.split(/\/(.*)/s)
      const [name, tag] = rest.split(':')
      const url = `http://${host}/v2/${name}/manifests`
      const type = 'application/vnd.oci.image.manifest.v1+json'
      const manifest = (await (await fetch(`${url}/${tag}`, { headers: { accept: type } })).json()) as {
        layers: { digest: string; annotations: Record<string, string> }[]
      }
      change(manifest.layers)
      const put = await fetch(`${url}/bad`, {
        method: 'PUT',
        headers: { 'content-type': type },
        body: JSON.stringify(manifest),
      })
      expect(put.status).toBe(201)
      return `${host}/${name}:bad`
    }
    const diffIdKey = 'containerd.io/uncompressed'

    it.each([
      ['and the image is kept', []],
      ['and the files are unpacked', ['-o', 'type=local,dest=out']],
    ])('layers that are not what they say are found out %s', async (_name, output) => {
      const ref = `${registry.host}/lies${output.length}:1`
      build(source, '--cache-to', `type=registry,ref=${ref},mode=max,required=true`)
      const bad = await spoil(ref, (layers) => {
        const [, first, second] = layers
        if (first === undefined || second === undefined) throw new Error('too few layers')
        const diffId = first.annotations[diffIdKey] ?? ''
        first.annotations[diffIdKey] = second.annotations[diffIdKey] ?? ''
        second.annotations[diffIdKey] = diffId
      })
      const other = machine()
      const again = build(other, ...output, '--cache-from', bad)
      expect(ran(again).length).toBeGreaterThan(0)
      expect(warnings(again).join('')).toMatch(/use a layer of .*:bad: /)
      if (output.length > 0) {
        expect(readFileSync(join(other.directory, 'out/t/one.txt'), 'utf8')).toBe('1\n')
      } else {
        expect(other.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
        expect(other.ok('run', '--rm', 'app', 'cat', '/from/out').stdout).toBe('a\n')
      }
      expect(ran(build(other, ...output))).toEqual([])
    })

    it('a layer that says nothing of its content, or has gone, is no hit', async () => {
      const ref = `${registry.host}/silent:1`
      build(source, '--cache-to', `type=registry,ref=${ref},mode=max,required=true`)
      const bad = await spoil(ref, (layers) => {
        for (const layer of layers) layer.annotations = {}
      })
      expect(ran(build(machine(), '--cache-from', bad)).length).toBe(9)

      const directory = join(source.directory, 'cache')
      build(source, '--cache-to', `type=local,dest=${directory},mode=max,required=true`)
      const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8'))
      const manifest = read(directory, index.manifests[0].digest)
      for (const { digest } of manifest.layers) rmSync(join(blobsOf(directory), digest.slice(7)))
      expect(ran(build(machine(), '--cache-from', `type=local,src=${directory}`)).length).toBe(9)
    })
  })

  it('a directory forgets what nothing names any more, and keeps other tags', () => {
    const directory = join(source.directory, 'cache')
    const to = (tag: string): string => `type=local,dest=${directory},tag=${tag},mode=max,required=true`
    build(source, '--cache-to', to('a'), '--cache-to', to('b'))
    expect(existsSync(join(directory, 'oci-layout'))).toBe(true)
    const before = readdirSync(join(directory, 'blobs/sha256')).length
    build(source, '--cache-to', to('a'))
    expect(readdirSync(join(directory, 'blobs/sha256')).length).toBe(before)
    expect(ran(build(machine(), '--cache-from', `type=local,src=${directory},tag=b`))).toEqual([])
    const nothing = build(machine(), '--cache-from', `type=local,src=${directory},tag=c`)
    expect(warnings(nothing)).toEqual(['warning: there is no cache\n'])
  })

  it.each(['registry', 'local'])(
    'cache mounts travel along, those that are asked for and are not there (%s)',
    (type) => {
      const files = {
        Dockerfile: `FROM ${base}\nRUN --mount=type=cache,id=one,target=/one --mount=type=cache,id=two,target=/two echo $HOSTNAME >> /one/log; echo x > /two/x; cat /one/log > /seen\n`,
      }
      const context = source.context('mounts', files)
      const directory = join(source.directory, 'mounts-cache')
      const ref = `${registry.host}/mounts:1`
      const to = type === 'local' ? `dest=${directory}` : `ref=${ref}`
      const from = type === 'local' ? `src=${directory}` : `ref=${ref}`
      source.ok('build', '-q', '--cache-to', `"type=${type}","${to}","mounts=one,two",required=true`, context)
      const other = machine()
      const flags = ['--no-cache', '-t', 'seen', '--cache-from', `type=${type},${from},mounts=one`]
      other.ok('build', '-q', ...flags, context)
      expect(other.ok('run', '--rm', 'seen', 'wc', '-l', '/seen').stdout).toBe('2 /seen\n')
      expect(other.ok('cache', 'ls').stdout).toMatch(/one/)
      // What is here is not replaced by what was there before.
      other.ok('build', '-q', ...flags, context)
      expect(other.ok('run', '--rm', 'seen', 'wc', '-l', '/seen').stdout).toBe('3 /seen\n')
    },
  )

  describe('stores of objects', () => {
    // Their servers live in this process, which must not stand still meanwhile.
    const share = async (to: string, from: string, env: NodeJS.ProcessEnv): Promise<string> => {
      const other = machine()
      for (const ws of [source, other]) Object.assign(ws.env, env)
      const flags = ['build', '--progress=rawjson', '-t', 'app']
      const wrote = await source.start(...flags, '--cache-to', `${to},mode=max,required=true`, app).ended
      expect(wrote.status).toBe(0)
      const read = await other.start(...flags, '--cache-from', from, app).ended
      expect(read.status).toBe(0)
      expect(ran(read)).toEqual([])
      expect(imageOf(other)).toEqual(imageOf(source))
      return wrote.stderr + read.stderr
    }

    /** Another machine's step finds the cache mount as the first one's left it. */
    const shareMount = async (place: string, env: NodeJS.ProcessEnv): Promise<void> => {
      const context = source.context('counted', {
        Dockerfile: `FROM ${base}\nRUN --mount=type=cache,id=${count},target=/c echo >> /c/log; cat /c/log > /seen\n`,
      })
      const cache = `${place},mounts=${count}`
      const other = machine()
      for (const ws of [source, other]) Object.assign(ws.env, env)
      const wrote = await source.start('build', '-q', '--cache-to', `${cache},required=true`, context).ended
      expect(wrote.stderr).toBe('')
      const read = ['build', '-q', '--no-cache', '-t', 'counted', '--cache-from', cache, context]
      expect((await other.start(...read).ended).stderr).toBe('')
      expect(other.ok('run', '--rm', 'counted', 'wc', '-l', '/seen').stdout).toBe('2 /seen\n')
      count += 'x'
    }
    let count = 'x'

    it('S3: another machine runs nothing', async () => {
      await using server = await startS3()
      const place = `type=s3,bucket=b,region=r,use_path_style=true,endpoint_url=${server.url}`
      const { accessKeyId, secretAccessKey, sessionToken } = s3Keys
      const env = {
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_SESSION_TOKEN: sessionToken,
      }
      expect(await share(place, place, env)).not.toContain(secretAccessKey)
      await shareMount(place, env)
    })

    it.each([
      ['1', { ACTIONS_CACHE_SERVICE_V2: 'false' }],
      ['2', { ACTIONS_CACHE_SERVICE_V2: 'true' }],
    ])("GitHub's cache, version %s: another machine runs nothing", async (_version, env) => {
      await using server = await startActions()
      const run = {
        ACTIONS_CACHE_URL: `${server.url}/`,
        ACTIONS_RESULTS_URL: `${server.url}/`,
        ACTIONS_RUNTIME_TOKEN: server.token,
      }
      expect(await share('type=gha', 'type=gha', { ...run, ...env })).not.toContain(server.token)
      await shareMount('type=gha', { ...run, ...env })
    })
  })

  it('refuses what it does not understand before anything is built', () => {
    const refused = source.slipway('build', '--cache-to', 'type=registry,reff=x', app)
    expect(refused).toMatchObject({ status: 1 })
    expect(refused.stderr).toMatch(/unknown key "reff" for type=registry\n {2}help: did you mean ref\?/)
    const twice = source.slipway('build', '--cache-to', 'a.b/c', '--cache-to', 'a.b/c:latest', app)
    expect(twice.stderr).toMatch(/a\.b\/c:latest is given twice/)
  })
})
