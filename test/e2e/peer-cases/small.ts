// Small cases, one behaviour each, from fixtures/peers: `=== name | flags` and the Dockerfile below it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../support/slipway.ts'
import type { PeerCase, PeerCases } from './case.ts'

/** The context of all small cases. */
const context = {
  files: {
    f: 'f\n',
    'x.txt': 'x\n',
    'y.txt': 'y\n',
    'sp ace': 's\n',
    'd/a': 'a\n',
    'd/b': 'b\n',
    'd/sub/c': 'c\n',
    'dl/target': 't\n',
    cap: 'cap\n',
    [`names/${'long/'.repeat(40)}name`]: '1\n',
    [`names/${'x'.repeat(180)}`]: '2\n',
    'names/ü/文字': '3\n',
  },
  prepare: `ln -s f link; ln -s target dl/rel; ln -s /abs dl/abs; chmod 750 d/sub; chmod 640 d/a; setcap cap_chown+ep cap
ln -s ${'long/'.repeat(40)}name names/long-link; ln -s ü names/link
export TAR_OPTIONS='--mtime=@1400000000 --numeric-owner --owner=3 --group=4'; tar -cf a.tar d/a d/sub`,
}

/** The cases of fixtures/peers/`name`.txt, with what `more` says about some. */
export function smallCases(name: string, more: Readonly<Record<string, Partial<PeerCase>>> = {}): PeerCases {
  const text = readFileSync(join(repository, 'fixtures/peers', `${name}.txt`), 'utf8')
  const cases = text.split(/^=== /m).slice(1)
  return Object.fromEntries(
    cases.map((part) => {
      const end = part.indexOf('\n')
      const [title = '', flags = ''] = part.slice(0, end).split(' | ')
      const args = flags.split(' ').filter((word) => word !== '')
      return [title, { ...context, dockerfile: part.slice(end + 1), args, ...more[title] }]
    }),
  )
}
