// An item before what it shares with others is known.
import type { Part } from '../store/leases.ts'
import type { Item } from './types.ts'

export interface Draft
  extends Omit<Item, 'isShared' | 'isInUse' | 'lastUsedMs' | 'parts' | 'parents' | 'names' | 'isMutable'> {
  /** By the clock of when it was used. */
  readonly usedMs: number
  /** Of each layer, bottom first. */
  readonly layers: readonly (readonly Part[])[]
  readonly parents?: readonly string[]
  readonly names?: readonly string[]
  readonly isMutable?: true
}
