import { describe, expect, it } from 'vitest'
import { keyed } from '../../src/graph/keyed.ts'
import type { ExecMount, OpOf } from '../../src/graph/op.ts'

type CacheMount = Extract<ExecMount, { kind: 'cache' }>

function cache(change: Partial<CacheMount>): CacheMount {
  const start = { mode: 0o755, uid: 0, gid: 0 }
  return { kind: 'cache', target: '/c/d', id: '//c/d', sharing: 'shared', start, readonly: false, ...change }
}

function opWith(...mounts: readonly ExecMount[]): OpOf<'exec'> {
  return {
    kind: 'exec',
    inputs: [],
    root: null,
    args: ['x'],
    env: [],
    cwd: '/',
    user: '',
    network: 'default',
    security: 'sandbox',
    hostname: '',
    mounts,
  }
}

describe('keyed', () => {
  it.each([['//c/d'], ['namespace//c/d'], ['/c/d']])(
    'leaves the id %s that a target gets by itself',
    (id) => {
      const op = opWith(cache({ id }))
      expect(keyed(op)).toEqual(op)
    },
  )

  it('forgets any other id and sharing, so that they may change', () => {
    const ops = [
      cache({ id: '/other' }),
      cache({ id: 'n/one/more' }),
      cache({ sharing: 'locked' }),
      cache({ sharing: 'private', id: '/x' }),
    ].map((mount) => keyed(opWith(mount)))
    for (const op of ops) expect(op).toEqual(ops[0])
    expect(ops[0]).not.toEqual(keyed(opWith(cache({}))))
  })

  it('keeps all else', () => {
    const mounts: ExecMount[] = [
      { kind: 'tmpfs', target: '/t', readonly: false },
      cache({ id: '/x', readonly: true, start: { input: 1, source: '/s' } }),
    ]
    expect(keyed(opWith(...mounts))).toEqual(
      opWith(...mounts.map((mount) => (mount.kind === 'cache' ? { ...mount, id: '' } : mount))),
    )
  })
})
