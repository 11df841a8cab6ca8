// The shape of `slipway.node` (native/addon.c). Only the files of this folder call it.

/** Raw functions; a failed system call throws (or rejects with) an Error whose `code` is the errno name. */
export interface Addon {
  /** Packed tree listing, see native/addon-scan.h; on libuv's pool. */
  scanTree(directory: Buffer, flags: number, maxEntries: number): Promise<Buffer>
  scanTreeSync(directory: Buffer, flags: number, maxEntries: number): Buffer
  /** As scanTree, of the paths alone; `paths` is each with a NUL behind it. */
  scanPaths(directory: Buffer, flags: number, paths: Buffer): Promise<Buffer>
  /** Name and value by turns, of the path itself (links are not followed). */
  readXattrs(path: Buffer): Buffer[]
  /** false: somebody else holds it and `wait` is false. `wait` blocks the thread. */
  flock(fd: number, operation: number, wait: boolean): boolean
  /** Writes the file system of `fd` to disk, on libuv's pool. */
  syncfs(fd: number): Promise<void>
}
