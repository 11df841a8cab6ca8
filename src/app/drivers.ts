// The driver of every op kind, wired to this machine.
import { join } from 'node:path'
import { openCaches } from '../cache-mounts/caches.ts'
import { limit } from '../core/limit.ts'
import type { SourceFile } from '../core/span.ts'
import { parseIgnoreFile } from '../dockerfile/ignore-file.ts'
import { openSources, type SourcesOptions } from '../ops/copy/sources.ts'
import { type ExecDependencies, execDriver } from '../ops/exec.ts'
import type { FailureKeeper } from '../ops/failed/types.ts'
import { fileDriver } from '../ops/file.ts'
import { gitDriver } from '../ops/git.ts'
import { httpDriver } from '../ops/http.ts'
import { imageDriver } from '../ops/image.ts'
import { type LayerSource, openLayerSource } from '../ops/layers.ts'
import { localDriver } from '../ops/local.ts'
import { mergeDriver } from '../ops/merge.ts'
import { openContextCopies } from '../ops/mounts/context-copies.ts'
import type { Drivers } from '../solve/types.ts'
import { hintWriter } from '../store/hints.ts'
import { fetchBlob } from './fetch-blob.ts'
import type { Host } from './host.ts'
import type { StepLimits } from './limits.ts'
import { openStepSandbox, type StepSandboxOptions } from './step-sandbox.ts'

/** More gain nothing from one registry and annoy it (BuildKit's number too). */
const parallelTransfers = 4

export interface DriverOptions extends StepSandboxOptions {
  /** The absolute path of the main (`context`) or a named context; undefined for one without files. */
  directoryOf(name: string): string | undefined
  /** The ignore file that applies to it. */
  ignoreFileOf?(name: string): SourceFile | undefined
  readonly shmSizeBytes?: number
  /** Layers that no step reads are written as archives at once; for builds whose outputs are images. */
  readonly archives?: boolean
  readonly limits?: StepLimits
  /** What becomes of steps that fail. */
  readonly failures?: FailureKeeper
}

function placeOfPattern(file: SourceFile | undefined, index: number): string | undefined {
  const line = file && parseIgnoreFile(file.text, file.name).value[index]?.line
  return line === undefined ? undefined : `${file?.name}:${line}`
}

export interface OpenDrivers extends AsyncDisposable {
  readonly drivers: Drivers
  /** What the drivers share. */
  readonly layers: LayerSource
  /** What steps are run with. */
  readonly exec: ExecDependencies
}

/** One driver per op kind. Disposing ends what they have running beside the steps. */
export function openDrivers(host: Host, options: DriverOptions): OpenDrivers {
  const { native, store, snapshotter } = host
  const transfers = limit(parallelTransfers)
  const layers = openLayerSource({
    native,
    store,
    snapshotter,
    fetch: (layer, cx) => transfers(() => fetchBlob(host, layer, cx), cx.signal),
  })
  const steps = openStepSandbox(host, options)
  const reading: SourcesOptions = {
    native,
    layers,
    directoryOf: options.directoryOf,
    placeOfPattern: (name, index) => placeOfPattern(options.ignoreFileOf?.(name), index),
    statCacheDirectory: join(host.directory, 'stat-cache'),
    writeHint: hintWriter(host.directory, native),
  }
  const sources = openSources(reading)
  const contexts = openContextCopies({ native, snapshotter, sources })
  const exec: ExecDependencies = {
    host: host.platform,
    snapshotter,
    layers,
    sandbox: steps.sandbox,
    sources,
    contexts,
    native,
    caches: openCaches({ root: host.directory, native, snapshotter }),
    secret: host.secrets.find,
    agent: host.agents.find,
    ...(options.shmSizeBytes === undefined ? {} : { shmSizeBytes: options.shmSizeBytes }),
    ...options.limits,
    ...(options.failures === undefined ? {} : { failures: options.failures }),
  }
  const drivers: Drivers = {
    image: imageDriver(store),
    local: localDriver(),
    git: gitDriver({ snapshotter, fetcher: () => host.git() }),
    http: httpDriver({ native, snapshotter, store, fetcher: () => host.http() }),
    merge: mergeDriver(),
    exec: execDriver(exec),
    file: fileDriver(
      { ...reading, snapshotter, ...(options.archives === true ? { archives: store } : {}) },
      sources,
    ),
  }
  return {
    drivers,
    layers,
    exec,
    async [Symbol.asyncDispose]() {
      await using _steps = steps
      await contexts[Symbol.asyncDispose]()
    },
  }
}
