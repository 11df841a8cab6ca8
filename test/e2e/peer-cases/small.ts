// Small cases, one behaviour each, from fixtures/peers: `=== name | flags` and the Dockerfile below it; further files of
// the context follow as `--- path` and their text.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../support/slipway.ts'
import type { PeerCase, PeerCases } from './case.ts'

/** The context of small cases that need no other. */
const plainContext = {
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
export function smallCases(
  name: string,
  more: Readonly<Record<string, Partial<PeerCase>>> = {},
  context: Omit<PeerCase, 'dockerfile'> = plainContext,
): PeerCases {
  const text = readFileSync(join(repository, 'fixtures/peers', `${name}.txt`), 'utf8')
  const cases = text.split(/^=== /m).slice(1)
  const unknown = new Set(Object.keys(more))
  const all = cases.map((part): [string, PeerCase] => {
    const [dockerfile = '', ...others] = part.slice(part.indexOf('\n') + 1).split(/^--- /m)
    const [title = '', flags = ''] = part.slice(0, part.indexOf('\n')).split(' | ')
    unknown.delete(title)
    const args = flags.split(' ').filter((word) => word !== '')
    const files = Object.fromEntries(others.map(fileOf))
    const images = Object.entries(context.images ?? {}).filter(([image]) => dockerfile.includes(image))
    const own = {
      dockerfile,
      args,
      files: { ...context.files, ...files },
      images: Object.fromEntries(images),
    }
    return [title, { ...context, ...own, ...more[title] }]
  })
  if (unknown.size > 0) throw new Error(`${name}.txt: no cases ${[...unknown].join(', ')}`)
  return Object.fromEntries(all)
}

function fileOf(part: string): [string, string] {
  const end = part.indexOf('\n')
  return [part.slice(0, end), part.slice(end + 1)]
}
