// Images in the hands of others: skopeo, umoci, podman and dockerd take them unchanged, and each builds on what
// the other made. That BuildKit makes the same ones from the same Dockerfiles is peers.test.ts's business.
import { readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Entry, readTar } from './support/archive.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { comparableEntries } from './support/comparable.ts'
import { type Docker, dockerdMissing, startDocker } from './support/docker.ts'
import { startRegistry } from './support/registry.ts'
import { removeMounted } from './support/remove-mounted.ts'
import { executable, missing, tool, type Workspace, workspace } from './support/slipway.ts'

const tools = missing('busybox', 'skopeo', 'umoci', 'runc', 'crun', 'podman', 'unshare')

describe.skipIf(tools !== undefined)(`archives and layouts (needs ${tools ?? 'nothing more'})`, () => {
  let ws: Workspace
  let app: string
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
    app = ws.context('app', {
      Dockerfile:
        'FROM base\nCOPY file /file\nRUN rm /bin/wget && echo run > /run-file\nCMD ["cat", "/file", "/run-file"]\n',
      file: 'from the context\n',
    })
  })
  afterAll(() => ws?.[Symbol.dispose]())

  it('the store is an OCI layout', () => {
    ws.ok('build', '-q', '-t', 'app:1', app)
    const layout = join(ws.root, 'store-v1')
    const names = JSON.parse(tool('cat', [join(layout, 'index.json')])).manifests.map(
      (m: { annotations?: Record<string, string> }) => m.annotations?.['org.opencontainers.image.ref.name'],
    )
    const name = names.find((n: string | undefined) => n?.includes('app:1'))
    expect(name).toBeDefined()
    const config = JSON.parse(tool('skopeo', ['inspect', '--config', `oci:${layout}:${name}`]))
    expect(config.config.Cmd).toEqual(['cat', '/file', '/run-file'])
    tool('skopeo', ['copy', `oci:${layout}:${name}`, `dir:${ws.directory}/skopeo-dir`])
  })

  it.each(['gzip', 'zstd', 'uncompressed'])('an OCI archive with %s layers', (compression) => {
    const file = join(ws.directory, `app-${compression}.tar`)
    ws.ok('build', '-q', '-t', 'app:1', '-o', `type=oci,dest=${file},compression=${compression}`, app)
    tool('skopeo', ['copy', `oci-archive:${file}`, `oci:${ws.directory}/from-${compression}:x`])
    if (compression === 'zstd') return
    tool('umoci', [
      'unpack',
      '--image',
      `${ws.directory}/from-${compression}:x`,
      `${ws.directory}/bundle-${compression}`,
    ])
    expect(tool('cat', [`${ws.directory}/bundle-${compression}/rootfs/run-file`])).toBe('run\n')
    expect(() => tool('ls', [`${ws.directory}/bundle-${compression}/rootfs/bin/wget`])).toThrow()
  })

  it.each([
    ['runc', 'runc run --bundle "$1" "$2"'],
    // crun refuses a host with both cgroup versions unless version 2 is out of its sight.
    [
      'crun',
      'umount /sys/fs/cgroup/unified 2>/dev/null; crun --cgroup-manager=disabled run --bundle "$1" "$2"',
    ],
  ])('%s starts what umoci unpacked', (runtime, script) => {
    const layout = join(ws.directory, `layout-${runtime}`)
    const bundle = join(ws.directory, `bundle-${runtime}`)
    ws.ok('build', '-q', '-t', 'app:1', '-o', `type=oci,dest=${layout}.tar`, app)
    tool('skopeo', ['copy', `oci-archive:${layout}.tar`, `oci:${layout}:x`])
    tool('umoci', ['unpack', '--image', `${layout}:x`, bundle])
    const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'))
    spec.process.terminal = false
    delete spec.linux.resources
    spec.mounts = spec.mounts.filter((mount: { type: string }) => mount.type !== 'cgroup')
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec))
    const name = `slipway-${runtime}-${process.pid}`
    expect(tool('unshare', ['--mount', 'sh', '-c', script, 'sh', bundle, name])).toBe(
      'from the context\nrun\n',
    )
  })

  it('podman loads and runs both archive kinds', () => {
    const storage = join(ws.directory, 'podman')
    const podman = (...args: readonly string[]) =>
      tool('podman', ['--root', storage, '--runroot', `${storage}-run`, '--cgroup-manager=cgroupfs', ...args])
    // podman's own limits are higher than a test machine without CAP_SYS_RESOURCE may set.
    const limits = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024']
    try {
      for (const type of ['oci', 'docker']) {
        const file = `${storage}-${type}.tar`
        ws.ok('build', '-q', '-t', `app:${type}`, '-o', `type=${type},dest=${file}`, app)
        expect(podman('load', '-i', file)).toContain(`app:${type}`)
        const flags = ['--rm', '--network=host', '--runtime=runc', ...limits]
        const output = podman('run', ...flags, `docker.io/library/app:${type}`)
        expect(output).toBe('from the context\nrun\n')
      }
    } finally {
      removeMounted(storage)
    }
  })

  it('local and tar outputs hold the file system', () => {
    const directory = join(ws.directory, 'rootfs')
    ws.ok('build', '-q', '-o', `type=local,dest=${directory}`, app)
    expect(tool('cat', [join(directory, 'run-file')])).toBe('run\n')
    expect(tool('readlink', [join(directory, 'bin/sh')])).toBe('busybox\n')
    ws.ok('build', '-q', '-o', `type=tar,dest=${directory}.tar`, app)
    const listed = tool('tar', ['-tf', `${directory}.tar`])
    expect(listed).toMatch(/^file$/m)
    expect(listed).not.toMatch(/wget|\.wh\./)
    expect(ws.ok('build', '-q', '-o', directory, app).stderr).toBe('')
  })

  it('are written to what a link means, an open pipe or file too, and the link stays', () => {
    // As /dev/stdout is one.
    const link = join(ws.directory, 'out')
    symlinkSync('/proc/self/fd/3', link)
    const read = (args: string, reader = 'cat'): string => {
      const script = `set -o pipefail; "$0" build -q ${args} "$1" 3>&1 >/dev/null | ${reader}`
      return tool('bash', ['-c', script, executable, app], ws.env)
    }
    expect(read(`-o type=tar,dest=${link}`, 'tar -tf -')).toMatch(/^file$/m)
    const id = ws.ok('build', '-q', app).stdout.trim()
    expect(read(`--iidfile ${link}`)).toBe(id)
    expect(JSON.parse(read(`--metadata-file ${link}`))).toMatchObject({ 'containerimage.config.digest': id })
    expect(readlinkSync(link)).toBe('/proc/self/fd/3')
    const file = join(ws.directory, 'linked-id')
    writeFileSync(
      file,
      'an older one, which is longer than the new one will be, so that nothing of it may stay there',
    )
    rmSync(link)
    symlinkSync(file, link)
    ws.ok('build', '-q', '--iidfile', link, app)
    expect([readFileSync(file, 'utf8'), readlinkSync(link)]).toEqual([id, file])
    const failing = ws.context('failing', { Dockerfile: 'FROM base\nCOPY missing /\n' })
    expect(ws.slipway('build', '--iidfile', link, failing).status).toBe(1)
    expect([readFileSync(file, 'utf8'), readlinkSync(link)]).toEqual(['', file])
  })

  it('metadata file, iidfile and -q agree', () => {
    const [iid, metadata] = [join(ws.directory, 'iid'), join(ws.directory, 'metadata.json')]
    const id = ws
      .ok('build', '-q', '-t', 'app:1', '--iidfile', iid, '--metadata-file', metadata, app)
      .stdout.trim()
    expect(tool('cat', [iid])).toBe(id)
    expect(JSON.parse(tool('cat', [metadata]))).toMatchObject({
      'containerimage.config.digest': id,
      'containerimage.digest': expect.stringMatching(/^sha256:/),
      'image.name': 'docker.io/library/app:1',
    })
    expect(JSON.parse(ws.ok('inspect', 'app:1').stdout)[0].Id).toBe(id)
    expect(ws.ok('images', '-q', '--no-trunc', 'app').stdout).toContain(id)
  })
})

