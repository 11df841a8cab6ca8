// Builds that ADD archives: which files are one, and what becomes of every kind of member. Each archive is alone
// in its build, so that one that is refused hides nothing.
import { createHash } from 'node:crypto'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { type MadeMember, makeMember, makeTar, paxRecord } from '../../support/tar-maker.ts'
import type { PeerCase, PeerCases } from './case.ts'

const text = 'not an archive at all\n'.repeat(60)
const file: MadeMember = { name: 'f', body: 'f\n', uid: 3, gid: 4 }

/** What happens to one file of the context, `a`, that is added to a directory. */
function added(bytes: Buffer, { setup = '', add = 'ADD a /d/', prepare, ...more }: Extra = {}): PeerCase {
  // A name of its own: BuildKit takes files of one name, size and time for one and the same.
  const name = `a${createHash('sha256').update(bytes).update(add).update(setup).digest('hex').slice(0, 12)}`
  const own = (text: string): string => text.replace(/\ba\b/g, name)
  return {
    dockerfile: `FROM base\n${setup === '' ? '' : `RUN ${setup}\n`}${own(add)}\n`,
    files: { [name]: bytes },
    ...(prepare === undefined ? {} : { prepare: own(prepare) }),
    ...more,
  }
}
interface Extra extends Partial<PeerCase> {
  readonly setup?: string
  readonly add?: string
}
const tar = (members: readonly MadeMember[], extra: Extra = {}): PeerCase => added(makeTar(members), extra)

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

const recognised: PeerCases = {
  'an empty file': added(Buffer.alloc(0)),
  zeros: added(Buffer.alloc(2048)),
  text: added(Buffer.from(text)),
  'half a header': added(makeTar([file]).subarray(0, 300)),
  'compressed text': added(gzipSync(text)),
  'a header with a wrong checksum': added(
    Buffer.concat([makeMember(file).fill('x', 3, 4), Buffer.alloc(1024)]),
  ),
  'a comment for all and nothing else': added(
    makeTar([{ name: 'g', type: 'g', body: paxRecord('comment', 'x') }]),
  ),
  'a pax header and nothing else': added(
    makeTar([{ name: 'x', type: 'x', body: paxRecord('comment', 'x') }]),
  ),
  'gzip that is no deflate': added(
    Buffer.concat([Buffer.from('1f8b07', 'hex'), gzipSync(makeTar([file])).subarray(3)]),
  ),
  'gzip cut off in its first bytes': added(gzipSync(makeTar([file])).subarray(0, 15)),
  'no end mark': added(makeTar([file], { end: '' })),
  'half an end mark': added(makeTar([file], { end: '\0'.repeat(512) })),
  'rubbish behind the end mark': added(Buffer.concat([makeTar([file]), Buffer.from(text)])),
  'a second archive behind the end mark': added(Buffer.concat([makeTar([file]), makeTar([{ name: 'g' }])])),
  'several gzip members': added(
    Buffer.concat([gzipSync(makeTar([file]).subarray(0, 700)), gzipSync(makeTar([file]).subarray(700))]),
  ),
  'an archive with another name': tar([file], {
    add: 'ADD named.txt /d/',
    files: { 'named.txt': makeTar([file]) },
  }),
  'an archive behind a link': tar([file], { prepare: 'mv a real; ln -s real a' }),
  'an archive in a directory': {
    dockerfile: 'FROM base\nADD dir /d/\n',
    files: { 'dir/a.tar': makeTar([file]) },
  },
  'an archive in an archive': tar([{ name: 'inner.tar', body: makeTar([file]).toString('latin1') }]),
  'an archive of nothing': added(makeTar([])),
  'a header of before ustar': tar([{ ...file, raw: [[257, '\0'.repeat(8)]] }]),
  'raw deflate': added(deflateRawSync(makeTar([file]))),
}

const roots: PeerCases = {
  'its own root as a dot': tar([{ name: './', type: '5', mode: 0o700, uid: 7, gid: 8 }, file]),
  'its own root as a slash': tar([{ name: '/', type: '5', mode: 0o700, uid: 7, gid: 8 }, file]),
  'its own root as two dots': tar([{ name: '../', type: '5', mode: 0o700, uid: 7, gid: 8 }, file]),
  'its own root by a detour': tar([{ name: 'x/..', type: '5', mode: 0o700, uid: 7, gid: 8 }, file]),
  'its own root as a file': tar([{ name: '.', body: 'x' }, file]),
  'a name that leads up': tar([{ ...file, name: '../../up/f' }]),
  'an absolute name': tar([{ ...file, name: '/abs/f' }]),
  'a name with dots and slashes': tar([{ ...file, name: './/x/.././/y//f' }]),
  'a destination that is a file': tar([file], { setup: 'echo old > /d', add: 'ADD a /d' }),
  'a destination behind a link': tar([file], { setup: 'mkdir /real && ln -s real /d', add: 'ADD a /d' }),
  'a destination behind a dangling link': tar([file], { setup: 'ln -s /new/place /d', add: 'ADD a /d/e' }),
  'a destination in the working directory': tar([file], { add: 'WORKDIR /w\nADD a .' }),
  'the root as destination': tar([{ ...file, name: 'etc/f' }], { add: 'ADD a /' }),
  'a missing destination without a slash': tar([file], { add: 'ADD a /x/y/z' }),
}

