// Builds that ADD archives: what becomes of every kind of member, and of what is in its way.
import { paxRecord } from '../../support/tar-maker.ts'
import { file, tar } from './archive-case.ts'
import type { PeerCases } from './case.ts'

/** Members where something is already. */
export const replaced: PeerCases = {
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

/** Members whose directory is a link, a file or nothing. */
export const through: PeerCases = {
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

/** Links, hard and symbolic. */
export const links: PeerCases = {
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

/** Modes, devices and types. */
export const kinds: PeerCases = {
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
