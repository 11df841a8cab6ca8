// A directory for one store, anew for each test.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { openContentStore } from '../../src/store/layout-store.ts'
import type { ContentStore } from '../../src/store/types.ts'
import { type StoreProblem, verifyStore } from '../../src/store/verify.ts'
import { testNative } from '../sys/native.ts'

export const native = testNative()
export const octets = 'application/octet-stream'

/** Made before each test. */
export interface StoreRig {
  /** The store's, in `root`; not there until it is opened. */
  readonly directory: string
  readonly root: string
  open(): Promise<ContentStore>
  verify(): Promise<readonly StoreProblem[]>
}

/** Registers what makes and removes it. */
export function storeRig(): StoreRig {
  let root: string
  let directory: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'slipway-store-'))
    directory = join(root, 'store-v1')
  })
  afterEach(() => rm(root, { recursive: true }))
  const { signal } = new AbortController()
  return {
    get directory() {
      return directory
    },
    get root() {
      return root
    },
    open: () => openContentStore(directory, native),
    verify: () => verifyStore(directory, native, { signal }),
  }
}