const replaced: PeerCases = {
  'a directory over a directory': tar(
    [{ name: 'x/', type: '5', mode: 0o2750, uid: 7, gid: 8, mtime: 1_300_000_000 }],
    {
      setup: 'mkdir -p /d/x && echo old > /d/x/old && chmod 700 /d/x',
    },
  ),
  'a file over a directory': tar([{ ...file, name: 'x' }], {
    setup: 'mkdir -p /d/x/y && echo old > /d/x/old',
  }),
  'a directory over a file': tar([{ name: 'x', type: '5', mode: 0o750 }], {
    setup: 'mkdir /d && echo old > /d/x',
  }),
  'a directory over a link to a directory': tar(
    [
      { name: 'x/', type: '5', mode: 0o750 },
      { ...file, name: 'x/f' },
    ],
    {
      setup: 'mkdir -p /d/y && ln -s y /d/x',
    },
  ),
  'a file over a link': tar([{ ...file, name: 'x' }], { setup: 'mkdir /d && ln -s /etc/passwd /d/x' }),
  'a link over a directory': tar([{ name: 'x', type: '2', link: 'f' }], { setup: 'mkdir -p /d/x/y' }),
  'a file over one of several names': tar([{ ...file, name: 'x' }], {
    setup: 'mkdir /d && echo old > /d/x && ln /d/x /d/y',
  }),
  'a member twice': tar([file, { ...file, body: 'again\n', mode: 0o600 }]),
  'a file, then a directory of its name': tar([file, { name: 'f/', type: '5' }, { ...file, name: 'f/g' }]),
  'a directory, then a file of its name': tar([{ name: 'f/', type: '5' }, { ...file, name: 'f/g' }, file]),
  'a directory twice': tar([
    { name: 'x/', type: '5', mode: 0o700, mtime: 1_300_000_000 },
    { ...file, name: 'x/f' },
    { name: 'x/', type: '5', mode: 0o711, mtime: 1_200_000_000 },
  ]),
  'a link, then a file through it': tar([
    { name: 'l', type: '2', link: 'x' },
    { name: 'x/', type: '5' },
    { ...file, name: 'l/f' },
  ]),
}

const through: PeerCases = {
  'through an absolute link, which begins at the destination': tar([{ ...file, name: 'l/f' }], {
    setup: 'mkdir -p /d/etc && ln -s /etc /d/l',
  }),
  'through a link that leads up': tar([{ ...file, name: 'l/f' }], {
    setup: 'mkdir -p /d/x && ln -s ../../.. /d/l',
  }),
  'through a dangling link': tar([
    { name: 'l', type: '2', link: '/nowhere' },
    { ...file, name: 'l/f' },
  ]),
  'deep through a dangling link': tar([
    { name: 'l', type: '2', link: 'nowhere' },
    { ...file, name: 'l/x/y/f' },
  ]),
  'through a link to itself': tar([
    { name: 'l', type: '2', link: 'l' },
    { ...file, name: 'l/f' },
  ]),
  'through a file': tar([file, { ...file, name: 'f/g' }]),
  'deep through a file': tar([file, { ...file, name: 'f/x/y/g' }]),
  'a directory through a dangling link': tar([
    { name: 'l', type: '2', link: '/nowhere' },
    { name: 'l/', type: '5', mode: 0o700 },
  ]),
  'missing parents': tar([{ ...file, name: 'x/y/z/f', uid: 7, gid: 8 }]),
  'missing parents, listed later': tar([
    { ...file, name: 'x/y/f' },
    { name: 'x/', type: '5', mode: 0o700, uid: 5, gid: 6 },
  ]),
}