const dockerd = missing('busybox', 'docker-registry') ?? dockerdMissing()

describe.skipIf(dockerd !== undefined)(
  `images between slipway and dockerd (needs ${dockerd ?? 'nothing more'})`,
  () => {
    let ws: Workspace
    let docker: Docker
    let since = 0
    /** Builds an image that both builders know under `reference`. */
    const share = (reference: string, dockerfile: string) => {
      const file = join(ws.directory, `shared-${reference}.tar`)
      const context = ws.context(`shared-${reference}`, { Dockerfile: dockerfile })
      ws.ok('build', '-q', '-t', reference, context)
      ws.ok('build', '-q', '-t', reference, '-o', `type=docker,dest=${file}`, context)
      expect(docker.run('load', '-i', file)).toContain(`${reference}:latest`)
    }
    beforeAll(async () => {
      ws = workspace()
      docker = await startDocker()
      imageFromTar(ws, 'base', busyboxTar())
      share('base', 'FROM base\n')
      since = Math.floor(Date.now() / 1000)
    })
    afterAll(async () => {
      await docker?.stop()
      ws?.[Symbol.dispose]()
    })

    it('each builds on what the other pushed', async () => {
      const registry = await startRegistry()
      try {
        const dockerfile = `FROM base
COPY --chown=app:extra set-id /bin/
RUN mkdir -p /t/a/b /t/gone && echo 1 > /t/a/b/1 && ln /t/a/b/1 /t/a/hard && ln -s b /t/a/l && mkfifo /t/p && mknod /t/n c 1 3
RUN rm -r /t/a/b /t/gone && mkdir /t/a/b && chmod 1777 /t/a/b && rm /bin/wget && mv /etc/group /t/group
RUN rm /t/a/hard && ln /t/group /t/a/hard; touch -d @1000000000 /t/a
`
        const context = ws.context('pushed', { Dockerfile: dockerfile, 'set-id': '#!/bin/sh' })
        tool('chmod', ['4755', join(context, 'set-id')])
        const [ours, theirs] = [`${registry.host}/ours:1`, `${registry.host}/theirs:1`]
        ws.ok('build', '-q', '-t', ours, '--push', context)
        docker.run('build', '--network=host', '-q', '-t', theirs, context)
        docker.run('push', '-q', theirs)
        docker.run('rmi', theirs)

        const trees: Record<string, readonly Entry[]> = {}
        for (const reference of [ours, theirs]) {
          const onTop = ws.context('on-top', {
            Dockerfile: `FROM ${reference}\nRUN test -e /t/a/l && rm /t/n\n`,
          })
          const [a, b] = [join(ws.directory, 'by-slipway.tar'), join(ws.directory, 'by-docker.tar')]
          ws.ok('build', '-q', '-o', `type=tar,dest=${a}`, onTop)
          docker.run('build', '--network=host', '--pull', '-q', '-o', `type=tar,dest=${b}`, onTop)
          trees[`slipway on ${reference}`] = await readTar(a)
          trees[`docker on ${reference}`] = await readTar(b)
        }
        const [first, ...others] = Object.entries(trees).map(([name, tree]) => ({
          name,
          tree: comparableEntries(tree, { since }),
        }))
        for (const { name, tree } of others) expect.soft(tree, name).toEqual(first?.tree)
        expect(first?.tree.join('\n')).toContain('"bin/set-id" file 4755 1000:2000')
      } finally {
        registry.stop()
      }
    })

    it('dockerd runs what it loaded', () => {
      expect(docker.run('run', '--rm', '--network=host', 'base', 'sh', '-c', 'echo loaded')).toBe('loaded\n')
    })
  },
)
