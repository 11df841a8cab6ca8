// Builds that ADD archives, those that builders take and those that all of them refuse.
import { headers, sparse } from './archive-headers.ts'
import { kinds, links, replaced, through } from './archive-members.ts'
import { flags, recognised, roots } from './archive-sources.ts'
import type { PeerCases } from './case.ts'

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
