// Records of owners and devices, as the helper writes them and as a step might forge them.
import { describe, expect, it } from 'vitest'
import { isUnpackedXattr, isWrittenXattr } from '../../src/layer/layer-xattrs.ts'
import { recordedIn, recordOf } from '../../src/layer/recorded.ts'
import { recordXattr } from '../../src/sys/user-namespace.ts'

const read = (text: string) =>
  recordedIn([
    ['user.other', Buffer.from('1:1')],
    [recordXattr, Buffer.from(text)],
  ])

it('reads owners and devices', () => {
  expect(read('1000:0')).toEqual({ uid: 1000, gid: 0 })
  expect(read('0:6:b:8:1:660')).toEqual({
    uid: 0,
    gid: 6,
    device: { type: 'block', major: 8, minor: 1, mode: 0o660 },
  })
  expect(read('0:0:c:1:3:666')).toEqual({
    uid: 0,
    gid: 0,
    device: { type: 'char', major: 1, minor: 3, mode: 0o666 },
  })
  expect(recordedIn([])).toBeUndefined()
})

describe('what is no record says nothing', () => {
  const forged = [
    '',
    '1',
    '1:',
    ':1',
    '-1:0',
    '1:1:',
    '1:1:p:0:0',
    '1:1:c:1',
    '4294967295:0',
    '1:1\n',
    ' 1:1',
    '1:1:c:1:3:9',
  ]
  it.each([...forged, '0'.repeat(200)])('%j', (text) => {
    expect(read(text)).toBeUndefined()
  })
})

it('never travels in layers', () => {
  expect([isWrittenXattr(recordXattr), isUnpackedXattr(recordXattr)]).toEqual([false, false])
})

describe('a record counts only', () => {
  const of = (text: string, type: string, size: number, recordsOwners: boolean, isInitial = false) =>
    recordOf(
      { type, size, mode: 0o600, uid: 0 },
      { isInitial, recordsOwners, hasTtyGroup: true, overlayXattrs: 'user' },
      () => [[recordXattr, Buffer.from(text)]],
    )
  const [owner, device] = ['5:6', '0:6:b:8:1:660']

  it('in a user namespace', () => {
    expect([of(owner, 'file', 0, true, true), of(device, 'file', 0, false, true)]).toEqual([
      undefined,
      undefined,
    ])
  })

  it('or of a whiteout, which the root of a machine may be unable to make, too', () => {
    const whiteout = '0:0:c:0:0:0'
    for (const isInitial of [true, false])
      expect(of(whiteout, 'file', 0, false, isInitial)).toMatchObject({ device: { major: 0, minor: 0 } })
    expect(of(whiteout, 'file', 1, false, true)).toBeUndefined()
  })

  it('of a device in an empty file', () => {
    expect(of(device, 'file', 0, false)).toMatchObject({ device: { major: 8, minor: 1 } })
    const forged = [
      of(device, 'file', 1, true),
      of(device, 'file', 1, false),
      of(device, 'directory', 0, true),
    ]
    expect(forged).toEqual([undefined, undefined, undefined])
  })

  it("of a device in a file that is root's alone", () => {
    const namespace = {
      isInitial: false,
      recordsOwners: false,
      hasTtyGroup: true,
      overlayXattrs: 'user',
    } as const
    const by = (mode: number, uid: number) =>
      recordOf({ type: 'file', size: 0, mode, uid }, namespace, () => [[recordXattr, Buffer.from(device)]])
    expect([by(0o600, 1000), by(0o666, 0), by(0o4600, 0)]).toEqual([undefined, undefined, undefined])
    expect(by(0o600, 0)?.device?.mode).toBe(0o660)
  })

  it('of an owner where owners are recorded', () => {
    const known = { uid: 5, gid: 6 }
    expect([of(owner, 'file', 1, true), of(owner, 'directory', 4096, true)]).toEqual([known, known])
    expect([of(owner, 'file', 0, false), of(owner, 'directory', 0, false)]).toEqual([undefined, undefined])
    expect(of(owner, 'symlink', 3, true)).toBeUndefined()
  })
})
