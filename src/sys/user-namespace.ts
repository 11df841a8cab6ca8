// The user namespace this process is in: the machine's own, or one made by the launcher for an ordinary user.
import { readFileSync } from 'node:fs'

export interface UserNamespace {
  /** The machine's own, in which root is root. */
  readonly isInitial: boolean
  /** Only one user or one group is known: other owners of files are recorded in an attribute (native/record.h). */
  readonly recordsOwners: boolean
  /** Under which name overlayfs keeps its marks here. */
  readonly overlayXattrs: 'trusted' | 'user'
}

/** What the kernel says of this process; where it says nothing, the machine's own. */
export function readUserNamespace(): UserNamespace {
  return userNamespaceOf(readMap('/proc/self/uid_map'), readMap('/proc/self/gid_map'))
}

/** The namespace with these maps (user_namespaces(7)). */
export function userNamespaceOf(uidMap: string, gidMap: string): UserNamespace {
  const [uids, gids] = [idsIn(uidMap), idsIn(gidMap)]
  // All ids but the one that means none.
  const isInitial = uids === 0 || uids === 0xffffffff
  return {
    isInitial,
    recordsOwners: uids === 1 || gids === 1,
    overlayXattrs: isInitial ? 'trusted' : 'user',
  }
}

function readMap(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // No /proc, or a kernel without user namespaces: what needs them says so itself.
    return ''
  }
}

function idsIn(map: string): number {
  return map
    .split('\n')
    .filter((line) => line.trim() !== '')
    .reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2]), 0)
}
