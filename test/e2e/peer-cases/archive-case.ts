// A build that adds one archive, which is alone in it: so one that is refused hides nothing.
import { createHash } from 'node:crypto'
import { type MadeMember, makeTar } from '../../support/tar-maker.ts'
import type { PeerCase } from './case.ts'

/** A member that nothing is wrong with. */
export const file: MadeMember = { name: 'f', body: 'f\n', uid: 3, gid: 4 }

/** `setup` is what RUN does before, `add` the ADD with what follows it. */
export interface Extra extends Partial<PeerCase> {
  readonly setup?: string
  readonly add?: string
}

/** What happens to one file of the context, `a`, that is added to a directory. */
export function added(
  bytes: Buffer,
  { setup = '', add = 'ADD a /d/', prepare, ...more }: Extra = {},
): PeerCase {
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

/** What happens to an archive of these members. */
export const tar = (members: readonly MadeMember[], extra: Extra = {}): PeerCase =>
  added(makeTar(members), extra)
