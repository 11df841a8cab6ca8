// Which extended attributes travel in layers, and the one by which overlayfs marks an opaque directory.
import type { Xattrs } from '../sys/file-operation.ts'
import type { UserNamespace } from '../sys/user-namespace.ts'
import { recordXattr } from '../sys/user-namespace.ts'

/** Whether a layer slipway writes carries this attribute: content, not the host's labels nor overlayfs's bookkeeping. */
export function isWrittenXattr(name: string): boolean {
  if (name === 'security.capability') return true
  return name.startsWith('user.') && !name.startsWith('user.overlay.') && name !== recordXattr
}

/** Whether an attribute found in a layer is set on disk. `trusted.*` and `user.overlay.*` would steer overlayfs, `security.ima`, `evm` and `selinux` the host. */
export function isUnpackedXattr(name: string): boolean {
  return isWrittenXattr(name) || name === 'system.posix_acl_access' || name === 'system.posix_acl_default'
}

/** Whether these are the attributes of a directory that hides what lower layers have in it (Linux, filesystems/overlayfs.rst). */
export function isOpaqueMark(xattrs: Xattrs, { overlayXattrs }: UserNamespace): boolean {
  // Of the two only the one that the kernel was asked for has a meaning: a step may set the other.
  const mark = `${overlayXattrs}.overlay.opaque`
  return xattrs.some(([name, value]) => name === mark && value.length === 1 && value[0] === 0x79)
}
