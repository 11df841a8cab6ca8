// ADD of git repositories from the command line to the image's tar, against git's http-backend on this machine.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type GitServer, gitServer, type TestRepository, testRepository } from '../support/git-server.ts'
import { tool, type Workspace, workspace } from './support/slipway.ts'
import { dockerfileBuilds } from './support/tar-builds.ts'

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

const { build, ok, read } = dockerfileBuilds(() => ws)

/** `mode owner/group name` of everything but the root; of `.git` only itself. */
function listed(): string[] {
  const lines = tool('tar', ['--numeric-owner', '-tvf', join(ws.directory, 'out.tar')]).split('\n')
  return lines.flatMap((line) => {
    const [, mode = '', owner = '', name = ''] = /^(\S+) (\S+) +\d+ \S+ \S+ (.*)$/.exec(line) ?? []
    return name === '' || name === './' || /\.git\/./.test(name) ? [] : [`${mode} ${owner} ${name}`]
  })
}

describe('ADD of a git repository', () => {
  it('copies the tree of the default branch, a ref, a tag, a commit and a directory', async () => {
    const first = repository.commit({ 'bin/run.sh': '#!', 'docs/guide': '1', link: '-> docs' })
    repository.git('tag', 'v1')
    repository.commit({ 'docs/guide': '2' })
    await ok(
      [
        'FROM scratch',
        `ADD ${url} /main/`,
        `ADD ${url}#v1:docs /tag`,
        `ADD ${url}?commit=${first}&ref=refs/tags/v1&subdir=docs /query/`,
        `ADD --chown=5:6 --chmod=700 ${url}#${first}:bin /commit/`,
      ].join('\n'),
    )
    expect(listed()).toEqual([
      'drwx------ 5/6 commit/',
      '-rwx------ 5/6 commit/run.sh',
      'drwxr-xr-x 0/0 main/',
      'drwxr-xr-x 0/0 main/bin/',
      '-rwxr-xr-x 0/0 main/bin/run.sh',
      'drwxr-xr-x 0/0 main/docs/',
      '-rw-r--r-- 0/0 main/docs/guide',
      'lrwxrwxrwx 0/0 main/link -> docs',
      'drwxr-xr-x 0/0 query/',
      '-rw-r--r-- 0/0 query/guide',
      'drwxr-xr-x 0/0 tag/',
      '-rw-r--r-- 0/0 tag/guide',
    ])
    expect(read('main/docs/guide') + read('tag/guide') + read('query/guide')).toBe('211')
  })

  it('keeps .git where it is asked to', async () => {
    repository.commit({ f: 'x' })
    await ok(
      `FROM scratch\nADD --keep-git-dir=true ${url}#main /a/\nADD ${url}?keep-git-dir=1 /b/\nADD ${url} /c/\n`,
    )
    expect(listed().filter((line) => line.includes('.git'))).toEqual([
      'drwxr-xr-x 0/0 a/.git/',
      'drwxr-xr-x 0/0 b/.git/',
    ])
    expect(read('a/.git/config')).toContain(`url = ${url}`)
  })

  it('runs nothing again until the branch moves, and asks nobody for a commit', async () => {
    const first = repository.commit({ f: '1' })
    const text = `FROM scratch\nADD ${url}#main /d/\n`
    await ok(text)
    expect((await ok(text)).stderr).toMatch(/ADD .*\/d\/\n#\d+ CACHED/)
    repository.commit({ f: '2' })
    await ok(text)
    expect(read('d/f')).toBe('2')
    server.log.splice(0)
    await ok(`FROM scratch\nADD ${url}#${first} /d/\n`)
    expect(read('d/f')).toBe('1')
    expect(server.log).toEqual([])
  })

  it('holds the commit to its checksum', async () => {
    const commit = repository.commit({ f: '1' })
    repository.git('tag', '-a', '-m', 'x', 'v1')
    const tag = repository.git('rev-parse', 'v1')
    await ok(
      `FROM scratch\nADD --checksum=${commit.slice(0, 8)} ${url}#main /a/\nADD --checksum=${tag} ${url}#v1 /b/\nADD ${url}?tag=v1&checksum=${commit} /c/\n`,
    )
    for (const ref of ['main', commit]) {
      const result = await build(`FROM scratch\nADD --checksum=abcdef0 ${url}#${ref} /a/\n`)
      expect(result.status).toBe(1)
      expect(result.stderr).toContain(
        `error[ChecksumMismatch]: expected checksum to match abcdef0, got ${commit}`,
      )
    }
  })

  it('sends a secret, and shows it to nobody', async () => {
    repository.commit({ f: 'mine' })
    server.authorization = `basic ${Buffer.from('x-access-token:hunter2').toString('base64')}`
    const text = `FROM scratch\nADD ${url} /d/\n`
    const refused = await build(text)
    expect(refused.stderr).toContain('the host asks for a user name and password')
    expect(refused.stderr).toContain('--> Dockerfile:2:5')
    const given = await ok(text, '--secret', 'id=GIT_AUTH_TOKEN,env=TOKEN')
    expect(read('d/f')).toBe('mine')
    writeFileSync(join(ws.directory, 'stderr'), given.stderr)
    const kept = tool('sh', [
      '-c',
      'grep -rlE "hunter2|eC1hY2Nlc3M" "$0" "$1" || true',
      ws.root,
      join(ws.directory, 'stderr'),
    ])
    expect(kept).toBe('')
  })

  it('reports at its line what cannot be had', async () => {
    repository.commit({ f: '1' })
    const result = await build(`FROM scratch\nADD ${url}#mian /a/\nADD ${server.url}/none.git /b/\n`)
    expect(result.status).toBe(1)
    expect(result.stderr).toContain(`error[UnresolvedSource]: repository ${url} does not contain ref mian`)
    expect(result.stderr).toContain('did you mean the branch main?')
    expect(result.stderr).toContain('there is no such repository')
    expect(result.stderr).toContain('--> Dockerfile:3:5')
    const missing = await build(`FROM scratch\nADD ${url}#main:nowhere /a/\n`)
    expect(missing.status).toBe(1)
    expect(missing.stderr).toContain('"nowhere" is not a directory in it')
  })
})
