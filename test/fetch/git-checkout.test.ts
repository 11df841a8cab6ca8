// What a checkout of a git repository holds, whatever was fetched before.
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { gitServer, testRepository } from '../support/git-server.ts'
import { gitRig } from './git-rig.ts'

const rig = gitRig()
const { find, tree } = rig

describe('a checkout', () => {
  it('has the files of the commit with the modes of git and nothing else', async () => {
    const commit = rig.repository.commit({
      'run.sh': '#',
      'd/f': 'x',
      link: '-> d/f',
      '.gitignore': 'd',
      'ü\n': 'u',
    })
    const { list: files, directory } = await tree({ commit })
    expect(files).toEqual(['.gitignore 644 d', 'd/', 'd/f 644 x', 'link -> d/f', 'run.sh 755 #', 'ü\n 644 u'])
    expect(lstatSync(join(directory, 'd')).mode & 0o777).toBe(0o755)
  })

  it('of an earlier commit is fetched alone, from a host of the old protocol with everything else', async () => {
    const first = rig.repository.commit({ f: '1' })
    rig.repository.commit({ f: '2' })
    const old = join(rig.root, 'old')
    mkdirSync(old)
    for (const directory of [join(rig.root, 'cache'), old]) {
      rig.server.isOld = directory === old
      expect((await tree({ commit: first }, { directory })).list).toEqual(['f 644 1'])
    }
    const [cached = ''] = readdirSync(join(rig.root, 'cache')).filter((name) => !name.endsWith('.lock'))
    expect(readFileSync(join(rig.root, 'cache', cached, 'shallow'), 'utf8')).toBe(`${first}\n`)
  })

  it('of what was fetched before asks nobody', async () => {
    const commit = rig.repository.commit({ f: '1' })
    await tree({ commit })
    await rig.server[Symbol.asyncDispose]()
    expect((await tree({ commit })).list).toEqual(['f 644 1'])
    rig.server = await gitServer(join(rig.root, 'served'))
  })

  it('is of the commit that was found although the branch has moved, and of commits that only a pull request has', async () => {
    const first = rig.repository.commit({ f: '1' })
    rig.repository.commit({ f: '2' })
    expect((await tree({ commit: first, ref: 'refs/heads/main' })).list).toEqual(['f 644 1'])
    rig.repository.git('checkout', '-q', '--detach')
    const pulled = rig.repository.commit({ f: '3' })
    rig.repository.git('update-ref', 'refs/pull/1/head', pulled)
    rig.repository.git('checkout', '-q', 'main')
    expect((await tree({ commit: pulled, ref: 'refs/pull/1/head' })).list).toEqual(['f 644 3'])
  })

  it('is not of a commit that is not there', async () => {
    rig.repository.commit({ f: '1' })
    for (const fetchByCommit of [true, false]) {
      await expect(tree({ commit: '1'.repeat(40), fetchByCommit })).rejects.toMatchObject({
        code: 'ERR_GIT_COMMIT',
        message: expect.stringContaining(`it does not have commit ${'1'.repeat(40)}`),
      })
    }
  })

  it('may be of a repository whose ids are longer', async () => {
    const other = testRepository(join(rig.root, 'served'), 'long.git', 'sha256')
    const commit = other.commit({ f: 'long' })
    rig.remote = `${rig.server.url}/long.git`
    expect(commit).toHaveLength(64)
    expect(await find()).toMatchObject({ commit })
    expect((await tree({ commit })).list).toEqual(['f 644 long'])
  })

  it('of an empty tree is empty', async () => {
    expect((await tree({ commit: rig.repository.commit({}) })).list).toEqual([])
  })

  it('may be a directory of it, reached through no link', async () => {
    const commit = rig.repository.commit({ 'a/b/f': 'x', link: '-> a', file: 'y' })
    expect((await tree({ commit, subdir: 'a/b' })).list).toEqual(['f 644 x'])
    expect((await tree({ commit, subdir: 'a/b', keepGitDir: true })).list).toEqual(['f 644 x'])
    for (const [subdir, why] of [
      ['a/c', 'c is missing'],
      ['link/b', 'link is a symbolic link'],
      ['file', 'file is no directory'],
    ] as const) {
      await expect(tree({ commit, subdir })).rejects.toMatchObject({
        code: 'ERR_GIT_SUBDIR',
        message: expect.stringContaining(why),
      })
    }
  })

  it('may have the time of the commit everywhere, whose parents are not there', async () => {
    rig.repository.commit({ f: 'before' })
    const commit = rig.repository.commit({ 'd/f': 'x', link: '-> nowhere' }, 1_234_567_890)
    const { directory } = await tree({ commit, mtime: 'commit' })
    for (const path of ['', 'd', 'd/f', 'link']) {
      expect(lstatSync(join(directory, path)).mtimeMs).toBe(1_234_567_890_000)
    }
  })

  it('may keep its repository, with the name it was found by and nothing of ours', async () => {
    rig.repository.commit({ f: '1' })
    const commit = rig.repository.commit({ f: '2' })
    rig.repository.git('tag', '-a', '-m', 'x', 'heavy')
    const tag = rig.repository.git('rev-parse', 'heavy')
    const { directory } = await tree({ commit, keepGitDir: true, ref: 'refs/tags/heavy', tag })
    const git = (...args: string[]): string => rig.git(directory, args)
    expect(git('status', '--porcelain')).toBe('')
    expect(git('rev-parse', 'HEAD')).toBe(commit)
    expect(git('for-each-ref')).toBe(`${tag} tag\trefs/tags/heavy`)
    expect(git('rev-list', '--count', 'HEAD')).toBe('1')
    expect(git('config', 'remote.origin.url')).toBe(rig.remote)
    const inside = readdirSync(join(directory, '.git'), { recursive: true, encoding: 'utf8' })
    expect(inside.filter((name) => /hooks|FETCH_HEAD|alternates/.test(name))).toEqual([])
    expect(git('config', '--list', '--local')).not.toContain(rig.root)
    expect(readdirSync(join(directory, '.git'))).not.toContain('logs')
  })
})

