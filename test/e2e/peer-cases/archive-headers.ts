// Builds that ADD archives: what headers say of a member, sparse files included.
import type { MadeMember } from '../../support/tar-maker.ts'
import { file, tar } from './archive-case.ts'
import type { PeerCases } from './case.ts'

/** Times, ids, names and attributes, in all ways there are to write them. */
export const headers: PeerCases = {
  'times before 1970': tar([
    { ...file, mtime: -1000 },
    { name: 'x/', type: '5', mtime: -1 },
  ]),
  'times far ahead': tar([
    { ...file, mtime: 5_000_000_000 },
    { ...file, name: 'g', mtime: 2 ** 33 },
  ]),
  'times beyond every clock': tar([{ ...file, mtime: 2 ** 40 }]),
  'times to the nanosecond': tar([{ ...file, pax: { mtime: '1234567890.123456789' } }]),
  'large ids': tar([
    { ...file, uid: 3_000_000, gid: 4_000_000 },
    { ...file, name: 'g', pax: { uid: '100000', gid: '200000' } },
  ]),
  'a long name of GNU': tar([{ name: '././@LongLink', type: 'L', body: `${'long/'.repeat(60)}f\0` }, file]),
  'a long link of GNU': tar([
    { name: '././@LongLink', type: 'K', body: `${'long/'.repeat(60)}f\0` },
    { name: 'l', type: '2', link: 'cut' },
  ]),
  'a long name of pax': tar([{ ...file, pax: { path: `${'long/'.repeat(60)}f`, linkpath: 'x' } }]),
  'a long link of pax': tar([{ name: 'l', type: '2', pax: { linkpath: `${'long/'.repeat(60)}f` } }]),
  'a name in ustar’s two parts': tar([{ ...file, raw: [[345, 'pre/fix']] }]),
  'a size of pax': tar([{ ...file, size: 0, pax: { size: '2' } }]),
  'an empty value of pax': tar([{ ...file, pax: { path: '', mtime: '' } }]),
  'unusual names': tar(
    ['a b', 'new\nline', 'caf\xe9', 'tab\t', '\x01', 'q\'"'].map((name) => ({ name, body: name })),
  ),
  'a capability': tar([
    {
      ...file,
      pax: { 'SCHILY.xattr.security.capability': '\x01\0\0\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' },
    },
  ]),
  'attributes where none can be': tar([
    { ...file, pax: { 'SCHILY.xattr.user.a': 'b', 'SCHILY.xattr.strange.name': 'x' } },
    { name: 'l', type: '2', link: 'f', pax: { 'SCHILY.xattr.user.a': 'b' } },
  ]),
}

/** A header of an old GNU sparse file: pairs of offset and length at 386, the real size at 483. */
function oldSparse(
  body: string,
  pieces: readonly (readonly [number, number])[],
  realSize: number,
): MadeMember {
  const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`
  const map = pieces.map(([offset, length]) => octal(offset) + octal(length)).join('')
  return {
    name: 'sparse',
    type: 'S',
    body,
    raw: [
      [257, 'ustar  \0'],
      [345, '\0'.repeat(41)],
      [386, map],
      [483, octal(realSize)],
    ],
  }
}
const half = 'x'.repeat(512)

/** Sparse files of every format. */
export const sparse: PeerCases = {
  'a sparse file of old GNU tar': tar([
    oldSparse(
      half + half,
      [
        [512, 512],
        [4096, 512],
      ],
      10_000,
    ),
    file,
  ]),
  'a sparse file of old GNU tar that is all hole': tar([oldSparse('', [], 7000), file]),
  'a sparse file of pax 0.0': tar([
    {
      name: 'sparse',
      body: half + half,
      pax: { 'GNU.sparse.size': '10000', 'GNU.sparse.numblocks': '2', 'GNU.sparse.map': '512,512,4096,512' },
    },
    file,
  ]),
  'a sparse file of pax 0.1': tar([
    {
      name: 'GNUSparseFile.0/x',
      body: half,
      pax: {
        'GNU.sparse.major': '0',
        'GNU.sparse.minor': '1',
        'GNU.sparse.name': 'sparse',
        'GNU.sparse.size': '9000',
        'GNU.sparse.numblocks': '1',
        'GNU.sparse.map': '1024,512',
      },
    },
    file,
  ]),
  'a sparse file of pax 1.0': tar([
    {
      name: 'GNUSparseFile.0/x',
      body: `2\n512\n512\n4096\n100\n${'\0'.repeat(512 - 19)}${half}${'y'.repeat(100)}`,
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': 'sparse',
        'GNU.sparse.realsize': '5000',
      },
    },
    file,
  ]),
}
