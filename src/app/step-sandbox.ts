// What runs the steps of a build: slipway's own sandbox or an OCI runtime, and what their default network is.
import { join } from 'node:path'
import type { Context } from '../core/context.ts'
import { nativeSandbox } from '../sandbox/native-sandbox.ts'
import { isOffline, isolatedSandbox, openNetworkPool } from '../sandbox/network-pool.ts'
import { findNetworkProgram } from '../sandbox/network-program.ts'
import { ociSandbox } from '../sandbox/oci-runtime.ts'
import { openSpareHelpers, type SpareHelpers } from '../sandbox/spare-helper.ts'
import type { NetworkNamespace, Sandbox } from '../sandbox/types.ts'
import { withCopiedMounts } from './copied-mounts.ts'
import type { Host } from './host.ts'
import { cgroupNotes } from './limits.ts'

export interface StepSandboxOptions {
  /** The name or path of an OCI runtime; absent, slipway's own sandbox runs the steps. */
  readonly runtime?: string
  /** The default network; absent, one that is connected by pasta or slirp4netns, else the host's. */
  readonly networkNamespace?: NetworkNamespace
}

export interface StepSandbox extends AsyncDisposable {
  readonly sandbox: Sandbox
}

/** Slipway's own sandbox or that of an OCI runtime, which know no default network but the host's. Throws ERR_RUNTIME_MISSING. */
export function openSandbox(
  host: Host,
  { runtime, spares }: { readonly runtime?: string | undefined; readonly spares?: SpareHelpers },
): Sandbox {
  const { native, directory, options } = host
  const shared = { absences: new Set<string>(), ...(spares === undefined ? {} : { spares }) }
  const own = { native, cgroupNotes: cgroupNotes(directory), ...shared }
  const path = options.environment.PATH ?? ''
  const mounting =
    runtime === undefined
      ? nativeSandbox(own)
      : ociSandbox({ ...own, runtime, path, directory: join(directory, 'runtime-cgroups') })
  return host.snapshotter.copies ? withCopiedMounts(mounting, native) : mounting
}

/** The sandbox for the steps of one build. Throws ERR_RUNTIME_MISSING. */
export function openStepSandbox(host: Host, options: StepSandboxOptions): StepSandbox {
  if (options.runtime !== undefined) return makeStepSandbox(host, options)
  // What it needs is looked for when something runs: in most builds all steps are cached.
  let made: StepSandbox | undefined
  return {
    sandbox: {
      run: async (spec, io, cx) => {
        made ??= makeStepSandbox(host, options)
        return await made.sandbox.run(spec, io, cx)
      },
    },
    async [Symbol.asyncDispose]() {
      await made?.[Symbol.asyncDispose]()
    },
  }
}

function makeStepSandbox(host: Host, { runtime, networkNamespace }: StepSandboxOptions): StepSandbox {
  const { native, options } = host
  const spares = openSpareHelpers(native)
  const plain = openSandbox(host, { runtime, spares })
  const end = () => spares[Symbol.asyncDispose]()
  const withoutPool = (sandbox: Sandbox): StepSandbox => ({ sandbox, [Symbol.asyncDispose]: end })
  if (networkNamespace !== undefined) return withoutPool(joining(plain, networkNamespace))
  const program = findNetworkProgram(options.environment.PATH ?? '')
  if (typeof program === 'string') return withoutPool(onHostNetwork(plain, program))
  // The programs fail where they find nothing to pass on.
  if (isOffline()) return withoutPool(onNoNetwork(plain))
  const pool = openNetworkPool(native, program)
  return {
    sandbox: isolatedSandbox(plain, pool),
    async [Symbol.asyncDispose]() {
      await Promise.all([end(), pool[Symbol.asyncDispose]()])
    },
  }
}

function joining(sandbox: Sandbox, networkNamespace: NetworkNamespace): Sandbox {
  return { run: (spec, io, cx) => sandbox.run({ ...spec, networkNamespace }, io, cx) }
}

/** Says at the first step that it concerns, and then no more, that steps are not kept off the host's network. */
function onHostNetwork(sandbox: Sandbox, reason: string): Sandbox {
  return withDefault(sandbox, 'default', `RUN uses the host's network: ${reason}`)
}

/** As before; a step that has none cannot tell it from one that leads nowhere. */
function onNoNetwork(sandbox: Sandbox): Sandbox {
  return withDefault(
    sandbox,
    'none',
    'RUN has no network: this machine has none (--network=host for its loopback)',
  )
}

function withDefault(sandbox: Sandbox, network: 'default' | 'none', title: string): Sandbox {
  let isSaid = false
  return {
    run(spec, io, cx) {
      if (spec.network !== 'default') return sandbox.run(spec, io, cx)
      if (!isSaid) say(title, cx)
      isSaid = true
      return sandbox.run({ ...spec, network }, io, cx)
    },
  }
}

function say(title: string, cx: Context): void {
  cx.emit({ type: 'task-started', step: title, title })
  cx.emit({ type: 'task-finished', step: title })
}