const links: PeerCases = {
  'a hard link that says other things than its file': tar([
    { ...file, mode: 0o600, uid: 1, gid: 2 },
    { name: 'h', type: '1', link: 'f', mode: 0o4711, uid: 7, gid: 8, mtime: 1_200_000_000 },
  ]),
  'a hard link to a link': tar(
    [
      { name: 'l', type: '2', link: 'f', uid: 1, gid: 2 },
      { name: 'h', type: '1', link: 'l', uid: 7, gid: 8, mode: 0o600 },
    ],
    // As a tree, dockerd's BuildKit writes links of several names apart.
    { apart: /^d\/[hl]$/ },
  ),
  'a hard link to nothing': tar([{ name: 'h', type: '1', link: 'nothing' }]),
  'a hard link to what comes later': tar([{ name: 'h', type: '1', link: 'f' }, file]),
  'a hard link to a directory': tar([
    { name: 'x/', type: '5' },
    { name: 'h', type: '1', link: 'x' },
  ]),
  'a hard link to itself': tar([file, { name: 'f', type: '1', link: 'f' }]),
  'a hard link with an absolute target': tar([file, { name: 'h', type: '1', link: '/f' }]),
  'a hard link with a target that leads up': tar([file, { name: 'h', type: '1', link: '../../f' }]),
  'a hard link to a file of the destination': tar(
    [{ name: 'h', type: '1', link: 'old', uid: 7, gid: 8, mode: 0o600 }],
    {
      setup: 'mkdir /d && echo old > /d/old',
    },
  ),
  'a hard link out of the destination': tar([{ name: 'h', type: '1', link: '../etc/passwd' }], {
    setup: 'mkdir /d',
  }),
  'a hard link through a link': tar([
    { name: 'x/', type: '5' },
    { ...file, name: 'x/f' },
    { name: 'l', type: '2', link: 'x' },
    { name: 'h', type: '1', link: 'l/f' },
  ]),
  'a hard link over a directory': tar([file, { name: 'x/', type: '5' }, { name: 'x', type: '1', link: 'f' }]),
  'a hard link with a body': tar([
    file,
    { name: 'h', type: '1', link: 'f', size: 0 },
    { ...file, name: 'g' },
  ]),
  'a hard link without a target': tar([{ name: 'h', type: '1' }]),
  'a link without a target': tar([{ name: 'l', type: '2' }]),
  'a link with any target': tar([
    { name: 'l', type: '2', link: '../../../..//x/./y', mode: 0o777, uid: 7, gid: 8 },
  ]),
}

const kinds: PeerCases = {
  'modes with all their bits': tar(
    [0o7777, 0o4755, 0o2711, 0o1777, 0].map((mode) => ({ name: `m${mode}`, mode })),
  ),
  'directories with all their bits': tar(
    [0o2750, 0o1777, 0o4700].map((mode) => ({ name: `m${mode}/`, type: '5', mode })),
  ),
  'devices and a FIFO': tar([
    { name: 'c', type: '3', major: 1, minor: 5, mode: 0o640 },
    { name: 'b', type: '4', major: 7, minor: 300, mode: 0o600, gid: 6 },
    { name: 'p', type: '6', mode: 0o622 },
  ]),
  'a file whose name ends in a slash': tar([{ ...file, name: 'x/' }]),
  'a file of before ustar whose name ends in a slash': tar([{ name: 'x/', type: '\0', mode: 0o700 }]),
  'a directory with a size': tar([{ name: 'x/', type: '5', size: 1000 }, file]),
  'a volume label': tar([{ name: 'label', type: 'V' }, file]),
  'an unknown type': tar([file, { name: 'x', type: 'Q' }]),
  'a comment for all': tar([{ name: 'g', type: 'g', body: paxRecord('comment', 'x') }, file]),
  'a path for all, which says nothing': tar([{ name: 'g', type: 'g', body: paxRecord('path', 'all') }, file]),
}

const headers: PeerCases = {
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

const sparse: PeerCases = {
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

/** --chown did not reach what is in an archive before BuildKit 0.23. */
const unowned = /^d\/./

const flags: PeerCases = {
  '--chown by name': tar(
    [
      { ...file, name: 'x/f' },
      { name: 'y/', type: '5', uid: 9, gid: 9 },
    ],
    { add: 'ADD --chown=app:extra a /d/', apart: unowned },
  ),
  '--chown and links': tar(
    [file, { name: 'h', type: '1', link: 'f', uid: 9 }, { name: 'l', type: '2', link: 'f', uid: 9 }],
    { add: 'ADD --chown=7:8 a /d/', apart: unowned },
  ),
  '--chmod': tar([file, { name: 'x/', type: '5', mode: 0o700 }], { add: 'ADD --chmod=600 a /d/' }),
  'several archives and a file': {
    dockerfile: 'FROM base\nADD a b text /d/\n',
    files: { a: makeTar([file]), b: gzipSync(makeTar([{ ...file, name: 'g' }])), text },
  },
  'a pattern of archives': {
    dockerfile: 'FROM base\nADD *.tar /d/\n',
    files: { 'a.tar': makeTar([file]), 'b.tar': makeTar([{ ...file, name: 'g' }]) },
  },
}

/** What all builders refuse. */
const refused: readonly string[] = [
  'a destination that is a file',
  'through a dangling link',
  'deep through a dangling link',
  'through a link to itself',
  'through a file',
  'deep through a file',
  'a hard link to nothing',
  'a hard link to what comes later',
  'a hard link to a directory',
  'a hard link to itself',
  'a hard link out of the destination',
  'a hard link without a target',
  'a link without a target',
  'a volume label',
  'an unknown type',
  'a sparse file of old GNU tar',
  'a sparse file of old GNU tar that is all hole',
]

const all: PeerCases = {
  ...recognised,
  ...roots,
  ...replaced,
  ...through,
  ...links,
  ...kinds,
  ...headers,
  ...sparse,
  ...flags,
}

const split = (isRefused: boolean): PeerCases =>
  Object.fromEntries(Object.entries(all).filter(([name]) => refused.includes(name) === isRefused))

export const archiveCases: PeerCases = split(false)
export const refusedArchives: PeerCases = split(true)