describe('what a crash has left', () => {
  const kept = (): string => {
    const [name = ''] = readdirSync(join(rig.root, 'cache')).filter((one) => /^[0-9a-f]{64}$/.test(one))
    return join(rig.root, 'cache', name)
  }

  /** Runs the program on every file of the kept repository's objects. */
  const damage = (act: readonly string[]): void => {
    execFileSync('find', [join(kept(), 'objects'), '-type', 'f', '-exec', ...act, '{}', '+'])
  }

  it('are locks, which stop nobody', async () => {
    const first = rig.repository.commit({ f: '1' })
    const second = rig.repository.commit({ f: '2' })
    await tree({ commit: first })
    for (const name of ['shallow.lock', 'packed-refs.lock', `refs/slipway/${second}.lock`]) {
      writeFileSync(join(kept(), name), '')
    }
    expect((await tree({ commit: second })).list).toEqual(['f 644 2'])
  })

  it('are damaged files, which are fetched again', async () => {
    const first = rig.repository.commit({ f: '1', 'd/g': 'x' })
    const second = rig.repository.commit({ f: '2' })
    await tree({ commit: first })
    for (const act of [
      ['truncate', '-s', '0'],
      ['truncate', '-s', '30'],
      ['rm', '-f'],
    ]) {
      damage(act)
      expect((await tree({ commit: first })).list).toEqual(['d/', 'd/g 644 x', 'f 644 1'])
    }
    damage(['truncate', '-s', '0'])
    expect((await tree({ commit: second })).list).toEqual(['d/', 'd/g 644 x', 'f 644 2'])
  })
})

describe('submodules', () => {
  const withModule = (url: string): string => {
    rig.repository.git('config', '-f', '.gitmodules', 'submodule.m.path', 'm')
    rig.repository.git('config', '-f', '.gitmodules', 'submodule.m.url', url)
    const module = testRepository(join(rig.root, 'served'), 'b.git')
    const commit = module.commit({ inner: 'i' })
    module.commit({ inner: 'later' })
    rig.repository.git('update-index', '--add', '--cacheinfo', `160000,${commit},m`)
    mkdirSync(join(rig.repository.path, 'm'))
    writeFileSync(join(rig.repository.path, 'f'), '1')
    rig.repository.git('add', 'f', '.gitmodules')
    rig.repository.git('commit', '-q', '-m', 'x')
    return rig.repository.git('rev-parse', 'HEAD')
  }

  it('come with it, without the links to their repositories, unless they are not wanted', async () => {
    const commit = withModule('../b.git')
    const files = (await tree({ commit })).list.filter((line) => !line.startsWith('.gitmodules'))
    expect(files).toEqual(['f 644 1', 'm/', 'm/inner 644 i'])
    const without = (await tree({ commit, submodules: false })).list
    expect(without.filter((line) => line.startsWith('m'))).toEqual(['m/'])
    const kept = await tree({ commit, keepGitDir: true })
    expect(readFileSync(join(kept.directory, 'm/.git'), 'utf8')).toBe('gitdir: ../.git/modules/m\n')
    expect(rig.git(kept.directory, ['submodule', 'status'])).not.toMatch(/^[-+]/)
  })

  it.each([
    ['ext::sh -c touch% HERE', /ext.*not allowed/],
    ['file://HERE', /file.*not allowed/],
    ['HERE', /file.*not allowed/],
  ])('never come from %s', async (url, message) => {
    const marker = join(rig.root, 'marker')
    const commit = withModule(
      url.replace('HERE', url.startsWith('ext') ? marker : join(rig.root, 'served/b.git')),
    )
    await expect(tree({ commit })).rejects.toMatchObject({ message: expect.stringMatching(message) })
    expect(readdirSync(rig.root)).not.toContain('marker')
  })
})
