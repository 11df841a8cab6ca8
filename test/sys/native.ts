// The native parts under test: those of dist/, or another build named by SLIPWAY_TEST_DIST.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Native, openNative } from '../../src/sys/native.ts'

const repository = new URL('../..', import.meta.url).pathname

export const dist: string = process.env.SLIPWAY_TEST_DIST ?? join(repository, 'dist')

/** Opens the native parts; fails with a clear text when they were not built. */
export function testNative(): Native {
  if (!existsSync(join(dist, 'slipway-helper'))) throw new Error('run `make -C native` first')
  return openNative(dist)
}

export const isRoot: boolean = process.getuid?.() === 0

/** Runs `body` with a fresh directory that is removed afterwards. */
export async function withDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-sys-'))
  try {
    return await body(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
