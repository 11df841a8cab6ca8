// Build contexts on standard input: a Dockerfile, an archive in every compression, and what is neither. And Dockerfiles that
// are not in the context.
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { file, type WebServer, webServer } from '../support/web-server.ts'
import {
  executable,
  type Finished,
  missing,
  tool,
  type Workspace,
  watch,
  workspace,
} from './support/slipway.ts'

let ws: Workspace

beforeEach(() => {
  ws = workspace()
})

afterEach(() => {
  ws[Symbol.dispose]()
})

/** Runs slipway with these bytes on standard input. */
function pipe(input: Buffer | string, ...args: readonly string[]): Promise<Finished> {
  const child = spawn(executable, ['build', '--progress=plain', '-o', 'type=tar,dest=out.tar', ...args], {
    env: ws.env,
    cwd: ws.directory,
    stdio: 'pipe',
  })
  // Who knows enough need not read to the end.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return watch(child).ended
}

async function ok(input: Buffer | string, ...args: readonly string[]): Promise<Finished> {
  const result = await pipe(input, ...args)
  expect(result.stderr).not.toContain('ERROR')
  expect(result.status).toBe(0)
  return result
}

async function refused(input: Buffer | string, ...args: readonly string[]): Promise<string> {
  const result = await pipe(input, ...args)
  expect(result.status).toBe(1)
  expect(result.stderr).toContain('ERROR')
  expect(result.stderr).not.toMatch(/^ +at /m)
  return result.stderr
}

const listing = (...options: readonly string[]): string[] =>
  tool('tar', [...options, '-tf', join(ws.directory, 'out.tar')])
    .split('\n')
    .filter((name) => name !== '' && name !== './')

const read = (path: string): string => tool('tar', ['-xOf', join(ws.directory, 'out.tar'), path])

/** A tar of a directory's content, made with these options. */
function tar(directory: string, ...options: readonly string[]): Buffer {
  const text = tool('sh', ['-c', 'cd "$0" && tar "$@" -c . | base64 -w0', directory, ...options])
  return Buffer.from(text, 'base64')
}

const dockerfile = 'FROM scratch\nCOPY . /d/\n'

