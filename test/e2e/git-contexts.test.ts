// Git repositories as contexts in every form of their addresses, fetched over HTTP and SSH, by several builds at once.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type GitServer, gitServer, type TestRepository, testRepository } from '../support/git-server.ts'
import { tool, type Workspace, workspace } from './support/slipway.ts'
import { tarBuilds } from './support/tar-builds.ts'

let ws: Workspace
let server: GitServer
let repository: TestRepository
let url: string
/** The commits: the tag v1 and the branch dev, a pull request, the branch main. */
const commits: Record<'first' | 'pulled' | 'last', string> = { first: '', pulled: '', last: '' }

beforeEach(async () => {
  ws = workspace()
  const served = join(ws.directory, 'served')
  server = await gitServer(served)
  repository = testRepository(served, 'a.git')
  url = `${server.url}/a.git`
  const dockerfile = 'FROM scratch\nCOPY . /\n'
  commits.first = repository.commit({
    Dockerfile: dockerfile,
    f: '1',
    'sub/dir/Dockerfile': dockerfile,
    'sub/dir/g': '1',
  })
  repository.git('branch', 'dev/x')
  repository.git('tag', '-a', '-m', 'x', 'v1')
  repository.git('checkout', '-q', '--detach')
  commits.pulled = repository.commit({ f: 'pulled', 'sub/dir/g': 'pulled' })
  repository.git('update-ref', 'refs/pull/7/head', commits.pulled)
  repository.git('checkout', '-q', 'main')
  commits.last = repository.commit({ f: '3', 'sub/dir/g': '3' })
})

