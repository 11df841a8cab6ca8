// Real applications, from Dockerfile to a running process, through other people's tools.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { debianTar, imageFromTar } from './support/bases.ts'
import { freePort, type RealRegistry, startRegistry } from './support/registry.ts'
import { missing, tool, until, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('mmdebstrap', 'docker-registry', 'skopeo', 'umoci', 'runc')

describe.skipIf(lacking !== undefined)(`applications (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let registry: RealRegistry

  beforeAll(async () => {
    ws = workspace()
    registry = await startRegistry()
    imageFromTar(ws, `${registry.host}/debian:12`, debianTar('debian'), ['--push'])
  })
  afterAll(() => {
    registry?.stop()
    ws?.[Symbol.dispose]()
  })

  it('a Debian web server: build, push, skopeo, umoci, runc, HTTP', async () => {
    const port = await freePort()
    const app = ws.context('web', {
      Dockerfile: `FROM ${registry.host}/debian:12
ARG PORT
RUN apt-get update && apt-get install -y --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*
COPY --chown=www-data:www-data site /srv/site
COPY nginx.conf /etc/nginx/nginx.conf
RUN sed -i "s/PORT/$PORT/" /etc/nginx/nginx.conf && mkdir -p /run/app && chown www-data: /run/app
USER www-data
WORKDIR /srv/site
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=2s CMD ["nginx", "-t", "-c", "/etc/nginx/nginx.conf"]
CMD ["nginx", "-c", "/etc/nginx/nginx.conf"]
`,
      'site/index.html': '<h1>served from a layer</h1>\n',
      'nginx.conf': `pid /run/app/nginx.pid;
daemon off;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path /run/app/b; proxy_temp_path /run/app/p; fastcgi_temp_path /run/app/f;
  uwsgi_temp_path /run/app/u; scgi_temp_path /run/app/s;
  server { listen 127.0.0.1:PORT; root /srv/site; }
}
`,
    })
    const reference = `${registry.host}/web:1`
    ws.ok('build', '--progress=plain', '--build-arg', `PORT=${port}`, '-t', reference, '--push', app)

    const layout = join(ws.directory, 'layout')
    tool('skopeo', ['copy', '--src-tls-verify=false', `docker://${reference}`, `oci:${layout}:web`])
    const bundle = join(ws.directory, 'bundle')
    tool('umoci', ['unpack', '--image', `${layout}:web`, bundle])
    const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'))
    expect(spec.process).toMatchObject({ cwd: '/srv/site', user: { uid: 33, gid: 33 } })
    // The host's network, so that the test can ask; no cgroups, which not every test machine has.
    spec.linux.namespaces = spec.linux.namespaces.filter(
      (n: { type: string }) => n.type !== 'network' && n.type !== 'cgroup',
    )
    delete spec.linux.resources
    spec.mounts = spec.mounts.filter((m: { type: string }) => m.type !== 'cgroup')
    spec.process.terminal = false
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec))
    const name = `slipway-web-${process.pid}`
    const server = spawn('runc', ['run', '--bundle', bundle, name], { stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = new Promise((done) => server.on('exit', done))
    let output = ''
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk
      })
    }
    try {
      const get = () =>
        fetch(`http://127.0.0.1:${port}/`).then(
          (response) => response.text(),
          () => '',
        )
      await until('nginx', async () => (await get()) !== '' || server.exitCode !== null)
      expect(await get(), output).toBe('<h1>served from a layer</h1>\n')
    } finally {
      tool('runc', ['delete', '--force', name])
      await ended
    }
    const config = JSON.parse(
      tool('skopeo', ['inspect', '--config', '--tls-verify=false', `docker://${reference}`]),
    )
    expect(config.config).toMatchObject({ User: 'www-data', ExposedPorts: { '8080/tcp': {} } })
  })

  it('a C program: compiled in one stage, alone in the next', () => {
    const app = ws.context('c', {
      Dockerfile: `FROM ${registry.host}/debian:12 AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY main.c .
RUN gcc -O2 -static -o /out main.c
FROM scratch
COPY --from=build /out /program
ENTRYPOINT ["/program"]
`,
      'main.c':
        '#include <stdio.h>\nint main(int n, char **v) { printf("%d arguments, last %s\\n", n, v[n - 1]); return n; }\n',
    })
    ws.ok('build', '--progress=plain', '-t', 'c-program', app)
    const ran = ws.slipway('run', 'c-program', 'one', 'two')
    expect(ran).toMatchObject({ status: 3, stdout: '3 arguments, last two\n' })
    const archive = join(ws.directory, 'c.tar')
    ws.ok('build', '-q', '-o', `type=oci,dest=${archive}`, app)
    const listed = JSON.parse(tool('skopeo', ['inspect', '--config', `oci-archive:${archive}`]))
    expect(listed.rootfs.diff_ids).toHaveLength(1)
  })

  it('a Node application: an edit runs only what follows it, no edit runs nothing', () => {
    const node = debianTar('debian-node', ['nodejs', 'npm'])
    imageFromTar(ws, 'node:test', node)
    const left = join(ws.directory, 'left')
    mkdirSync(left)
    writeFileSync(join(left, 'package.json'), '{"name":"left","version":"1.0.0","main":"index.js"}')
    writeFileSync(join(left, 'index.js'), 'module.exports = (s, n) => s.padStart(n)\n')
    const app = ws.context('node', {
      Dockerfile: `FROM node:test
WORKDIR /app
COPY package*.json ./
COPY vendor vendor
RUN npm ci --no-audit --no-fund && echo "npm ci ran"
COPY . .
RUN echo "checking" && node app.js
CMD ["node", "app.js"]
`,
      '.dockerignore': 'node_modules\n*.md\n',
      'package.json': '{"name":"app","version":"1.0.0","dependencies":{"left":"file:vendor/left-1.0.0.tgz"}}',
      'app.js': 'console.log(require("left")("pad", 8))\n',
      'README.md': 'ignored',
    })
    mkdirSync(join(app, 'vendor'))
    tool('tar', ['-czf', join(app, 'vendor/left-1.0.0.tgz'), '-C', left, '--transform=s,^\\.,package,', '.'])
    writeFileSync(
      join(app, 'package-lock.json'),
      JSON.stringify({
        name: 'app',
        version: '1.0.0',
        lockfileVersion: 3,
        packages: {
          '': { name: 'app', version: '1.0.0', dependencies: { left: 'file:vendor/left-1.0.0.tgz' } },
          'node_modules/left': { version: '1.0.0', resolved: 'file:vendor/left-1.0.0.tgz' },
        },
      }),
    )
    const build = (): string => ws.ok('build', '--progress=plain', '-t', 'node-app', app).stderr
    const first = build()
    expect(first).toContain('npm ci ran')
    expect(first).toContain('     pad')
    expect(ws.ok('run', 'node-app').stdout).toBe('     pad\n')

    const untouched = build()
    expect(untouched).not.toMatch(/#\d+ [\d.]+ (npm ci ran|checking)/)

    writeFileSync(join(app, 'app.js'), 'console.log(require("left")("edited", 8))\n')
    const edited = build()
    expect(edited).not.toMatch(/#\d+ [\d.]+ npm ci ran/)
    expect(edited).toMatch(/#\d+ [\d.]+ +edited/)

    writeFileSync(join(app, 'README.md'), 'still ignored')
    writeFileSync(join(app, 'app.js'), 'console.log(require("left")("edited", 8))\n')
    expect(build()).not.toMatch(/#\d+ [\d.]+ (npm ci ran|checking)/)
  })
})
