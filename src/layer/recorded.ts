// What files should be where their user may not make them so (native/record.h): an owner, or a device in whose place
// an empty file stands.
import type { Xattrs } from '../sys/file-operation.ts'
import { recordXattr, type UserNamespace } from '../sys/user-namespace.ts'

export interface Recorded {
  readonly uid: number
  readonly gid: number
  readonly device?: {
    readonly type: 'char' | 'block'
    readonly major: number
    readonly minor: number
    readonly mode: number
  }
}

/** What the attributes of a file record of it, if anything. A step may write what it likes there; what is no record says nothing. */
export function recordedIn(xattrs: Xattrs): Recorded | undefined {
  const value = xattrs.find(([name]) => name === recordXattr)?.[1]
  if (value === undefined || value.length > 96) return undefined
  const match = /^(\d{1,10}):(\d{1,10})(?::([cb]):(\d{1,10}):(\d{1,10}):([0-7]{1,4}))?$/.exec(
    Buffer.from(value).toString('latin1'),
  )
  if (match === null) return undefined
  const [uid = 0, gid = 0, major = 0, minor = 0] = [match[1], match[2], match[4], match[5]].map((digits) =>
    Number(digits ?? 0),
  )
  if (Math.max(uid, gid, major, minor) >= 0xffffffff) return undefined
  if (match[3] === undefined) return { uid, gid }
  const type = match[3] === 'c' ? 'char' : 'block'
  return { uid, gid, device: { type, major, minor, mode: Number.parseInt(match[6] ?? '0', 8) } }
}

/**
 * What counts of the record of a file: one that is empty and root's alone may stand for a device, and where owners are
 * recorded every file and directory may say whose it is. Whoever may write to another file only plays with an attribute.
 */
export function recordOf(
  {
    type,
    size,
    mode,
    uid,
  }: { readonly type: string; readonly size: number; readonly mode: number; readonly uid: number },
  { isInitial, recordsOwners }: UserNamespace,
  xattrs: () => Xattrs,
): Recorded | undefined {
  const mayBeDevice = type === 'file' && size === 0 && uid === 0 && (mode & 0o7077) === 0
  const mayHaveOwner = !isInitial && recordsOwners && (type === 'file' || type === 'directory')
  if (!mayBeDevice && !mayHaveOwner) return undefined
  const recorded = recordedIn(xattrs())
  if (recorded?.device === undefined) return mayHaveOwner ? recorded : undefined
  // The machine's root makes its devices, but for whiteouts where the kernel has none.
  return mayBeDevice && (!isInitial || isWhiteout(recorded)) ? recorded : undefined
}

/** Whether a file that this is recorded of hides what has its name in the layers below. */
export function isWhiteout({ device }: Pick<Recorded, 'device'>): boolean {
  return device?.type === 'char' && device.major === 0 && device.minor === 0
}
