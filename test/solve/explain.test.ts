import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { keyId } from '../../src/solve/cache-key.ts'
import { explain } from '../../src/solve/explain.ts'
import type { CacheKey } from '../../src/solve/types.ts'

const key: CacheKey = {
  version: 1,
  op: {
    kind: 'file',
    base: 0,
    actions: [
      { kind: 'mkdir', path: '/a', mode: 0o755 },
      {
        kind: 'copy',
        from: 1,
        sources: ['x', 'y'],
        destination: '/',
        exclude: [],
        parents: false,
        unpack: false,
        instruction: 'COPY',
      },
    ],
  } as CacheKey['op'],
  inputs: [digestOf('base'), digestOf('content')],
}

test('without an earlier key it is the first time', () => {
  expect(explain(undefined, key)).toEqual([{ kind: 'first' }])
})

test('an unchanged key was evicted', () => {
  expect(explain(structuredClone(key), key)).toEqual([{ kind: 'evicted' }])
})

test('names exactly the input that changed', () => {
  fc.assert(
    fc.property(fc.nat(1), fc.string(), (index, text) => {
      const now = digestOf(`new ${text}`)
      const inputs = key.inputs.map((input, i) => (i === index ? now : input))
      expect(explain(key, { ...key, inputs })).toEqual([
        { kind: 'input', input: index, was: key.inputs[index], now },
      ])
    }),
  )
})

test('names exactly the field that changed, wherever it is', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('actions.0.path', 'actions.0.mode', 'actions.1.sources.1', 'base'),
      (path) => {
        const changed = structuredClone(key)
        const names = path.split('.')
        let at = changed.op as unknown as Record<string, unknown>
        for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>
        const last = names.at(-1) ?? ''
        const was = at[last]
        at[last] = 'changed'
        const field = path.replace(/\.(\d+)/g, '[$1]')
        expect(explain(key, changed)).toEqual([{ kind: 'op', field, was, now: 'changed' }])
        expect(keyId(changed)).not.toBe(keyId(key))
      },
    ),
  )
})

test('an added or removed input has only one side', () => {
  expect(explain(key, { ...key, inputs: key.inputs.slice(0, 1) })).toEqual([
    { kind: 'input', input: 1, was: key.inputs[1] },
  ])
})
