// Builds that ADD archives: which files are one, where they go and with which flags.
import { deflateRawSync, gzipSync } from 'node:zlib'
import { makeMember, makeTar, paxRecord } from '../../support/tar-maker.ts'
import { added, file, tar } from './archive-case.ts'
import type { PeerCases } from './case.ts'

const text = 'not an archive at all\n'.repeat(60)

/** Which files are archives. */
export const recognised: PeerCases = {
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

/** Where an archive begins, and where it goes. */
export const roots: PeerCases = {
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

/** --chown did not reach what is in an archive before BuildKit 0.23. */
const unowned = /^d\/./

/** Flags of ADD, and sources beside an archive. */
export const flags: PeerCases = {
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
