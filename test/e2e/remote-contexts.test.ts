// Build contexts that are fetched: git repositories, archives and Dockerfiles behind URLs, as the main context and as named
// ones, against servers on this machine.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type GitServer, gitServer, type TestRepository, testRepository } from '../support/git-server.ts'
import { file } from '../support/web-server.ts'
import { executable, finish, missing, tool, type Workspace, workspace } from './support/slipway.ts'
import { tarBuilds } from './support/tar-builds.ts'

let ws: Workspace
let server: GitServer
let repository: TestRepository
let url: string

beforeEach(async () => {
  ws = workspace({ TOKEN: 'hunter2' })
  server = await gitServer(join(ws.directory, 'served'))
  repository = testRepository(join(ws.directory, 'served'), 'a.git')
  url = `${server.url}/a.git`
})

afterEach(async () => {
  ws[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
})

const { build, ok, read } = tarBuilds(() => ws)

const names = (): string[] =>
  tool('tar', ['-tf', join(ws.directory, 'out.tar')])
    .split('\n')
    .filter((name) => name !== '' && name !== './' && !/\.git\/./.test(name))

/** An archive of these files, compressed by the program. */
function archive(files: Readonly<Record<string, string>>, program?: string): Buffer {
  const directory = ws.context('packed', files)
  const path = join(ws.directory, 'packed.tar')
  const compress = program === undefined ? [] : ['-I', program]
  tool('tar', [...compress, '-C', directory, '-cf', path, ...Object.keys(files)])
  return Buffer.from(tool('base64', ['-w0', path]), 'base64')
}

describe('a git repository as the context', () => {
  it('gives its Dockerfile and its files, to which no ignore file applies', async () => {
    repository.commit({ Dockerfile: 'FROM scratch\nCOPY . /\n', '.dockerignore': 'f', f: 'x' })
    await ok(url)
    expect(names()).toEqual(['.dockerignore', 'Dockerfile', 'f'])
  })

  it('may be a ref, a directory of it, a file of another name, or a Dockerfile from here', async () => {
    repository.commit({
      'sub/Dockerfile': 'FROM scratch\nCOPY f /\n',
      'sub/f': 'old',
      'sub/other': 'FROM scratch\nCOPY f /o\n',
    })
    repository.git('tag', 'v1')
    const second = repository.commit({ 'sub/f': 'new' })
    await ok(`${url}#v1:sub`)
    expect(read('f')).toBe('old')
    await ok(`${url}?ref=main&subdir=sub&commit=${second.slice(0, 7)}`)
    expect(read('f')).toBe('new')
    await ok('-f', 'other', `${url}#main:sub`)
    expect(names()).toEqual(['o'])
    writeFileSync(join(ws.directory, 'df'), 'FROM scratch\nCOPY sub/f /piped\n')
    const command = [executable, 'build', '-o', 'type=tar,dest=out.tar', '-f', '-', `${url}#${second}`]
    const piped = await finish('sh', ['-c', 'cd "$0" && exec "$@" < df', ws.directory, ...command], ws.env)
    expect(piped).toMatchObject({ status: 0 })
    expect(read('piped')).toBe('new')
  })

  it("keeps .git and has the commit's times where the build args say so", async () => {
    repository.commit({ Dockerfile: 'FROM scratch\nCOPY . /d\n', f: 'x' }, 1_234_567_890)
    await ok(
      '--build-arg',
      'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1',
      '--build-arg',
      'SOURCE_DATE_EPOCH=2000000000',
      url,
    )
    expect(names()).toContain('d/.git/')
    const text = tool('tar', ['--utc', '--full-time', '-tvf', join(ws.directory, 'out.tar'), 'd/f'])
    expect(text).toContain('2009-02-13 23:31:30')
  })

  it('is found again until its branch moves', async () => {
    repository.commit({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: '1' })
    await ok(url)
    expect((await ok(url)).stderr).toMatch(/COPY f \/\n#\d+ CACHED/)
    repository.commit({ f: '2' })
    await ok(url)
    expect(read('f')).toBe('2')
  })

  it('answers --check and --call', async () => {
    repository.commit({ Dockerfile: 'FROM scratch AS one\nfrom scratch AS two\n' })
    const checked = await ws.start('build', '--check', url).ended
    expect(checked.stdout + checked.stderr).toContain('ConsistentInstructionCasing')
    const targets = await ws.start('build', '--call=targets,format=json', url).ended
    expect(JSON.parse(targets.stdout)).toMatchObject({
      targets: [{ name: 'one' }, { name: 'two', default: true }],
    })
  })

  it('is fetched with a secret that nobody sees', async () => {
    repository.commit({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' })
    server.authorization = `basic ${Buffer.from('x-access-token:hunter2').toString('base64')}`
    const refused = await build(url)
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('--secret id=GIT_AUTH_TOKEN')
    await ok('--secret', 'id=GIT_AUTH_TOKEN,env=TOKEN', url)
    const withUser = url.replace('//', '//x-access-token:hunter2@')
    const result = await ok('--no-cache', withUser)
    expect(result.stderr + tool('sh', ['-c', 'grep -rl hunter2 "$0" || true', ws.root])).not.toMatch(
      /hunter2|state/,
    )
  })

  it.each([
    ['#nothing', 'does not contain ref nothing'],
    ['#main:none', '"none" is not a directory in it'],
    ['#-x', 'it must not begin with -'],
    ['?commit=abcdef', 'expected checksum to match abcdef'],
    ['?bogus=1', 'unexpected query "bogus"'],
    ['', 'open Dockerfile Dockerfile in'],
    ['#main:link', 'link is a symbolic link'],
  ])('that is %j is refused: %s', async (suffix, text) => {
    repository.commit({ f: 'x', link: '-> /etc' })
    const result = await build(`${url}${suffix}`)
    expect(result.status).toBe(1)
    expect(result.stderr).toContain(text)
    expect(result.stderr).not.toContain('    at ')
  })

  it('whose Dockerfile is a link is read inside of it only', async () => {
    writeFileSync(join(ws.directory, 'outside'), 'FROM scratch\nLABEL canary=1\n')
    repository.commit({
      Dockerfile: `-> ${join(ws.directory, 'outside')}`,
      'd/real': 'FROM scratch\nCOPY d /\n',
      ok: '-> d/real',
    })
    const result = await build(url)
    expect(result.status).toBe(1)
    expect(result.stderr).not.toContain('canary')
    await ok('-f', 'ok', url)
    expect(names()).toEqual(['real'])
  })
})

describe('a URL as the context', () => {
  const files = { Dockerfile: 'FROM scratch\nCOPY . /\n', 'd/f': 'x' }

  for (const program of [undefined, 'gzip', 'zstd', 'bzip2', 'xz']) {
    const needed = program ?? 'tar'
    it.skipIf(missing(needed) !== undefined)(
      `is an archive when it begins as one (needs ${needed})`,
      async () => {
        server.handlers.set('/ctx', file(archive(files, program), { etag: '"1"' }))
        await ok(`${server.url}/ctx`)
        expect(names()).toEqual(['Dockerfile', 'd/', 'd/f'])
        await ok(`${server.url}/ctx`)
        expect(server.log).toEqual(['GET /ctx 200', 'GET /ctx 304'])
      },
    )
  }

  it('is a Dockerfile when it is text, which is then the one file of the context', async () => {
    server.handlers.set('/Dockerfile', file('FROM scratch\nCOPY context /copied\n'))
    await ok(`${server.url}/Dockerfile`)
    expect(read('copied')).toBe('FROM scratch\nCOPY context /copied\n')
  })

  it('may have its Dockerfile elsewhere in the archive', async () => {
    server.handlers.set('/ctx', file(archive({ 'd/df': 'FROM scratch\nCOPY d /\n' })))
    await ok('-f', 'd/df', `${server.url}/ctx`)
    expect(names()).toEqual(['df'])
    const result = await build(`${server.url}/ctx`)
    expect(result.stderr).toContain('open Dockerfile Dockerfile in')
  })

  it('stays inside of itself whatever the archive says', async () => {
    const evil = join(ws.directory, 'evil')
    mkdirSync(evil)
    tool('sh', [
      '-c',
      'cd "$0" && ln -s "$1" out && printf "FROM scratch\nCOPY . /\n" > Dockerfile && tar -cf a.tar Dockerfile out && rm out && mkdir out && echo x > out/planted && tar -rf a.tar out/planted',
      evil,
      ws.directory,
    ])
    server.handlers.set('/ctx', file(Buffer.from(tool('base64', ['-w0', join(evil, 'a.tar')]), 'base64')))
    await build(`${server.url}/ctx`)
    expect(tool('ls', [ws.directory])).not.toContain('planted')
  })

  it('that is not there or wrong is one line', async () => {
    const result = await build(`${server.url.replace('//', '//me:hunter2@')}/none`)
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('404 not found')
    expect(result.stderr).not.toMatch(/hunter2|^ +at /m)
  })
})

describe('named contexts', () => {
  const dockerfile = (text: string): string => ws.context('main', { Dockerfile: text })

  it('may be repositories: for COPY --from, as a base, in place of a stage', async () => {
    repository.commit({ f: 'git' })
    await ok('--build-context', `src=${url}#main`, dockerfile('FROM scratch\nCOPY --from=src f /copied\n'))
    expect(read('copied')).toBe('git')
    await ok('--build-context', `src=${url}`, dockerfile('FROM src\nCOPY Dockerfile /\n'))
    expect(names()).toEqual(['Dockerfile', 'f'])
    await ok(
      '--build-context',
      `dep=${url}`,
      dockerfile('FROM none AS dep\nRUN false\nFROM scratch\nCOPY --from=dep / /\n'),
    )
    expect(names()).toEqual(['f'])
  })

  it('may be URLs: their one file is called context', async () => {
    server.handlers.set('/file.txt', file('web'))
    await ok(
      '--build-context',
      `web=${server.url}/file.txt`,
      dockerfile('FROM scratch\nCOPY --from=web context /f\n'),
    )
    expect(read('f')).toBe('web')
  })

  it('are not fetched when nothing uses them, and named when they cannot be', async () => {
    await ok('--build-context', `src=${server.url}/none.git`, dockerfile('FROM scratch\nCOPY Dockerfile /\n'))
    expect(server.log).toEqual([])
    const result = await build(
      '--build-context',
      `src=${server.url}/none.git`,
      dockerfile('FROM scratch\nCOPY --from=src f /\n'),
    )
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('there is no such repository')
    const wrong = await build('--build-context', `src=${url}?bogus=1`, dockerfile('FROM scratch\n'))
    expect(wrong.stderr).toContain('unexpected query "bogus"')
  })
})
