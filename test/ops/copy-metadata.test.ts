// What COPY and the actions beside it keep, replace and say.
import { expect, it } from 'vitest'
import { testContext } from './support/context.ts'
import { describeCopies } from './support/copies.ts'
import { copy, treeTime, writeTree } from './support/rig.ts'

describeCopies((under) => {
  const { run } = under

  it('keeps times to the nanosecond and links between copied names', async () => {
    const result = await run(copy({ sources: ['dir'], destination: '/new' }))
    const nanoseconds = BigInt(treeTime.getTime()) * 1_000_000n
    for (const path of ['new', 'new/a', 'new/la', 'new/sub', 'new/sub/b']) {
      expect([path, under.rig.entry(result, path)?.mtimeNs]).toEqual([path, nanoseconds])
    }
    expect(under.rig.entry(result, 'new/a')?.linkGroup).toBeDefined()
    expect(under.rig.entry(result, 'new/a')?.linkGroup).toBe(under.rig.entry(result, 'new/a2')?.linkGroup)
  })

  it('keeps the metadata of an existing destination', async () => {
    const result = await run(copy({ sources: ['dir'], destination: '/existing', owner: '9', mode: '777' }))
    expect(under.rig.entry(result, 'existing')).toMatchObject({ mode: 0o700, uid: 5, gid: 6 })
  })

  it('replaces a file through a link and leaves the link', async () => {
    const result = await run(copy({ sources: ['one'], destination: '/linkfile' }))
    expect(under.rig.entry(result, 'linkfile')?.linkTarget).toBe('plain')
    expect(under.rig.list(result, '').filter((line) => line.startsWith('plain'))).toEqual(['plain 644 0:0 1'])
  })

  it('replaces links inside the destination instead of following them', async () => {
    writeTree(under.rig.context, { 'over/la': 'new', 'over/plain': 'p' })
    const target = await under.rig.layer({ 'd/la': '-> /etc', 'etc/passwd': 'safe' })
    const result = await under.rig.run(
      target,
      [under.rig.local()],
      [copy({ sources: ['over'], destination: '/d' })],
    )
    expect(under.rig.list(result)).toEqual([
      'd/ 755 0:0',
      'd/la 644 0:0 new',
      'd/plain 644 0:0 p',
      'etc/ 755 0:0',
      'etc/passwd 644 0:0 safe',
    ])
  })

  it('copies the whole context to the root', async () => {
    const result = await under.rig.run(
      null,
      [under.rig.local(['**', '!one'])],
      [copy({ sources: ['.'], destination: '/' })],
    )
    expect(under.rig.list(result)).toEqual(['one 644 0:0 1'])
  })

  it('lets later actions see earlier ones', async () => {
    const result = await run(
      { kind: 'mkdir', path: '/w/deep', mode: 0o755, owner: 'app' },
      copy({ sources: ['one'], destination: '/w/deep' }),
      { kind: 'mkfile', path: '/w/deep', name: 'EOF', mode: 0o600, content: 'ü' },
      { kind: 'mkfile', path: '/w/f/g', mode: 0o644, owner: '3:4', content: 'g' },
      { kind: 'mkdir', path: '/existing', mode: 0o755, owner: 'app' },
    )
    expect(under.rig.list(result, 'w')).toEqual([
      'w/deep/ 755 1000:1001',
      'w/deep/EOF 600 0:0 ü',
      'w/deep/one 644 0:0 1',
      'w/f/ 755 3:4',
      'w/f/g 644 3:4 g',
    ])
    expect(under.rig.entry(result, 'w')).toMatchObject({ uid: 1000, gid: 1001 })
    expect(under.rig.entry(result, 'existing')).toMatchObject({ uid: 5, mode: 0o700 })
  })

  it("makes a WORKDIR of a user nobody has created root's, and says so", async () => {
    const cx = testContext()
    const actions = ['nobody', 'app:nogroup'].map((owner, at) => {
      return { kind: 'mkdir', path: `/w${at}`, mode: 0o755, owner } as const
    })
    const result = await under.rig.run(under.base, [], actions, cx)
    expect(under.rig.entry(result, 'w0')).toMatchObject({ uid: 0, gid: 0 })
    expect(under.rig.entry(result, 'w1')).toMatchObject({ uid: 1000, gid: 0 })
    expect(cx.events.flatMap((event) => (event.type === 'log' ? [event.text] : []))).toEqual([
      expect.stringMatching(/^warning: unable to find user "nobody" .*\/etc\/passwd.*: \/w0 belongs to 0\n$/),
      expect.stringMatching(
        /^warning: unable to find group "nogroup" .*\/etc\/group.*: \/w1 belongs to 0\n$/,
      ),
    ])
  })

  it('says that one file was written over another', async () => {
    const cx = testContext()
    const result = await under.rig.run(
      null,
      [under.rig.local([])],
      [copy({ sources: ['*.txt', 'two.txt'], destination: '/w' })],
      cx,
    )
    expect(cx.events.flatMap((event) => (event.type === 'log' ? [event.text] : []))).toEqual([
      'warning: "three.txt" and "two.txt" both become "/w": only the last one stays\n',
    ])
    expect(under.rig.list(result)).toEqual(['w 644 0:0 2'])
  })
})
