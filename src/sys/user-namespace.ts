// The user namespace this process is in: the machine's own, or one made by the launcher for an ordinary user.
import { readFileSync, readlinkSync } from 'node:fs'

export interface UserNamespace {
  /** The machine's own, in which root is root. */
  readonly isInitial: boolean
  /** Only one user or one group is known: other owners of files are recorded in an attribute (native/record.h). */
  readonly recordsOwners: boolean
  /** Whether group 5, which terminals belong to, stands for anybody. */
  readonly hasTtyGroup: boolean
  /** Under which name overlayfs keeps its marks here. */
  readonly overlayXattrs: 'trusted' | 'user'
}

/** The attribute that records owners (native/record.h). */
export const recordXattr = 'user.slipway.stat'

/** What the kernel says of this process; where it says nothing, the machine's own. */
export function readUserNamespace(): UserNamespace {
  const known = read(() => readlinkSync('/proc/self/ns/user'))
  const [uidMap, gidMap] = (['uid_map', 'gid_map'] as const).map((name) =>
    read(() => readFileSync(`/proc/self/${name}`, 'latin1')),
  )
  return userNamespaceOf(known, uidMap ?? '', gidMap ?? '')
}

/** The kernel's fixed number for the machine's own namespace (PROC_USER_INIT_INO); a map of all ids may be another's. */
const initial = 'user:[4026531837]'

const ttyGroup = 5

/** The namespace that /proc names so, with these maps (user_namespaces(7)). */
export function userNamespaceOf(known: string, uidMap: string, gidMap: string): UserNamespace {
  const [uids, gids] = [idsIn(uidMap), idsIn(gidMap)]
  const isInitial = known === '' || known === initial
  return {
    isInitial,
    recordsOwners: uids === 1 || gids === 1,
    hasTtyGroup:
      gidMap === '' ||
      rangesIn(gidMap).some(([inside, , count]) => ttyGroup >= inside && ttyGroup - inside < count),
    overlayXattrs: isInitial ? 'trusted' : 'user',
  }
}

function read(look: () => string): string {
  try {
    return look()
  } catch {
    // No /proc, or a kernel without user namespaces: what needs them says so itself.
    return ''
  }
}

/** How many ids a map of user_namespaces(7) has; none in an empty one. */
export function idsIn(map: string): number {
  return rangesIn(map).reduce((sum, [, , count]) => sum + count, 0)
}

/** First id inside, first id outside, how many. */
function rangesIn(map: string): [number, number, number][] {
  return map
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number)
      return [inside, outside, count]
    })
}
