// The destination rules of COPY.
import { type CopyRow, describeCopies, dirLines, testRows } from './support/copies.ts'

const rows: readonly CopyRow[] = [
  [
    'a directory brings its contents (20.10)',
    { sources: ['dir'], destination: '/new/deep' },
    'new',
    ['new/deep/ 755 0:0', ...dirLines('new/deep/')],
  ],
  [
    'a trailing slash changes nothing for a directory',
    { sources: ['dir'], destination: '/new/deep/' },
    'new',
    ['new/deep/ 755 0:0', ...dirLines('new/deep/')],
  ],
  [
    'a directory merges into an existing one; what is nested gets the source’s metadata (20.10)',
    { sources: ['dir'], destination: '/existing' },
    'existing',
    [
      'existing/a 644 0:0 a',
      'existing/a2 644 0:0 a',
      'existing/keep 644 0:0 k',
      'existing/la link 0:0 -> a',
      'existing/sub/ 750 0:0',
      'existing/sub/b 4755 0:0 b',
    ],
  ],
  [
    'a link to a directory is followed (20.10)',
    { sources: ['ldir'], destination: '/ld' },
    'ld',
    dirLines('ld/'),
  ],
  [
    'a link to a file is followed and keeps its own name (20.10)',
    { sources: ['lfile'], destination: '/lf/' },
    'lf',
    ['lf/lfile 644 0:0 a'],
  ],
  [
    'a file goes into an existing directory',
    { sources: ['one'], destination: '/existing' },
    'existing',
    ['existing/keep 644 0:0 k', 'existing/one 644 0:0 1', 'existing/sub/ 711 5:6'],
  ],
  [
    'the destination’s links are followed (20.10)',
    { sources: ['one'], destination: '/linkdir/' },
    'existing',
    ['existing/keep 644 0:0 k', 'existing/one 644 0:0 1', 'existing/sub/ 711 5:6'],
  ],
  [
    'absolute links stay in the root',
    { sources: ['one'], destination: '/absolute/' },
    'existing/sub',
    ['existing/sub/one 644 0:0 1'],
  ],
  [
    'links upwards stay in the root',
    { sources: ['one'], destination: '/escape/x' },
    'existing',
    ['existing/keep 644 0:0 k', 'existing/sub/ 711 5:6', 'existing/x 644 0:0 1'],
  ],
  [
    'a dangling link’s target is made (20.10)',
    { sources: ['one'], destination: '/dangling' },
    'nowhere',
    ['nowhere/deep 644 0:0 1'],
  ],
  [
    'a file is renamed without trailing slash',
    { sources: ['one'], destination: '/a/b/c' },
    'a',
    ['a/b/ 755 0:0', 'a/b/c 644 0:0 1'],
  ],
  [
    'a file keeps its name with a trailing slash',
    { sources: ['one'], destination: '/a/b/c/' },
    'a',
    ['a/b/ 755 0:0', 'a/b/c/ 755 0:0', 'a/b/c/one 644 0:0 1'],
  ],
  [
    'a destination ending in /. is a directory',
    { sources: ['one'], destination: '/a/.' },
    'a',
    ['a/one 644 0:0 1'],
  ],
  [
    'several files go into a directory',
    { sources: ['one', 'two.txt'], destination: '/m/' },
    'm',
    ['m/one 644 0:0 1', 'm/two.txt 644 0:0 2'],
  ],
  [
    'a wildcard selects by name',
    { sources: ['*.txt'], destination: '/w/' },
    'w',
    ['w/three.txt 644 0:0 3', 'w/two.txt 644 0:0 2'],
  ],
  ['a wildcard that means one file renames it', { sources: ['tw*.txt'], destination: '/w' }, '', []],
  [
    'directories by wildcard bring their contents (20.10)',
    { sources: ['di*'], destination: '/multi/' },
    'multi',
    [...dirLines('multi/').slice(0, 2), 'multi/c 644 0:0 c', ...dirLines('multi/').slice(2)],
  ],
  [
    'wildcards in directories do not follow links',
    { sources: ['*/b*', '*/*/b'], destination: '/w/' },
    'w',
    ['w/b 4755 0:0 b'],
  ],
  [
    'a wildcard without match makes nothing (20.10)',
    { sources: ['nothing*'], destination: '/nothing/' },
    'nothing',
    [],
  ],
]

describeCopies((under) => testRows(under, rows))
