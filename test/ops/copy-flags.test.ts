// COPY with --chown, --chmod, --exclude and --parents.
import { type CopyRow, describeCopies, dirLines, testRows } from './support/copies.ts'

const rows: readonly CopyRow[] = [
  [
    '--chown by name takes the group of the user (20.10)',
    { sources: ['dir2'], destination: '/own/x', owner: 'app' },
    'own',
    ['own/x/ 755 1000:1001', 'own/x/c 644 1000:1001 c'],
  ],
  [
    '--chown by number takes the same group (20.10)',
    { sources: ['dir2'], destination: '/own/x', owner: '55' },
    'own',
    ['own/x/ 755 55:55', 'own/x/c 644 55:55 c'],
  ],
  [
    '--chown with a group (20.10)',
    { sources: ['one'], destination: '/own/x/', owner: '55:grp' },
    'own',
    ['own/x/ 755 55:2000', 'own/x/one 644 55:2000 1'],
  ],
  [
    '--chown keeps set-uid',
    { sources: ['dir/sub'], destination: '/own/x', owner: '55' },
    'own/x',
    ['own/x/b 4755 55:55 b'],
  ],
  [
    '--chmod applies to files and directories',
    { sources: ['dir'], destination: '/mod/x', mode: '640' },
    'mod',
    ['mod/x/ 640 0:0', ...dirLines('mod/x/', '0:0', () => '640')],
  ],
  [
    '--chmod symbolic',
    { sources: ['dir'], destination: '/mod', mode: 'go=,u+rwX' },
    'mod',
    [
      'mod/a 600 0:0 a',
      'mod/a2 600 0:0 a',
      'mod/la link 0:0 -> a',
      'mod/sub/ 700 0:0',
      'mod/sub/b 4700 0:0 b',
    ],
  ],
  [
    '--exclude is relative to the copied directory',
    { sources: ['dir'], destination: '/e', exclude: ['a*', 'sub/b'] },
    'e',
    ['e/la link 0:0 -> a', 'e/sub/ 750 0:0'],
  ],
  [
    '--exclude with an exception keeps the way to it',
    { sources: ['dir'], destination: '/e', exclude: ['*', '!sub/b'] },
    'e',
    ['e/sub/ 750 0:0', 'e/sub/b 4755 0:0 b'],
  ],
  [
    '--exclude takes files a wildcard selected',
    { sources: ['*.txt'], destination: '/e/', exclude: ['two*'] },
    'e',
    ['e/three.txt 644 0:0 3'],
  ],
  [
    '--parents keeps the path',
    { sources: ['dir/sub/b', 'one'], destination: '/p/', parents: true },
    'p',
    ['p/dir/ 750 0:0', 'p/dir/sub/ 750 0:0', 'p/dir/sub/b 4755 0:0 b', 'p/one 644 0:0 1'],
  ],
  [
    '--parents keeps the path behind the pivot',
    { sources: ['dir/./sub/b'], destination: '/p/', parents: true },
    'p',
    ['p/sub/ 750 0:0', 'p/sub/b 4755 0:0 b'],
  ],
  [
    '--parents with ** and without match elsewhere',
    { sources: ['**/b'], destination: '/p/', parents: true },
    'p',
    ['p/dir/ 750 0:0', 'p/dir/sub/ 750 0:0', 'p/dir/sub/b 4755 0:0 b'],
  ],
  [
    '--parents of a directory brings all of it',
    { sources: ['dir2'], destination: '/p/', parents: true },
    'p',
    ['p/dir2/ 755 0:0', 'p/dir2/c 644 0:0 c'],
  ],
]

describeCopies((under) => testRows(under, rows))
