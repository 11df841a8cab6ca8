// What slipway has on this machine for one command: its state directory, native parts and network, opened once
// and handed to each folder as the narrowest interface it needs.
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from '../core/context.ts'
import { type Platform, platformOfHost } from '../core/platform.ts'
import type { Registry } from '../registry/types.ts'
import { openOverlaySnapshotter } from '../snapshot/overlay-snapshotter.ts'
import type { Snapshotter } from '../snapshot/types.ts'
import { openContentStore } from '../store/layout-store.ts'
import type { ContentStore } from '../store/types.ts'
import { type Native, openNative } from '../sys/native.ts'

export interface HostOptions {
  /** The state directory; made when missing. */
  readonly root: string
  /** Directory of the native parts. */
  readonly dist: string
  readonly extraCaFile?: string
  /** Proxies, docker's configuration, credential helpers. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly cpus: number
  /** As Node names them. */
  readonly os: string
  readonly architecture: string
}

export interface Host {
  readonly options: HostOptions
  /** `<root>/store-v1`, without links in the path: files in it are opened by the helper, which follows none. */
  readonly directory: string
  readonly platform: Platform
  readonly native: Native
  readonly store: ContentStore
  readonly snapshotter: Snapshotter
  /** The registry client; made when it is first asked for, because most commands never need it. */
  registry(): Promise<Registry>
  [Symbol.asyncDispose](): Promise<void>
}

/** Opens the state directory. Nothing of it is locked: any number of processes may share it. */
export async function openHost(options: HostOptions, cx: Context): Promise<Host> {
  const native = openNative(options.dist)
  const store = await openContentStore(join(options.root, 'store-v1'), native)
  const directory = realpathSync.native(join(options.root, 'store-v1'))
  let registry: Promise<Registry> | undefined
  return {
    options,
    directory,
    platform: platformOfHost(options.os, options.architecture),
    native,
    store,
    snapshotter: await openOverlaySnapshotter(directory, native),
    registry() {
      registry ??= import('../registry/registry.ts').then(({ openRegistry }) =>
        openRegistry({
          environment: options.environment,
          caFiles: options.extraCaFile === undefined ? [] : [options.extraCaFile],
          debug: cx.debug,
        }),
      )
      return registry
    },
    async [Symbol.asyncDispose]() {
      // Whoever asked for a client that could not be opened has had the failure.
      const opened = await registry?.catch(() => undefined)
      await opened?.close()
    },
  }
}
