// Servers and archives that mean harm to who takes a context from them: clear failures, nothing outside touched, no hang.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gitServer } from '../support/git-server.ts'
import { type Handler, type WebServer, webServer } from '../support/web-server.ts'
import { executable, tool, until, type Workspace, workspace } from './support/slipway.ts'
import { tarBuilds } from './support/tar-builds.ts'

let ws: Workspace
let server: WebServer

beforeEach(async () => {
  ws = workspace({ TOKEN: 'hunter2' })
  server = await webServer()
})

afterEach(async () => {
  ws[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
})

const { build, read } = tarBuilds(() => ws)

async function refused(...args: readonly string[]): Promise<string> {
  const result = await build(...args)
  expect(result.status).toBe(1)
  expect(result.stderr).toMatch(/ERROR/)
  expect(result.stderr).not.toMatch(/^ +at |hunter2/m)
  expect(existsSync(join(ws.directory, 'out.tar'))).toBe(false)
  return result.stderr
}

const redirect =
  (location: string): Handler =>
  (_, response) =>
    void response.writeHead(302, { location }).end()

/** Sends without end, as fast as it is read. */
const endless =
  (headers: Readonly<Record<string, string | number>>, start = ''): Handler =>
  (_, response) => {
    response.writeHead(200, headers)
    response.write(start)
    const more = (): void => {
      let hasRoom = true
      while (hasRoom && !response.destroyed) hasRoom = response.write('x'.repeat(65_536))
    }
    response.on('drain', more)
    more()
  }

const named = (url: string, dockerfile = 'FROM scratch\nCOPY --from=web context /\n'): readonly string[] => [
  '--build-context',
  `web=${url}`,
  ws.context('main', { Dockerfile: dockerfile }),
]

/** Every way in which a URL is asked for. */
const uses: readonly (readonly [string, (url: string) => readonly string[]])[] = [
  ['a main context', (url) => [url]],
  ['a named context', (url) => named(url)],
  ['ADD', (url) => [ws.context('add', { Dockerfile: `FROM scratch\nADD ${url} /\n` })]],
]

describe.each(uses)('a server, asked for %s', (_use, args) => {
  it.each<readonly [string, Handler, RegExp]>([
    ['sends it to a file', redirect('file:///etc/passwd'), /redirect to file:\/\/\/etc\/passwd refused/],
    ['sends it in circles', redirect('/c'), /more than 10 redirects/],
    ['announces more than anything may have', endless({ 'content-length': 2 ** 40 }), /larger than 16 GiB/],
    ['says it is not there', (_, response) => void response.writeHead(404).end(), /404 not found/],
    [
      'wants a password',
      (_, response) => void response.writeHead(401).end(),
      /401 unauthorized\n[\s\S]*HTTP_AUTH_TOKEN/,
    ],
    ['says it is gone', (_, response) => void response.writeHead(410).end(), /410 gone/],
    ['sends a part', (_, response) => void response.writeHead(206).end('FROM'), /206/],
    ['sends what is not compressed as it says', wronglyCompressed, /gzip|compress|header/i],
    ['does not speak HTTP', (_, response) => void response.socket?.end('SSH-2.0-x\r\n'), /not HTTP|closed/],
  ])('that %s', async (_name, handler, message) => {
    server.handlers.set('/c', handler)
    expect(await refused(...args(`${server.url.replace('//', '//me:hunter2@')}/c`))).toMatch(message)
    expect(readdirSync(join(ws.root, 'store-v1/ingest'))).toEqual([])
  })

  it('gets no credentials of another one', async () => {
    await using other = await webServer({ '/c': (_, response) => void response.end('FROM scratch\n') })
    server.handlers.set('/c', redirect(`${other.url.replace('127.0.0.1', 'localhost')}/c`))
    const result = await build(
      ...args(`${server.url}/c`),
      '--secret',
      'id=HTTP_AUTH_TOKEN_127.0.0.1,env=TOKEN',
    )
    expect(result.stderr).not.toContain('ERROR')
    expect(server.requests[0]?.headers.authorization).toBe('Bearer hunter2')
    expect(other.requests[0]?.headers.authorization).toBeUndefined()
  })
})

function wronglyCompressed(_: unknown, response: ServerResponse): void {
  response.writeHead(200, { 'content-encoding': 'gzip' }).end('FROM scratch\n')
}

describe('a main context', () => {
  it('that is no Dockerfile and no archive, or a Dockerfile without end', async () => {
    server.handlers.set('/html', (_, response) => void response.end('<!doctype html>\n<p>log in</p>\n'))
    expect(await refused(`${server.url}/html`)).toMatch(/Dockerfile:1/)
    server.handlers.set('/long', (_, response) => void response.end(`FROM scratch\n${'#\n'.repeat(9 << 20)}`))
    expect(await refused(`${server.url}/long`)).toContain('16 MiB')
    server.handlers.set('/nul', (_, response) => void response.end('FROM scratch\n\0'))
    expect(await refused(`${server.url}/nul`)).toContain('NUL byte')
  })

  it('that is an archive cut off or damaged', async () => {
    const directory = ws.context('c', { Dockerfile: 'FROM scratch\nCOPY . /\n', f: 'x'.repeat(50_000) })
    const plain = Buffer.from(tool('sh', ['-c', 'tar -C "$0" -cf - . | base64 -w0', directory]), 'base64')
    const bodies = {
      '/cut': plain.subarray(0, 20_000),
      '/packed': gzipSync(plain).subarray(0, -30),
      '/crc': Buffer.concat([gzipSync(plain).subarray(0, -8), Buffer.alloc(8, 1)]),
      '/behind': Buffer.concat([gzipSync(plain), Buffer.from('behind it')]),
    }
    for (const [path, body] of Object.entries(bodies)) {
      server.handlers.set(path, (_, response) => void response.end(body))
      expect(await refused(server.url + path)).toMatch(/ends in the middle|decompress|gzip|compressed/)
    }
  })

  it('that changes meanwhile is what it was at first', async () => {
    let turn = 0
    server.handlers.set('/c', (_, response) => {
      turn++
      response.end(`FROM scratch\nLABEL turn=${turn}\nCOPY context /\n`)
    })
    expect((await build(`${server.url}/c`)).status).toBe(0)
    expect(turn).toBe(1)
    expect(read('context')).toContain('turn=1')
  })
})

describe('an interrupt ends the wait', () => {
  async function interrupted(args: readonly string[], isWaiting: () => boolean): Promise<void> {
    const running = ws.start('build', '--progress=plain', ...args)
    await until('the build to wait', isWaiting)
    running.kill('SIGINT')
    const { status, stderr } = await running.ended
    expect(stderr).toContain('interrupted')
    expect(status).toBe(130)
  }

  it('for a server that says nothing, and for one that sends without end', async () => {
    server.handlers.set('/silent', () => undefined)
    await interrupted([`${server.url}/silent`], () => server.requests.length === 1)
    server.handlers.set('/endless', endless({}, 'FROM scratch\n'))
    await interrupted([`${server.url}/endless`], () => server.requests.length === 2)
    expect(readdirSync(join(ws.root, 'store-v1/ingest'))).toEqual([])
  })

  it('for a git host, whose git ends too', async () => {
    await using git = await gitServer(join(ws.directory, 'served'))
    git.fallback = () => undefined
    await interrupted([`${git.url}/a.git`], () => git.requests.length === 1)
    await until('git to end', () => !tool('ps', ['-eo', 'args']).includes(`${git.url}/a.git`))
  })

  it('for standard input', async () => {
    const child = spawn(executable, ['build', '--progress=plain', '-'], {
      env: ws.env,
      cwd: ws.directory,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    const ended = new Promise<number | null>((done) => child.on('close', done))
    // More than fits between the two: once it is gone, it is being read.
    await new Promise((done) => child.stdin.write('#'.repeat(4 << 20), done))
    child.kill('SIGINT')
    expect(await ended).toBe(130)
  })
})