describe('an archive on standard input', () => {
  for (const [name, needed, ...options] of [
    ['plain', 'tar'],
    ['gzip', 'gzip', '-z'],
    ['bzip2', 'bzip2', '-j'],
    ['xz', 'xz', '-J'],
    ['zstd', 'zstd', '--zstd'],
    ['gnu', 'tar', '--format=gnu'],
    ['ustar', 'tar', '--format=ustar'],
    ['pax with times', 'tar', '--format=pax'],
    ['v7', 'tar', '--format=v7'],
  ] as const) {
    it.skipIf(missing(needed) !== undefined)(`is the context: ${name} (needs ${needed})`, async () => {
      const context = ws.context('c', { Dockerfile: dockerfile, 'sub/f': 'x', '.dockerignore': 'sub' })
      await ok(tar(context, ...options), '-')
      // No ignore file applies, as in BuildKit.
      expect(listing()).toEqual(['d/', 'd/.dockerignore', 'd/Dockerfile', 'd/sub/', 'd/sub/f'])
    })
  }

  it('keeps the owners and modes of its files', async () => {
    const context = ws.context('c', { Dockerfile: dockerfile, f: 'x' })
    await ok(tar(context, '--owner=1000', '--group=1001', '--numeric-owner', '--mode=a=r,u+s'), '-')
    expect(listing('-v', '--numeric-owner').find((line) => line.endsWith('d/f'))).toMatch(
      /^-r-Sr--r-- 1000\/1001 /,
    )
  })

  it('has the Dockerfile where --file says, as a path in it', async () => {
    const context = ws.context('c', {
      'sub/df': dockerfile,
      'other/Dockerfile': 'FROM scratch\nCOPY sub /s\n',
    })
    await ok(tar(context), '-f', 'sub/df', '-')
    expect(listing()).toContain('d/sub/df')
    await ok(tar(context), '-f', './other/../other/Dockerfile', '-')
    expect(listing()).toEqual(['s/', 's/df'])
    await ok(tar(context), '-f', '/sub/df', '-')
    expect(listing()).toContain('d/sub/df')
    expect(await refused(tar(context), '-')).toMatch(
      /open Dockerfile Dockerfile in the archive on standard input: no such file\n[\s\S]*--file/,
    )
  })

  it('may have a Dockerfile in lower case, or a link to it, but none that leads out', async () => {
    writeFileSync(join(ws.directory, 'outside'), 'FROM scratch\nLABEL canary=1\n')
    const lower = ws.context('lower', { 'x/dockerfile': dockerfile })
    await ok(tar(lower), '-f', 'x/Dockerfile', '-')
    const linked = ws.context('linked', { 'x/real': dockerfile })
    symlinkSync('x/real', join(linked, 'Dockerfile'))
    await ok(tar(linked), '-')
    const out = ws.context('out', { f: '' })
    symlinkSync('../outside', join(out, 'Dockerfile'))
    symlinkSync(join(ws.directory, 'outside'), join(out, 'absolute'))
    for (const args of [['-'], ['-f', 'absolute', '-'], ['-f', '../outside', '-']]) {
      const text = await refused(tar(out), ...args)
      expect(text).toContain('no such file')
      expect(text).not.toContain('canary')
    }
  })

  it('is known again by its content', async () => {
    const context = ws.context('c', { Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'x' })
    await ok(tar(context), '-')
    const again = await ok(tar(context, '-z'), '-')
    expect(again.stderr).toMatch(/COPY f \/\n#\d+ CACHED/)
    writeFileSync(join(context, 'f'), 'y')
    await ok(tar(context), '-')
    expect(read('f')).toBe('y')
  })

  it('answers --check and --call without root, and an image comes of it', async () => {
    const context = ws.context('c', { Dockerfile: 'FROM scratch AS one\nfrom scratch AS two\nCOPY . /\n' })
    expect((await pipe(tar(context), '--check', '-')).stdout).toContain('ConsistentInstructionCasing')
    const targets = await pipe(tar(context), '--call=targets,format=json', '-')
    expect(JSON.parse(targets.stdout)).toMatchObject({ targets: [{ name: 'one' }, { name: 'two' }] })
  })

  it('may be the context of a Dockerfile from elsewhere', async () => {
    await using server = await webServer({ '/df': file('FROM scratch\nCOPY f /from-url\n') })
    const context = ws.context('c', { f: 'x' })
    await ok(tar(context), '-f', `${server.url}/df`, '-')
    expect(listing()).toEqual(['from-url'])
  })

  it('that is cut off is refused', async () => {
    const context = ws.context('c', { Dockerfile: dockerfile, f: 'x'.repeat(100_000) })
    const whole = tar(context)
    const cut = whole.subarray(0, whole.indexOf('xxxx') + 1000)
    expect(await refused(cut, '-')).toMatch(/truncated|cut off|unexpected end|ends/i)
    const packed = gzipSync(whole)
    expect(await refused(packed.subarray(0, packed.length - 20), '-')).toMatch(/gzip/)
  })
})

describe('an evil archive on standard input', () => {
  const evil = async (script: string): Promise<string> => {
    const directory = join(ws.directory, 'evil')
    mkdirSync(directory)
    writeFileSync(join(ws.directory, 'canary'), 'untouched')
    writeFileSync(join(directory, 'Dockerfile'), dockerfile)
    tool('sh', ['-c', `cd "$0" && ${script}`, directory, ws.directory])
    const result = await pipe(Buffer.from(tool('base64', ['-w0', join(directory, 'a.tar')]), 'base64'), '-')
    expect(tool('cat', [join(ws.directory, 'canary')])).toBe('untouched')
    expect(tool('ls', [ws.directory])).not.toContain('planted')
    expect(result.stderr).not.toMatch(/^ +at /m)
    return result.stderr
  }

  it.each([
    ['names that climb', 'echo x > f && tar -cPf a.tar --transform "s,^f,../../planted," Dockerfile f'],
    ['absolute names', 'echo x > f && tar -cPf a.tar --transform "s,^f,$1/planted," Dockerfile f'],
    [
      'a link out, and a file below it',
      'ln -s "$1" o && tar -cf a.tar Dockerfile o && rm o && mkdir o && echo x > o/planted && tar -rf a.tar o/planted',
    ],
    [
      'a link to a file outside, and a file in its place',
      'ln -s "$1/canary" o && tar -cf a.tar Dockerfile o && rm o && echo x > o && tar -rf a.tar o',
    ],
    [
      'a hard link to a file outside',
      'echo x > f && ln f g && tar -cPf a.tar --transform "flags=h;s,^f,../../canary," Dockerfile f g',
    ],
    ['a pipe as Dockerfile', 'rm Dockerfile && mkfifo Dockerfile && tar -cf a.tar Dockerfile'],
    ['a directory as Dockerfile', 'rm Dockerfile && mkdir Dockerfile && tar -cf a.tar Dockerfile'],
    ['a loop of links', 'rm Dockerfile && ln -s Dockerfile Dockerfile && tar -cf a.tar Dockerfile'],
  ])('stays inside of itself: %s', async (_name, script) => {
    await evil(script)
  })

  it.each([
    ['15 TiB of holes', 'truncate -s 15T f', /more than 68719476736 bytes of holes/],
    ['65 files of 1 GiB of holes each', 'for i in $(seq 65); do truncate -s 1G f$i; done', /bytes of holes/],
  ])('is refused when it would burst: %s', async (_name, files, message) => {
    expect(await evil(`${files} && tar --format=pax -cSf a.tar Dockerfile f*`)).toMatch(message)
    for (const name of ['ingest', 'active', 'snapshots'])
      expect(readdirSync(join(ws.root, 'store-v1', name)), name).toEqual([])
  })

  it('is refused when it announces more than follows', async () => {
    // The header of f says 8 GiB less one byte.
    const header = tool('sh', [
      '-c',
      `cd "$0" && : > f && printf 'FROM scratch\\n' > Dockerfile && tar --format=ustar -cf a.tar Dockerfile f && base64 -w0 a.tar`,
      ws.directory,
    ])
    const archive = Buffer.from(header, 'base64')
    archive.write('77777777777', 1024 + 124)
    archive.write('        ', 1024 + 148)
    const sum = archive.subarray(1024, 1536).reduce((total, byte) => total + byte, 0)
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 1024 + 148)
    const { status, stderr } = await pipe(archive, '-')
    expect(status).toBe(1)
    expect(stderr).toMatch(/cut off|ends|truncated/)
  })
})

