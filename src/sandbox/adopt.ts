// What a step of another user than root leaves behind where there is one id for all.
import { applyFileOperations, type FileOperation } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'
import { scanTree } from '../sys/scan.ts'
import { recordXattr } from '../sys/user-namespace.ts'
import type { ImageUser } from './image-user.ts'

/** What has an owner already: by its record, or because overlayfs copied it up from a layer below. */
const known: ReadonlySet<string> = new Set([recordXattr, 'user.overlay.origin'])

export interface Adoption {
  readonly native: Native
  readonly signal: AbortSignal
}

/** Records the user as the owner of everything that the step made in its layer. Precondition: nobody works there any more. */
export async function adoptNewFiles(
  layer: string,
  { uid, gid }: Pick<ImageUser, 'uid' | 'gid'>,
  { native, signal }: Adoption,
): Promise<void> {
  const entries = await scanTree(layer, { native, xattrs: true })
  const made = entries.filter(
    ({ path, type, xattrs = [] }) =>
      path !== '' && (type === 'file' || type === 'directory') && !xattrs.some(([name]) => known.has(name)),
  )
  if (made.length === 0) return
  const operations = made.map(({ path }): FileOperation => ({ op: 'owner', path, uid, gid }))
  await applyFileOperations({ kind: 'directory', path: layer }, operations, { native, signal })
}
