// Records of owners and devices, as the helper writes them and as a step might forge them.
import { describe, expect, it } from 'vitest'
import { isUnpackedXattr, isWrittenXattr } from '../../src/layer/layer-xattrs.ts'
import { recordedIn, recordXattr } from '../../src/layer/recorded.ts'

const read = (text: string) =>
  recordedIn([
    ['user.other', Buffer.from('1:1')],
    [recordXattr, Buffer.from(text)],
  ])

it('reads owners and devices', () => {
  expect(read('1000:0')).toEqual({ uid: 1000, gid: 0 })
  expect(read('0:6:b:8:1')).toEqual({ uid: 0, gid: 6, device: { type: 'block', major: 8, minor: 1 } })
  expect(read('0:0:c:1:3')).toEqual({ uid: 0, gid: 0, device: { type: 'char', major: 1, minor: 3 } })
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
