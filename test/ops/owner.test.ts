import { describe, expect, it } from 'vitest'
import { resolveOwner } from '../../src/ops/copy/owner.ts'

const files: Record<string, string> = {
  '/etc/passwd': 'root:x:0:0::/root:/bin/sh\nbroken\napp:x:1000:1001::/:\n1234:x:7:8::/:\nbad:x:a:b\n',
  '/etc/group': 'root:x:0:\nstaff:x:50:app\n',
}
const read = async (path: string) => (files[path] === undefined ? undefined : Buffer.from(files[path]))

describe('resolveOwner', () => {
  it.each([
    ['app', 1000, 1001],
    ['app:staff', 1000, 50],
    ['app:7', 1000, 7],
    ['55', 55, 55],
    ['55:66', 55, 66],
    ['+5:007', 5, 7],
    ['55:staff', 55, 50],
    ['1234', 1234, 1234],
    ['root', 0, 0],
    ['0:root', 0, 0],
    [':staff', 0, 50],
    ['4294967294', 4294967294, 4294967294],
  ])('%s is %i:%i', async (owner, uid, gid) => {
    expect(await resolveOwner(owner, read)).toEqual({ uid, gid })
  })

  it.each(['nobody', 'app:nogroup', 'bad', 'app:', '4294967295', '-1'])('refuses %s', async (owner) => {
    await expect(resolveOwner(owner, read)).rejects.toMatchObject({ code: 'ERR_OWNER_UNKNOWN' })
  })

  it('knows numbers and root without any files', async () => {
    const none = async () => undefined
    expect(await resolveOwner('root:5', none)).toEqual({ uid: 0, gid: 5 })
    await expect(resolveOwner('app', none)).rejects.toMatchObject({ code: 'ERR_OWNER_UNKNOWN' })
  })
})
