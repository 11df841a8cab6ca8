// Copies that are refused, and what is said of them.
import { expect, it } from 'vitest'
import { describeCopies } from './support/copies.ts'
import { type CopyInput, copy, writeTree } from './support/rig.ts'

const failures: readonly [title: string, action: CopyInput, code: string, message: RegExp][] = [
  [
    'a missing source',
    { sources: ['tow.txt'], destination: '/x' },
    'ERR_COPY_NOT_FOUND',
    /^COPY failed: "\/tow.txt": not found/,
  ],
  [
    'a directory over a file',
    { sources: ['dir'], destination: '/plain' },
    'ERR_COPY_NOT_DIRECTORY',
    /cannot copy to non-directory: "\/plain"/,
  ],
  [
    'a directory below a file',
    { sources: ['one'], destination: '/plain/x' },
    'ERR_COPY_NOT_DIRECTORY',
    /not a directory: "\/plain"/,
  ],
  [
    'a destination that loops',
    { sources: ['one'], destination: '/loop' },
    'ERR_COPY_LINK_LOOP',
    /symbolic links/,
  ],
  [
    'an unknown owner',
    { sources: ['one'], destination: '/x', owner: 'nobody' },
    'ERR_OWNER_UNKNOWN',
    /unable to find user "nobody"/,
  ],
  [
    'a missing path of --parents',
    { sources: ['dir/nope'], destination: '/x/', parents: true },
    'ERR_COPY_NOT_FOUND',
    /"\/dir\/nope": not found/,
  ],
  [
    'a bad pattern',
    { sources: ['[a'], destination: '/x/' },
    'ERR_COPY_PATTERN',
    /syntax error in pattern "\[a"/,
  ],
]

describeCopies((under) => {
  const { run } = under

  it.each(failures)('refuses %s', async (_title, action, code, message) => {
    await expect(run(copy(action))).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('refuses a file where a directory is', async () => {
    writeTree(under.rig.context, { 'clash/sub': 'file' })
    const action = copy({ sources: ['clash'], destination: '/existing' })
    await expect(run(action)).rejects.toMatchObject({ code: 'ERR_COPY_OVER_DIRECTORY' })
  })

  it('says that a name is near, or that it is ignored', async () => {
    await expect(run(copy({ sources: ['tow.txt'], destination: '/x' }))).rejects.toMatchObject({
      hint: 'did you mean "/two.txt"?',
    })
    const ignored = under.rig.run(
      under.base,
      [under.rig.local(['*.txt'])],
      [copy({ sources: ['two.txt'], destination: '/x' })],
    )
    await expect(ignored).rejects.toMatchObject({
      hint: expect.stringContaining('.dockerignore excludes it'),
    })
  })

  it('refuses names that would be whiteouts', async () => {
    writeTree(under.rig.context, { 'wh/.wh.etc': '' })
    await expect(run(copy({ sources: ['wh'], destination: '/' }))).rejects.toMatchObject({
      code: 'ERR_COPY_RESERVED_NAME',
    })
  })
})
