// What a rehearsal builds with: nothing of the machine but a directory, and no native parts.
import { join } from 'node:path'
import type { Native } from '../sys/native.ts'
import { readUserNamespace } from '../sys/user-namespace.ts'
import type { HostOptions } from './host.ts'

/** A host with its state in `directory`/state, good for builds that run nothing and read no context. */
export function rehearsalHost(directory: string): HostOptions {
  return {
    root: join(directory, 'state'),
    dist: directory,
    native: standIn(),
    program: 'rehearsal',
    environment: {},
    cpus: 2,
    os: process.platform,
    architecture: process.arch,
  }
}

/**
 * In a program whose snapshot was taken after it had loaded an addon, setImmediate waits for other events (Node 20.20).
 * Nobody else is in the directory: its locks are free.
 */
function standIn(): Native {
  const unfit = (): never => {
    throw new Error('a rehearsal does without native parts')
  }
  const scans = { scanTree: unfit, scanTreeSync: unfit, scanPaths: unfit, measureTree: unfit }
  const files = { readFiles: unfit, readXattrs: unfit, readNames: unfit, syncfs: unfit }
  const locks = { flock: () => true, spreadDirectories: () => undefined }
  const addon = { ...scans, ...files, ...locks, spawn: unfit, reap: unfit }
  return { helper: '', addon: () => addon, userNamespace: readUserNamespace }
}
