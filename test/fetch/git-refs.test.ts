// What refs of git repositories mean, over a real git and a real server.
import { describe, expect, it } from 'vitest'
import { gitRig } from './git-rig.ts'

const rig = gitRig()
const { find } = rig

describe('refs', () => {
  it('are branches, tags, annotated tags and whatever has its full name; none is the default branch', async () => {
    const first = rig.repository.commit({ f: '1' })
    rig.repository.git('tag', 'light')
    rig.repository.git('tag', '-a', '-m', 'x', 'heavy')
    const tag = rig.repository.git('rev-parse', 'heavy')
    rig.repository.git('update-ref', 'refs/pull/7/head', first)
    rig.repository.git('checkout', '-q', '-b', 'dev/x')
    const second = rig.repository.commit({ f: '2' })
    rig.repository.git('checkout', '-q', 'main')
    expect(await find()).toEqual({ commit: first, ref: 'refs/heads/main' })
    expect(await find('main')).toEqual({ commit: first, ref: 'refs/heads/main' })
    expect(await find('dev/x')).toEqual({ commit: second, ref: 'refs/heads/dev/x' })
    expect(await find('light')).toEqual({ commit: first, ref: 'refs/tags/light' })
    expect(await find('heavy')).toEqual({ commit: first, ref: 'refs/tags/heavy', tag })
    expect(await find('refs/tags/heavy')).toEqual({ commit: first, ref: 'refs/tags/heavy', tag })
    for (const ref of ['refs/pull/7/head', 'pull/7/head']) {
      expect(await find(ref)).toEqual({ commit: first, ref: 'refs/pull/7/head' })
    }
  })

  it('are first branches, then tags; a pattern is none', async () => {
    rig.repository.commit({ f: '1' })
    rig.repository.git('tag', 'both')
    rig.repository.git('checkout', '-q', '-b', 'both')
    const branch = rig.repository.commit({ f: '2' })
    expect(await find('both')).toMatchObject({ commit: branch, ref: 'refs/heads/both' })
    await expect(find('bot*')).rejects.toMatchObject({ code: 'ERR_GIT_REF' })
  })

  it.each([
    ['mian', 'did you mean the branch main?'],
    ['v1.1', 'did you mean the tag v1.0?'],
    ['abc1234', 'a commit is named by all 40 digits of its id'],
    ['something', 'it has main, v1.0'],
  ])('that are not there, as %s, are not found: %s', async (ref, hint) => {
    rig.repository.commit({ f: '1' })
    rig.repository.git('tag', 'v1.0')
    await expect(find(ref)).rejects.toMatchObject({
      code: 'ERR_GIT_REF',
      message: `repository ${rig.remote} does not contain ref ${ref}`,
      hint,
    })
  })

  it('of an empty repository are none', async () => {
    await expect(find()).rejects.toMatchObject({ code: 'ERR_GIT_REF' })
  })
})
