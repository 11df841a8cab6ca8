// What the maps of a process say about where it is.
import { expect, it } from 'vitest'
import { userNamespaceOf } from '../../src/sys/user-namespace.ts'

it('knows the namespace of the machine', () => {
  const all = '         0          0 4294967295\n'
  expect(userNamespaceOf('user:[4026531837]', all, all)).toEqual({
    isInitial: true,
    recordsOwners: false,
    hasTtyGroup: true,
    overlayXattrs: 'trusted',
  })
})

it('is not fooled by a container that has all ids', () => {
  const all = '0 0 4294967295\n'
  expect(userNamespaceOf('user:[4026532700]', all, all)).toEqual({
    isInitial: false,
    recordsOwners: false,
    hasTtyGroup: true,
    overlayXattrs: 'user',
  })
})

it('takes a kernel that says nothing for one without user namespaces', () => {
  expect(userNamespaceOf('', '', '').isInitial).toBe(true)
})

it('knows ranges of ids', () => {
  const map = '         0       1000          1\n         1     100000      65536\n'
  expect(userNamespaceOf('user:[4026532700]', map, map)).toEqual({
    isInitial: false,
    recordsOwners: false,
    hasTtyGroup: true,
    overlayXattrs: 'user',
  })
})

it('records owners where there is a single user or a single group', () => {
  const one = '         0       1000          1\n'
  const many = '         0       1000          1\n         1     100000      65536\n'
  const of = (uids: string, gids: string) => userNamespaceOf('user:[4026532700]', uids, gids)
  const recorded = [of(one, one), of(many, one), of(one, many)]
  expect(recorded.map(({ recordsOwners }) => recordsOwners)).toEqual([true, true, true])
})