describe('a Dockerfile on standard input', () => {
  it('has an empty context', async () => {
    await ok('FROM scratch\nCOPY . /d/\n', '-')
    expect(listing()).toEqual(['d/'])
    const text = await refused('FROM scratch\nCOPY f /\n', '-')
    expect(text).toContain('"/f": not found in the build context')
    expect(text).toContain('help: only a Dockerfile came on standard input')
    expect(text).toMatch(/<stdin>:2/)
  })

  it('may be short, empty, compressed or no text', async () => {
    await ok('FROM scratch\nLABEL a=b', '-')
    expect(await refused('', '-')).toContain('the Dockerfile cannot be empty')
    expect(await refused(gzipSync('FROM scratch\n'), '-')).toContain(
      'is compressed, but what is in it is no tar archive',
    )
    expect(await refused(Buffer.alloc(600, 'a\0'), '-')).toMatch(/UTF-16|no text/)
    expect(await refused(`#${'x'.repeat(17 << 20)}`, '-')).toContain('larger than 16 MiB')
  })

  it('cannot be in two places', async () => {
    expect(await refused('FROM scratch\n', '-f', '-', '-')).toContain(
      "can't use standard input for both build context and Dockerfile",
    )
    expect(await refused('FROM scratch\n', '-f', 'x', '-')).toContain('ambiguous Dockerfile source')
  })

  it('goes with a directory, whose ignore file counts', async () => {
    const context = ws.context('c', {
      f: 'x',
      g: 'y',
      '.dockerignore': 'g\n',
      'Dockerfile.dockerignore': 'f\n',
    })
    await ok(dockerfile, '-f', '-', context)
    expect(listing()).toEqual(['d/', 'd/.dockerignore', 'd/Dockerfile.dockerignore', 'd/f'])
  })
})

describe('a Dockerfile that is not in the context', () => {
  it('may be any file of this machine, with an ignore file beside it', async () => {
    const context = ws.context('c', { f: 'x', g: 'y', '.dockerignore': 'g\n' })
    const other = ws.context('elsewhere', { df: dockerfile })
    await ok('', '-f', join(other, 'df'), context)
    expect(listing()).toEqual(['d/', 'd/.dockerignore', 'd/f'])
    writeFileSync(join(other, 'df.dockerignore'), 'f\n')
    await ok('', '-f', 'elsewhere/df', context)
    expect(listing()).toEqual(['d/', 'd/.dockerignore', 'd/g'])
  })

  it('may be a URL, which has none', async () => {
    await using server: WebServer = await webServer({ '/d/file': file(dockerfile, { etag: '"1"' }) })
    const context = ws.context('c', { f: 'x', g: 'y', '.dockerignore': 'g\n' })
    await ok('', '-f', `${server.url}/d/file`, context)
    await ok('', '-f', `${server.url}/d/file`, context)
    expect(listing()).toEqual(['d/', 'd/.dockerignore', 'd/f'])
    expect(server.log).toEqual(['GET /d/file 200', 'GET /d/file 304'])
    expect(await refused('', '-f', `${server.url}/none`, context)).toContain('404 not found')
  })

  it('is one of this machine for a fetched context only if its path is absolute', async () => {
    const context = ws.context('c', { f: 'x' })
    await using server = await webServer({ '/c': file(tar(context)) })
    ws.context('elsewhere', { df: 'FROM scratch\nCOPY f /here\n' })
    await ok('', '-f', join(ws.directory, 'elsewhere/df'), `${server.url}/c`)
    expect(listing()).toEqual(['here'])
    expect(await refused('', '-f', 'elsewhere/df', `${server.url}/c`)).toContain('no such file')
    expect(await refused('', '-f', '/no/such/file', `${server.url}/c`)).toContain(
      'open Dockerfile /no/such/file',
    )
  })
})
