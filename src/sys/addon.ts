// The shape of `slipway.node` (native/addon.c). Only the files of this folder call it.

/** Raw functions; a failed system call throws (or rejects with) an Error whose `code` is the errno name. */
export interface Addon {
  /** Packed tree listing, see native/addon-scan.h; on libuv's pool. */
  scanTree(directory: Buffer, flags: number, maxEntries: number): Promise<Buffer>
  scanTreeSync(directory: Buffer, flags: number, maxEntries: number): Buffer
  /** As scanTree, of the paths alone; `paths` is each with a NUL behind it. */
  scanPaths(directory: Buffer, flags: number, paths: Buffer): Promise<Buffer>
  /** What the path itself and all below take of their file system, on libuv's pool; links are not followed. */
  measureTree(path: Buffer): Promise<{ readonly bytes: number; readonly inodes: number }>
  /**
   * Reads the files of native/addon-read.h's list into `into`, on libuv's pool; nobody may touch the Buffers meanwhile.
   * Undefined, or which item failed first and why (`CHANGED` or the errno's name).
   */
  readFiles(
    items: Buffer,
    into: Buffer,
  ): Promise<{ readonly index: number; readonly code: string } | undefined>
  /** Name and value by turns, of the path itself (links are not followed). */
  readXattrs(path: Buffer): Buffer[]
  /** The directory's names as a byte string, sorted: `d` or `-` (no directory), the name, NUL. ELOOP: a link stands in its path. */
  readNames(path: Buffer): string
  /** false: somebody else holds it and `wait` is false. `wait` blocks the thread. */
  flock(fd: number, operation: number, wait: boolean): boolean
  /** Flags the directory as one whose subdirectories have nothing to do with each other. */
  spreadDirectories(fd: number): void
  /** Writes the file system of `fd` to disk, on libuv's pool. */
  syncfs(fd: number): Promise<void>
  /**
   * Starts a program, whose pid it returns, with no environment and five descriptors. `args` is each with a NUL behind
   * it; `streams` is native/addon-spawn.h's and afterwards holds this process's ends.
   */
  spawn(program: Buffer, args: Buffer, streams: Int32Array): number
  /** The exit code of a spawned process, or the negative number of the signal that ended it, once; undefined while it runs. */
  reap(pid: number): number | undefined
}
