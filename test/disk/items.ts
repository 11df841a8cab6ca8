// Items for tests, ordinary but for what a test says.
import type { Item } from '../../src/disk/types.ts'

/** The time of tests, long after 1970. */
export const nowMs = 2_000_000_000_000

/** An item. */
export function item(id: string, changed: Partial<Item> = {}): Item {
  return {
    id,
    type: 'regular',
    description: '',
    parents: [],
    parts: [],
    own: { bytes: 1000, inodes: 1 },
    createdMs: nowMs - 1000,
    lastUsedMs: nowMs - 1000,
    isMutable: false,
    isShared: false,
    isInUse: false,
    names: [],
    removal: { kind: 'files', paths: [] },
    ...changed,
  }
}
