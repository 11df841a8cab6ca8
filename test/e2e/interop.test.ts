// Images in the hands of others: skopeo, umoci, podman and dockerd take them unchanged, and dockerd's own
// BuildKit makes the same configs and file trees from the same Dockerfiles.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Archive, readArchive } from './support/archive.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { type Docker, dockerdMissing, startDocker } from './support/docker.ts'
import { missing, tool, type Workspace, workspace } from './support/slipway.ts'

const tools = missing('busybox', 'skopeo', 'umoci', 'podman')

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

  it('podman loads and runs both archive kinds', () => {
    const storage = [
      '--root',
      `${ws.directory}/podman`,
      '--runroot',
      `${ws.directory}/podman-run`,
      '--cgroup-manager=cgroupfs',
    ]
    for (const type of ['oci', 'docker']) {
      const file = join(ws.directory, `podman-${type}.tar`)
      ws.ok('build', '-q', '-t', `app:${type}`, '-o', `type=${type},dest=${file}`, app)
      expect(tool('podman', [...storage, 'load', '-i', file])).toContain(`app:${type}`)
      const flags = ['--rm', '--network=host', '--cgroups=disabled', '--runtime=crun']
      expect(tool('podman', [...storage, 'run', ...flags, `docker.io/library/app:${type}`])).toBe(
        'from the context\nrun\n',
      )
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

/** Each case is one Dockerfile with its context; both builders see the very same files. */
const cases: Record<
  string,
  {
    readonly dockerfile: string
    readonly files?: Record<string, string>
    readonly prepare?: string
    readonly args?: readonly string[]
  }
> = {
  'config instructions': {
    dockerfile: `FROM base
LABEL a=1 b="two words"
ENV PLAIN=1 QUOTED="a b" REF=$PLAIN
ENV REF2=\${PLAIN}-\${MISSING:-default}
EXPOSE 80 443/tcp 53/udp
VOLUME /data /more
WORKDIR /srv
WORKDIR deep/er
USER app
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=3s --retries=2 CMD echo ok
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["/bin/echo", "a b"]
CMD ["x", "y"]
ONBUILD RUN echo later
`,
  },
  'shell forms and arguments': {
    dockerfile: `ARG GLOBAL=g
FROM base
ARG GLOBAL
ARG WITH_DEFAULT=d
ARG FROM_CLI
RUN echo "$GLOBAL $WITH_DEFAULT $FROM_CLI" > /args
ENV KEPT=$FROM_CLI
CMD echo shell form
ENTRYPOINT sleep 1
`,
    args: ['--build-arg', 'FROM_CLI=cli value'],
  },
  'copy: modes, owners, links, directories': {
    dockerfile: `FROM base
COPY . /all/
COPY dir /contents
COPY dir/one dir/two /several/
COPY --chown=app:extra dir /owned
COPY --chown=1234 dir/one /numeric
COPY exact /renamed
COPY exact /bin
COPY d*/o* /wild/
WORKDIR /w
COPY exact relative/
`,
    files: {
      exact: 'exact\n',
      'dir/one': '1\n',
      'dir/two': '2\n',
      'dir/sub/three': '3\n',
      '.dockerignore': 'ignored\n',
      ignored: 'x',
    },
    prepare:
      'chmod 4755 exact; chmod 0700 dir/sub; ln -s one dir/link; ln -s /nowhere dir/dangling; ln dir/two dir/hard; chown 5:6 dir/one',
  },
  'run: whiteouts, opaque directories, links, modes, capabilities': {
    dockerfile: `FROM base
RUN mkdir -p /tree/a/b && echo 1 > /tree/a/b/f && echo 2 > /tree/g && ln /tree/g /tree/h && ln -s ../g /tree/a/s
RUN rm /tree/a/b/f && rm -rf /tree/a && mkdir /tree/a && echo new > /tree/a/new
RUN rm -rf /tree/a && echo file > /tree/a
RUN mkdir -m 1777 /sticky && touch /sticky/s && chmod 6755 /sticky/s && chown 7:8 /sticky/s && mkfifo /pipe && mknod /null c 1 3
RUN true
RUN mv /bin/wget /bin/moved && chmod 700 /root
`,
  },
  'stages and copies between them': {
    dockerfile: `FROM base AS one
RUN mkdir -p /out/x && echo 1 > /out/x/f && chown -R app:app /out && ln -s x /out/l && chmod 711 /out/x
FROM base AS unused
RUN exit 1
FROM one AS two
RUN echo two > /out/two
FROM base
COPY --from=two /out /copied
COPY --from=0 /out/x/f /file
COPY --from=two /out/l/f /through-link
COPY --from=one --chown=3:4 /out/x /chowned
`,
  },
  'workdir and users': {
    dockerfile: `FROM base
RUN mkdir -p /home/app && chown app:app /home/app
USER app:extra
RUN id > /tmp/id && touch /home/app/mine || true
USER 4242
RUN echo "$HOME" > /tmp/home
USER root
RUN env | grep -v '^HOSTNAME=' | sort > /env && pwd > /cwd
`,
  },
  scratch: {
    dockerfile: 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "touch", "/made"]\nENV A=b\n',
    prepare: 'cp /bin/busybox busybox',
  },
}

const dockerd = missing('busybox') ?? dockerdMissing()

describe.skipIf(dockerd !== undefined)(
  `the same as dockerd's BuildKit (needs ${dockerd ?? 'nothing more'})`,
  () => {
    let ws: Workspace
    let docker: Docker
    beforeAll(async () => {
      ws = workspace()
      docker = await startDocker()
      imageFromTar(ws, 'base', busyboxTar())
      const file = join(ws.directory, 'base.tar')
      ws.ok(
        'build',
        '-q',
        '-t',
        'base',
        '-o',
        `type=docker,dest=${file}`,
        ws.context('as-base', { Dockerfile: 'FROM base\n' }),
      )
      expect(docker.run('load', '-i', file)).toContain('base:latest')
    })
    afterAll(async () => {
      await docker?.stop()
      ws?.[Symbol.dispose]()
    })

    it('dockerd runs what it loaded', () => {
      expect(docker.run('run', '--rm', '--network=host', 'base', 'sh', '-c', 'echo loaded')).toBe('loaded\n')
    })

    for (const [name, { dockerfile, files = {}, prepare, args = [] }] of Object.entries(cases)) {
        it(name, async () => {
        const slug = name.replace(/[^a-z]+/g, '-')
        const context = ws.context(slug, { ...files, Dockerfile: dockerfile })
        if (prepare) tool('sh', ['-ec', `cd ${context}; ${prepare}`])
        const ours = join(ws.directory, `${slug}-ours.tar`)
        ws.ok('build', '--progress=plain', '-t', slug, ...args, '-o', `type=docker,dest=${ours}`, context)
        docker.run('build', '--network=host', '-q', '-t', slug, ...args, context)
        const theirs = join(ws.directory, `${slug}-theirs.tar`)
        docker.run('save', '-o', theirs, slug)
        const mine = await readArchive(ours, `${ours}.d`)
        const other = await readArchive(theirs, `${theirs}.d`)
        writeFileSync(`${ours}.json`, JSON.stringify({ mine, other }, undefined, 1))
        expect(comparable(mine)).toEqual(comparable(other))
        expect(mine.layers).toEqual(other.layers)
      })
    }
  },
)

/** What two builders must agree on: everything but times and docker's bookkeeping of containers. */
function comparable(archive: Archive): unknown {
  const { config } = archive
  const settled = Object.fromEntries(
    Object.entries((config.config ?? {}) as Record<string, unknown>).filter(
      ([, value]) =>
        value !== null &&
        value !== '' &&
        value !== false &&
        JSON.stringify(value) !== '{}' &&
        JSON.stringify(value) !== '[]',
    ),
  )
  return {
    architecture: config.architecture,
    os: config.os,
    config: settled,
    history: config.history.map(({ created: _, ...entry }) => entry),
  }
}
