// A build from request to report: every arrow of the picture in the README, in order. Nothing else happens here.

import { readCacheFlags } from './app/cache-flags.ts'
import { collectAfterBuild, collectionBounds, watchCache } from './app/collect-after.ts'
import { openDrivers } from './app/drivers.ts'
import { forgetFailures, keepFailures } from './app/failures.ts'
import { type HostOptions, hostSlot } from './app/host.ts'
import type { BuildInput } from './app/input.ts'
import { journaled } from './app/journaled.ts'
import { announceLimits } from './app/limits.ts'
import { namedContexts } from './app/named-contexts.ts'
import { areImages, exportBuild, openOutputs } from './app/outputs.ts'
import { planInput } from './app/plan-input.ts'
import { withProxyArgs } from './app/proxy-args.ts'
import { readInput } from './app/read-input.ts'
import type { BuildRequest } from './app/request.ts'
import { watchUsage } from './app/step-usage.ts'
import { stepsOf } from './app/steps.ts'
import { trustedOnly, withTrustedLayers } from './app/trusted-layers.ts'
import { openLocalCache } from './cache/local-cache.ts'
import { partsOf } from './cache/parts.ts'
import { openPastBuilds } from './cache/past-builds.ts'
import type { Context } from './core/context.ts'
import type { Diagnostic } from './core/diagnostic.ts'
import type { Digest } from './core/digest.ts'
import { redact } from './core/error.ts'
import type { SourceFile } from './core/span.ts'
import { solve } from './solve/solver.ts'
import { hintWriter } from './store/hints.ts'

export interface BuildReport {
  readonly failed: boolean
  readonly diagnostics: readonly Diagnostic[]
  readonly files: readonly SourceFile[]
  readonly dockerfile: string
  /** The config digest, when an image was made. */
  readonly imageId?: Digest
  /** The metadata file's content, with buildx's keys. */
  readonly metadata: Readonly<Record<string, unknown>>
}

/** Builds. Mistakes in the Dockerfile come back in a failed report, all of them; what the world does wrong is thrown. */
export async function build(asked: BuildRequest, options: HostOptions, cx: Context): Promise<BuildReport> {
  const outputs = await openOutputs(asked)
  const wishes = await readCacheFlags(asked, options.environment)
  const { value: contexts, diagnostics: unclear } = await namedContexts(asked.contexts)
  const { secrets, agents } = asked
  await using slot = hostSlot({ ...options, secrets, agents, layouts: contexts.layouts }, cx)
  const input = await readInput(asked, slot, cx)
  const proxied = await withProxyArgs(asked.buildArgs, options.environment)
  const request = { ...asked, buildArgs: proxied.value }
  const doubts = [...unclear, ...proxied.diagnostics]
  const planned = await planInput(input, { request, contexts, doubts, slot, host: options }, cx)
  const { files, diagnostics, ready } = planned
  const report = { failed: false, diagnostics, files, dockerfile: input.dockerfile.name, metadata: {} }
  if (ready === undefined) return { ...report, failed: true }
  const { graph, target } = ready

  const host = await slot.open()
  const bounds = collectionBounds(host)
  const limits = await announceLimits(host, request.limits, cx)
  cx.emit({ type: 'graph', steps: stepsOf(graph), files: graph.files })

  const buildName = `${nameOfContext(request, input)}\n${request.file ?? ''}`
  const { shmSizeBytes, runtime, networkNamespace } = request
  const { timeoutMs: _, ...lasting } = limits
  const size = shmSizeBytes === undefined ? {} : { shmSizeBytes }
  const own = {
    directoryOf: (name: string) => contexts.directories[name] ?? request.context,
    ...size,
  }
  const place = {
    ...(runtime === undefined ? {} : { runtime }),
    ...(networkNamespace === undefined ? {} : { networkNamespace }),
  }
  const failures = keepFailures(host, {
    ...own,
    conditions: { ...size, ...place, ...lasting },
    build: buildName,
    outputs: outputs.onFailure,
  })
  await using opened = openDrivers(host, {
    ...own,
    ...place,
    ignoreFileOf: (name) => (name in contexts.directories ? contexts.ignoreFiles[name] : input.ignoreFile),
    archives: areImages(outputs),
    limits,
    failures,
  })
  const { drivers, layers, exec } = opened
  const cache = watchCache(
    await openLocalCache(host.directory, {
      native: host.native,
      expect: (layers) => host.pin(partsOf(layers)),
      hasSnapshot: (id) => host.snapshotter.has(id),
      hasArchive: (descriptor) => host.store.has(descriptor),
      sync: () => host.snapshotter.flush(),
    }),
  )
  try {
    const jobs = request.jobs ?? defaultJobs(options.cpus)
    const { root } = target
    const writeHint = hintWriter(host.directory, host.native)
    const store = openPastBuilds(host.directory, writeHint)
    await using remotes =
      wishes && root !== null
        ? (await import('./app/remote-caches.ts')).openRemoteCaches(
            host,
            { ...wishes, ...exec, ...own, graph, root, platform: host.platform, cache },
            cx,
          )
        : undefined
    const usage = watchUsage(cx)
    await remotes?.ready
    const made = await withTrustedLayers(cx, async (isTrusted) => {
      const result = await journaled({ build: buildName, store, cx: usage.cx }, (explained) =>
        solve(graph, root, {
          cache: trustedOnly(cache, isTrusted),
          drivers,
          jobs,
          build: buildName,
          keepGoing: request.keepGoing,
          ...(remotes && { remote: remotes.remote(isTrusted) }),
          ...explained,
        }),
      )
      const decorate = remotes && { decorate: remotes.decorate }
      return exportBuild({ outputs, target, result, layers, host, epoch: target.epoch, ...decorate }, cx)
    })
    await remotes?.finish()
    await forgetFailures(host, buildName, cx)
    planned.remember(writeHint)
    const metadata = { ...made.metadata, ...usage.metadata(stepsOf(graph)) }
    return { ...report, ...made, metadata }
  } finally {
    // Steps that ended well stay known although a later one failed.
    await cache.flush()
    await collectAfterBuild(host, { hasGrown: cache.hasGrown, bounds }, cx)
  }
}

/** More than there are CPUs: steps wait for networks and disks, too, and those that compute share what there is. */
function defaultJobs(cpus: number): number {
  return Math.max(8, 2 * cpus)
}

/** What earlier builds of the same are found by. */
function nameOfContext({ context, contextName }: BuildRequest, { fetched }: BuildInput): string {
  return fetched === undefined ? (context ?? '-') : redact(contextName)
}
