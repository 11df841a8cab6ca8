// ADD of URLs from the command line to the image's tar, against a web server on this machine.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { file, type WebServer, webServer } from '../support/web-server.ts'
import { tool, type Workspace, workspace } from './support/slipway.ts'
import { dockerfileBuilds } from './support/tar-builds.ts'

const old = 'Sun, 06 Nov 1994 08:49:37 GMT'
let ws: Workspace
let server: WebServer

beforeEach(async () => {
  ws = workspace({ WEB_TOKEN: 'TOKEN-hunter2' })
  server = await webServer({ '/dir/f.txt': file('hello\n', { 'last-modified': old, etag: '"1"' }) })
})

afterEach(async () => {
  ws[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
})

const { build, ok, read } = dockerfileBuilds(() => ws)

/** `mode owner/group size date time name` of everything but the root. */
function listed(): string[] {
  const text = tool('tar', ['--utc', '--numeric-owner', '--full-time', '-tvf', join(ws.directory, 'out.tar')])
  return text
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '))
    .filter((line) => line !== '' && !line.endsWith(' ./'))
}

describe('ADD of a URL', () => {
  it('makes a file of mode 0600 with the time the server says; flags change what they say', async () => {
    const url = `${server.url}/dir/f.txt?query`
    await ok(`FROM scratch\nADD ${url} /a/\nADD --chmod=755 --chown=7:8 ${url} /b\n`)
    expect(listed()).toEqual([
      expect.stringMatching(/^drwxr-xr-x 0\/0 0 .* a\/$/),
      '-rw------- 0/0 6 1994-11-06 08:49:37 a/f.txt',
      '-rwxr-xr-x 7/8 6 1994-11-06 08:49:37 b',
    ])
    expect(read('a/f.txt')).toBe('hello\n')
    expect(server.log).toEqual(['GET /dir/f.txt?query 200'])
  })

  it('takes several sources in order, local ones, URLs and here-documents', async () => {
    server.handlers.set('/g', file('web'))
    writeFileSync(join(ws.context('context', {}), '..', 'unused'), '')
    ws.context('context', { local: 'local' })
    await ok(
      `FROM scratch\nADD local ${server.url}/g ${server.url}/dir/f.txt /d/\nADD ${server.url}/g <<h /e/\ntext\nh\n`,
    )
    expect(listed().map((line) => line.split(' ').at(-1))).toEqual([
      'd/',
      'd/f.txt',
      'd/g',
      'd/local',
      'e/',
      'e/g',
      'e/h',
    ])
    expect(read('d/local') + read('d/g') + read('e/h')).toBe('localwebtext\n')
  })

  it('does not unpack an archive unless --unpack says so', async () => {
    writeFileSync(join(ws.directory, 'inner'), 'inside')
    tool('tar', ['-C', ws.directory, '-czf', join(ws.directory, 'x.tgz'), 'inner'])
    const archive = Buffer.from(tool('base64', ['-w0', join(ws.directory, 'x.tgz')]), 'base64')
    server.handlers.set('/x.tgz', file(archive))
    await ok(`FROM scratch\nADD ${server.url}/x.tgz /packed/\nADD --unpack ${server.url}/x.tgz /unpacked/\n`)
    const names = listed().map((line) => line.split(' ').at(-1))
    expect(names).toEqual(['packed/', 'packed/x.tgz', 'unpacked/', 'unpacked/inner'])
  })

  it('runs nothing again and costs one question while the URL has not changed, and sees when it has', async () => {
    const text = `FROM scratch\nADD ${server.url}/dir/f.txt /f\n`
    await ok(text)
    const second = await ok(text)
    expect(second.stderr).toMatch(/ADD .*f\.txt \/f\n#\d+ CACHED/)
    server.handlers.set('/dir/f.txt', file('other\n', { etag: '"2"' }))
    await ok(text)
    expect(read('f')).toBe('other\n')
    expect(server.log.map((line) => line.slice(-3))).toEqual(['200', '304', '200'])
  })

  it('asks nobody for a file whose checksum it knows', async () => {
    const text = `FROM scratch\nARG S=${digestOf('hello\n')}\nADD --checksum=$S ${server.url}/dir/f.txt /f\n`
    await ok(text)
    await ok(text)
    expect(server.log).toEqual(['GET /dir/f.txt 200'])
    await ok(text, '--no-cache')
    expect(server.log).toEqual(['GET /dir/f.txt 200'])
    expect(listed()).toEqual(['-rw------- 0/0 6 1994-11-06 08:49:37 f'])
  })

  it('takes the file from wherever a variable says, with the URL as an ARG or of a base stage', async () => {
    await ok(`FROM scratch AS a\nENV U=${server.url}\nFROM a\nARG F\nADD \${U}/dir/\${F:-f.txt} /f\n`)
    expect(read('f')).toBe('hello\n')
  })

  it('sends a secret to its host, and shows it to nobody', async () => {
    server.handlers.set('/private', (request, response) => {
      if (request.headers.authorization === 'Bearer TOKEN-hunter2') file('mine')(request, response)
      else response.writeHead(401).end()
    })
    const text = `FROM scratch\nADD ${server.url}/private /f\n`
    const refused = await build(text)
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('401 unauthorized')
    expect(refused.stderr).toContain('--secret id=HTTP_AUTH_TOKEN_')
    const result = await ok(
      text,
      '--secret',
      'id=HTTP_AUTH_TOKEN_127.0.0.1,env=WEB_TOKEN',
      '--metadata-file=m.json',
    )
    writeFileSync(join(ws.directory, 'token'), 'TOKEN-hunter2\n')
    await ok(
      text,
      '--secret',
      `id=HTTP_AUTH_TOKEN_127.0.0.1,src=${join(ws.directory, 'token')}`,
      '--no-cache',
    )
    expect(read('f')).toBe('mine')
    const kept = tool('sh', [
      '-c',
      `cat "$0"/m.json; grep -rc hunter2 "$1" | grep -v ':0$' || true`,
      ws.directory,
      ws.root,
    ])
    expect(result.stderr + kept).not.toContain('hunter2')
    expect(kept).not.toContain('state')
  })

  it('reports every URL that cannot be had at its line', async () => {
    const result = await build(
      `FROM scratch\nADD ${server.url}/none /a\nADD http://me:hunter2@127.0.0.1:1/x /b\nADD ${server.url}/dir/f.txt /c\n`,
    )
    expect(result.status).toBe(1)
    expect(result.stderr).toContain(`error[UnresolvedSource]: fetch ${server.url}/none: 404 not found`)
    expect(result.stderr).toContain('--> Dockerfile:2:5')
    expect(result.stderr).toContain('127.0.0.1:1/x: connection refused')
    expect(result.stderr).toContain('--> Dockerfile:3:5')
    expect(result.stderr).toContain('2 errors in Dockerfile')
    expect(result.stderr).not.toContain('hunter2')
  })

  it('names both digests when the checksum is another', async () => {
    const result = await build(`FROM scratch\nADD --checksum=${digestOf('x')} ${server.url}/dir/f.txt /f\n`)
    expect(result.status).toBe(1)
    expect(result.stderr).toContain(`the content is ${digestOf('hello\n')}, not ${digestOf('x')}`)
  })

  it('asks the web nothing for --check', async () => {
    const context = ws.context('context', { Dockerfile: `FROM scratch\nADD ${server.url}/none /a\n` })
    expect(await ws.start('build', '--check', context).ended).toMatchObject({ status: 0 })
    expect(server.log).toEqual([])
  })

  it('takes a file whose name has wildcards, and packed content as what it is', async () => {
    server.handlers.set('/a%2A%5Bb%5D', file(gzipSync('hello'), { 'content-encoding': 'gzip' }))
    await ok(`FROM scratch\nADD ${server.url}/a%2A%5Bb%5D /d/\n`)
    expect(read('d/a*[b]')).toBe('hello')
  })
})
