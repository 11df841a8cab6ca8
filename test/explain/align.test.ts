import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { align, type Recognised } from '../../src/explain/align.ts'

const step = (title: string, likeness = title, stage = 'app'): Recognised => ({
  stage,
  kind: title.startsWith('COPY') ? 'file' : 'exec',
  title,
  likeness,
})
const list = (...titles: string[]): Recognised[] => titles.map((title) => step(title))

describe('align', () => {
  test.each([
    ['nothing changed', ['RUN a', 'RUN b'], ['RUN a', 'RUN b'], [0, 1]],
    ['a step was put in between', ['RUN a', 'RUN b'], ['RUN a', 'RUN x', 'RUN b'], [0, undefined, 1]],
    ['a step was put in front', ['RUN a', 'RUN b'], ['RUN x', 'RUN a', 'RUN b'], [undefined, 0, 1]],
    ['a step was taken out', ['RUN a', 'RUN b', 'RUN c'], ['RUN a', 'RUN c'], [0, 2]],
    ['an instruction was changed', ['RUN a', 'RUN b'], ['RUN a2', 'RUN b'], [0, 1]],
    ['one became another kind', ['RUN a', 'RUN b'], ['COPY a', 'RUN b'], [undefined, 1]],
    ['two changed places', ['RUN a', 'COPY b'], ['COPY b', 'RUN a'], [1, undefined]],
  ])('when %s', (_name, was, now, expected) => {
    expect(align(list(...was), list(...now))).toEqual(expected)
  })

  test('never matches steps of different stages', () => {
    expect(align([step('RUN a', 'a', 'one')], [step('RUN a', 'a', 'two')])).toEqual([undefined])
  })

  test('finds an instruction that is the same although its op is not', () => {
    const was = [step('RUN a', '1'), step('RUN b', '2')]
    expect(align(was, [step('RUN b', '3'), step('RUN c', '4')])).toEqual([1, undefined])
  })

  test('finds all that is left when steps are put in or taken out anywhere', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(50), { maxLength: 20 }),
        fc.infiniteStream(fc.boolean()),
        (all, coin) => {
          const flip = (): boolean => coin.next().value === true
          const kept = all.map((n) => ({ n, inOld: flip(), inNew: flip() }))
          const was = kept.filter(({ inOld }) => inOld)
          const now = kept.filter(({ inNew }) => inNew)
          const found = align(
            list(...was.map(({ n }) => `RUN ${n}`)),
            list(...now.map(({ n }) => `RUN ${n}`)),
          )
          for (const [i, { n, inOld }] of now.entries()) if (inOld) expect(was[found[i] ?? -1]?.n).toBe(n)
          const used = found.filter((at) => at !== undefined)
          expect(used).toEqual([...new Set(used)].sort((a, b) => a - b))
        },
      ),
    ))

  test('goes by places where comparing everything would take too long', () => {
    const many = Array.from({ length: 2000 }, (_, i) => step(`RUN ${i}`))
    expect(align(many, many)).toEqual(many.map((_, i) => i))
  })
})
