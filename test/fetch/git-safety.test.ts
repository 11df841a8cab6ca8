// Git repositories: what is shut out, and that credentials reach the host they are for and nothing else.
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GitFetcherOptions } from '../../src/fetch/git.ts'
import { testContext } from '../ops/support/context.ts'
import { gitRig } from './git-rig.ts'

const rig = gitRig()
const { fetcher, find, tree } = rig

describe('what is shut out', () => {
  it('is the user: no configuration, no hook, no filter, no credential helper', async () => {
    const home = join(rig.root, 'home')
    mkdirSync(join(home, 'hooks'), { recursive: true })
    const touch = (name: string): string => `touch ${join(rig.root, name)}`
    writeFileSync(join(home, 'hooks/post-checkout'), `#!/bin/sh\n${touch('hooked')}\n`, { mode: 0o755 })
    const config = [
      `[core]\n hooksPath = ${home}/hooks\n askPass = ${touch('asked')}`,
      `[credential]\n helper = "!${touch('helped')}"`,
      `[filter "f"]\n smudge = "${touch('smudged')}; cat"`,
      `[url "file:///"]\n insteadOf = http://`,
    ]
    writeFileSync(join(home, '.gitconfig'), config.join('\n'))
    const commit = rig.repository.commit({ '.gitattributes': '* filter=f', f: 'x' })
    const environment = {
      ...process.env,
      HOME: home,
      GIT_CONFIG_GLOBAL: join(home, '.gitconfig'),
      GIT_ASKPASS: touch('asked'),
    }
    expect((await tree({ commit }, { environment })).list).toContain('f 644 x')
    rig.server.authorization = 'nobody'
    await expect(find('main', { environment })).rejects.toMatchObject({ code: 'ERR_GIT_UNAUTHORIZED' })
    expect(readdirSync(rig.root).filter((name) => /hooked|asked|helped|smudged/.test(name))).toEqual([])
  })

  it.each([
    ['ext::sh -c touch% MARKER', 'ERR_GIT_PROTOCOL'],
    ['file:///etc', 'ERR_GIT_PROTOCOL'],
    ['/etc', 'ERR_GIT_PROTOCOL'],
    ['--upload-pack=touch MARKER', 'ERR_GIT_PROTOCOL'],
  ])('is the address %s', async (address) => {
    const marker = join(rig.root, 'marker')
    const source = { remote: address.replace('MARKER', marker) }
    await expect(fetcher().resolve(source, testContext())).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_GIT_/),
    })
    expect(readdirSync(rig.root)).not.toContain('marker')
  })

  it('is a ref that looks like an option', async () => {
    rig.repository.commit({ f: '1' })
    await expect(find('--upload-pack=touch /tmp/slipway-marker')).rejects.toMatchObject({
      code: 'ERR_GIT_REF',
    })
  })
})

describe('credentials', () => {
  const basic = (text: string): string => `basic ${Buffer.from(text).toString('base64')}`
  const from = (secrets: Readonly<Record<string, string>>) => ({ secret: async (id: string) => secrets[id] })

  it('are secrets, those of the host first, else what the address says', async () => {
    const commit = rig.repository.commit({ f: '1' })
    const host = new URL(rig.server.url).host
    const cases: [string, Partial<GitFetcherOptions>][] = [
      [basic('x-access-token:T'), from({ GIT_AUTH_TOKEN: 'T' })],
      ['Bearer H', from({ GIT_AUTH_HEADER: 'Bearer H', GIT_AUTH_TOKEN: 'T' })],
      ['Bearer H', from({ [`GIT_AUTH_HEADER.${host}`]: 'Bearer H', GIT_AUTH_TOKEN: 'T' })],
      [basic('x-access-token:own'), from({ [`GIT_AUTH_TOKEN.${host}`]: 'own', GIT_AUTH_HEADER: 'other' })],
    ]
    for (const [authorization, options] of cases) {
      rig.server.authorization = authorization
      expect(await find('main', options)).toMatchObject({ commit })
    }
    rig.server.authorization = basic('me:p@ss')
    rig.remote = rig.remote.replace('//', '//me:p%40ss@')
    expect(await find()).toMatchObject({ commit })
    expect((await tree({ commit })).list).toEqual(['f 644 1'])
  })

  it('are missing, or wrong: the failure says what to give, and nothing of what was given', async () => {
    rig.repository.commit({ f: '1' })
    rig.server.authorization = 'other'
    rig.remote = rig.remote.replace('//', '//me:hunter2@')
    for (const options of [{}, from({ GIT_AUTH_TOKEN: 'hunter2' })]) {
      const failure = await find('main', options).catch((thrown: unknown) => thrown)
      expect(failure).toMatchObject({
        code: 'ERR_GIT_UNAUTHORIZED',
        hint: expect.stringContaining('GIT_AUTH_TOKEN'),
      })
      expect(JSON.stringify(failure) + String(failure)).not.toContain('hunter2')
    }
  })

  it('are in none of the files that are kept', async () => {
    const commit = rig.repository.commit({ f: '1' })
    rig.server.authorization = basic('me:hunter2')
    rig.remote = rig.remote.replace('//', '//me:hunter2@')
    const { directory } = await tree({ commit, keepGitDir: true, ref: 'refs/heads/main' })
    for (const place of [directory, join(rig.root, 'cache')]) {
      for (const name of readdirSync(place, { recursive: true, encoding: 'utf8' })) {
        if (!lstatSync(join(place, name)).isFile()) continue
        expect(readFileSync(join(place, name), 'latin1'), name).not.toMatch(/hunter2|authorization/i)
      }
    }
  })
})
