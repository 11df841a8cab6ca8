import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { destinationOf, joinWorkdir, sourceOf, sourceWithPivot } from '../../src/plan/paths.ts'

describe('paths', () => {
  it.each([
    ['', '/w/'],
    ['.', '/w/'],
    ['./', '/w/'],
    ['..', '/'],
    ['a', '/w/a'],
    ['a/', '/w/a/'],
    ['a/.', '/w/a/'],
    ['/a//b/../c/', '/a/c/'],
    ['/', '/'],
    ['/.', '/'],
    ['../../..', '/'],
    ['.hidden.', '/w/.hidden.'],
  ])('destination %j below /w is %s', (path, destination) => {
    expect(destinationOf('/w', path)).toBe(destination)
  })

  it.each([
    ['', '.'],
    ['.', '.'],
    ['/', '.'],
    ['/a/b/', 'a/b'],
    ['../../etc', 'etc'],
    ['a/../..', '.'],
    ['./*.txt', '*.txt'],
  ])('source %j is %s', (path, source) => {
    expect(sourceOf(path)).toBe(source)
  })

  it('keeps the pivot of --parents', () => {
    expect(sourceWithPivot('./a/b/./c//d')).toBe('a/b/./c/d')
    expect(sourceWithPivot('a/b')).toBe('a/b')
    expect(sourceWithPivot('/./a')).toBe('./././a'.slice(2))
  })

  it('never lets a source or destination leave its root', () => {
    const path = fc
      .array(fc.constantFrom('..', '.', 'a', '', 'b c', '...'), { maxLength: 8 })
      .map((parts) => parts.join('/'))
    fc.assert(
      fc.property(path, path, (a, b) => {
        expect(sourceOf(a).split('/')).not.toContain('..')
        expect(sourceOf(a).startsWith('/')).toBe(false)
        expect(destinationOf(`/${b}`, a).startsWith('/')).toBe(true)
        expect(destinationOf(`/${b}`, a).split('/')).not.toContain('..')
      }),
    )
  })

  it('keeps an absolute WORKDIR as written and joins a relative one', () => {
    expect(joinWorkdir('/a', '/b//c/')).toBe('/b//c/')
    expect(joinWorkdir('/a', 'b/../c')).toBe('/a/c')
    expect(joinWorkdir('', 'b')).toBe('/b')
    expect(joinWorkdir('/a', '')).toBe('/a')
  })
})