afterEach(async () => {
  ws[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
})

const { build, ok, read } = tarBuilds(() => ws)
const names = (): string[] => tool('tar', ['-tf', join(ws.directory, 'out.tar')]).split('\n')
const filled = (text: string): string =>
  text.replace(/\{(\w+)\}/g, (_, name: keyof typeof commits) => commits[name])

describe('the address of a repository', () => {
  it.each([
    ['', 'f', '3'],
    ['#main', 'f', '3'],
    ['#dev/x', 'f', '1'],
    ['#v1', 'f', '1'],
    ['#refs/tags/v1', 'f', '1'],
    ['#refs/heads/dev/x', 'f', '1'],
    ['#refs/pull/7/head', 'f', 'pulled'],
    ['#pull/7/head', 'f', 'pulled'],
    ['#{first}', 'f', '1'],
    ['#{pulled}:sub/dir', 'g', 'pulled'],
    ['#:sub/dir', 'g', '3'],
    ['#:/sub/../sub/dir/', 'g', '3'],
    ['#v1:sub/dir', 'g', '1'],
    ['?ref=v1', 'f', '1'],
    ['?tag=v1', 'f', '1'],
    ['?branch=dev/x', 'f', '1'],
    ['?branch=refs/heads/dev/x', 'f', '1'],
    ['?ref=refs/pull/7/head&subdir=sub/dir', 'g', 'pulled'],
    ['?subdir=sub/dir', 'g', '3'],
    ['?commit={last}', 'f', '3'],
    ['?checksum={last}&branch=main', 'f', '3'],
    ['?ref={first}&checksum={first}', 'f', '1'],
    ['?ref=v1&ref-free=1', undefined, 'unexpected query "ref-free"'],
    ['?fetch-by-commit=true&commit={pulled}', 'f', 'pulled'],
    ['?fetch-by-commit&ref={first}', 'f', '1'],
    ['?keep-git-dir=1#v1', 'f', '1'],
    ['?submodules=0&mtime=commit', 'f', '3'],
    ['?tag=v1&branch=main', undefined, 'branch conflicts with tag'],
    ['?ref=v1#main', undefined, 'ref conflicts: "main" vs "v1"'],
    ['?subdir=a#:b', undefined, 'subdir conflicts: "b" vs "a"'],
    ['?ref=v1&ref=main', undefined, 'query "ref" has multiple values'],
    ['?tag=', undefined, 'query "tag" has no value'],
    ['?mtime=never', undefined, 'invalid mtime value: "never"'],
    ['?keep-git-dir=maybe', undefined, 'invalid keepGitDir value|invalid keep-git-dir value'],
    ['?commit=xyz', undefined, 'expected hex commit hash'],
    ['?fetch-by-commit=1&ref=main', undefined, 'fetch-by-commit requires'],
    ['#v1:../../etc', undefined, 'is not a directory in it'],
    ['?ref=--upload-pack=touch%20planted', undefined, 'it must not begin with -'],
    ['#{first}0', undefined, 'does not contain ref'],
  ])('%s', async (suffix, path, expected) => {
    const result = await build(url + filled(suffix))
    if (path === undefined) {
      expect(result.status).toBe(1)
      expect(result.stderr).toMatch(new RegExp(expected))
      expect(result.stderr).not.toMatch(/^ +at /m)
    } else {
      expect(result.stderr).not.toContain('ERROR')
      expect(read(path)).toBe(expected)
    }
    expect(tool('ls', ['-R', ws.directory])).not.toContain('planted')
  })

  it('says what stays of .git and of submodules', async () => {
    const module = testRepository(join(ws.directory, 'served'), 'm.git')
    const inner = module.commit({ inner: 'i' })
    repository.git('config', '-f', '.gitmodules', 'submodule.m.path', 'm')
    repository.git('config', '-f', '.gitmodules', 'submodule.m.url', '../m.git')
    repository.git('update-index', '--add', '--cacheinfo', `160000,${inner},m`)
    repository.git('add', '.gitmodules')
    repository.git('commit', '-q', '-m', 'x')
    await ok(url)
    expect(read('m/inner')).toBe('i')
    expect(names().some((name) => name.includes('.git/'))).toBe(false)
    await ok(`${url}?submodules=false&keep-git-dir=true`)
    expect(names()).not.toContain('m/inner')
    expect(names()).toContain('.git/HEAD')
  })
})

describe('several builds', () => {
  it('of one repository at once all end well', async () => {
    const suffixes = ['#main', '#v1', '#refs/pull/7/head', '?subdir=sub/dir', '#main', '?keep-git-dir=1']
    const results = await Promise.all(
      suffixes.map((suffix, index) => ws.start('build', '-t', `i${index}`, url + suffix).ended),
    )
    for (const { status, stderr } of results) expect(stderr + status).toMatch(/0$/)
  })

  it('keep one bare repository per remote, which has no more than what was asked for', async () => {
    await ok(`${url}#v1`)
    await ok(`${url}#main:sub/dir`)
    const kept = tool('sh', ['-c', 'ls -d "$0"/store-v1/git/*/HEAD', ws.root]).trim().split('\n')
    expect(kept).toHaveLength(1)
    const [head = ''] = kept
    const objects = tool('git', [
      '--git-dir',
      head.slice(0, -'/HEAD'.length),
      'for-each-ref',
      '--format=%(objectname)',
    ])
    expect(objects).toContain(commits.last)
    expect(objects).not.toContain(commits.pulled)
  })
})

describe('SSH', () => {
  /** Stands for ssh: notes how it was called, and runs here what it was to run there. */
  function fakeSsh(): { readonly log: string; readonly env: NodeJS.ProcessEnv } {
    const bin = join(ws.directory, 'bin')
    const log = join(ws.directory, 'ssh.log')
    mkdirSync(bin)
    writeFileSync(
      join(bin, 'ssh'),
      `#!/bin/sh\nprintf '%s\\n' "agent $SSH_AUTH_SOCK" "$@" >> '${log}'\nfor last; do :; done\nexec sh -c "$last"\n`,
    )
    chmodSync(join(bin, 'ssh'), 0o755)
    return { log, env: { PATH: `${bin}:${process.env.PATH}`, SSH_AUTH_SOCK: join(ws.directory, 'agent') } }
  }

  it('is used with the agent that is there and none of the set-up of the user', async () => {
    const { log, env } = fakeSsh()
    Object.assign(ws.env, env)
    const agent = createServer().listen(join(ws.directory, 'agent'))
    await new Promise((done) => agent.once('listening', done))
    try {
      await ok(`git@example.invalid:${repository.path}#v1`)
      expect(read('f')).toBe('1')
      const called = readFileSync(log, 'utf8')
      expect(called).toContain(`agent ${join(ws.directory, 'agent')}\n-F\n/dev/null\n`)
      expect(called).toContain('StrictHostKeyChecking=accept-new')
      expect(called).toMatch(/\ngit@example\.invalid\n.*git-upload-pack/)
      await ok(`ssh://git@example.invalid:2222${repository.path}?tag=v1&subdir=sub/dir`)
      expect(read('g')).toBe('1')
      expect(readFileSync(log, 'utf8')).toContain('\n-p\n2222\n')
    } finally {
      agent.close()
    }
  })

  it('has no agent that nobody gave it, and says what is missing', async () => {
    const { log, env } = fakeSsh()
    Object.assign(ws.env, { PATH: env.PATH })
    delete ws.env.SSH_AUTH_SOCK
    await ok(`git@example.invalid:${repository.path}`)
    expect(readFileSync(log, 'utf8')).toMatch(/^agent \n/)
    const ssh = join(ws.directory, 'bin/ssh')
    writeFileSync(ssh, '#!/bin/sh\necho "git@x: Permission denied (publickey)." >&2\nexit 255\n')
    const result = await build(`git@example.invalid:${repository.path}x`)
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('the host accepts none of the keys it was shown')
    expect(result.stderr).toContain('--ssh default')
  })
})
