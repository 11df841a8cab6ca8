// `slipway graph`: the graph that a build of this file would solve. Names are resolved as for a build; nothing is built.
import type { Context } from '../core/context.ts'
import { type Diagnostic, hasErrors } from '../core/diagnostic.ts'
import { platformOfHost } from '../core/platform.ts'
import type { SourceFile } from '../core/span.ts'
import type { Graph, OpRef } from '../graph/op.ts'
import { shownGraph } from '../graph/shown.ts'
import { planWithPins } from '../plan/plan-with-pins.ts'
import { type HostOptions, hostSlot } from './host.ts'
import { namedContexts } from './named-contexts.ts'
import { otherFailure, resolvePin, unresolved } from './pins.ts'
import { withProxyArgs } from './proxy-args.ts'
import { readInput } from './read-input.ts'
import { readStages } from './read-stages.ts'
import { type BuildRequest, planOptionsFrom } from './request.ts'

export interface PlannedGraph {
  /** Absent when the file is wrong. Without anything that is not to be shown. */
  readonly graph?: Graph
  readonly roots: readonly OpRef[]
  readonly diagnostics: readonly Diagnostic[]
  readonly files: readonly SourceFile[]
  readonly dockerfile: string
}

/** Plans. Mistakes in the Dockerfile come back as diagnostics; what the world does wrong is thrown. */
export async function planGraph(
  asked: BuildRequest,
  options: HostOptions,
  cx: Context,
): Promise<PlannedGraph> {
  const { value: contexts, diagnostics: doubts } = await namedContexts(asked.contexts)
  const { secrets, agents } = asked
  await using slot = hostSlot({ ...options, secrets, agents, layouts: contexts.layouts }, cx)
  const input = await readInput(asked, slot, cx)
  const proxied = await withProxyArgs(asked.buildArgs, options.environment)
  const request = { ...asked, buildArgs: proxied.value }
  const { stages, diagnostics: read, files } = readStages(input, request.buildArgs)
  const diagnostics = [...doubts, ...proxied.diagnostics, ...read]
  const report = { roots: [], files, dockerfile: input.dockerfile.name }
  if (hasErrors(diagnostics)) return { ...report, diagnostics }
  const platform = platformOfHost(options.os, options.architecture)
  const planOptions = planOptionsFrom(request, input, files, platform, contexts.plan)
  const planned = await planWithPins(
    stages,
    planOptions,
    async (pin) => resolvePin(await slot.open(), pin, request.pull, cx),
    input.fetched?.pins,
  ).catch((thrown: unknown) => {
    const missing = unresolved(thrown)
    if (missing === undefined) throw otherFailure(thrown)
    return { value: undefined, diagnostics: missing }
  })
  const all = [...diagnostics, ...planned.diagnostics]
  if (planned.value === undefined || hasErrors(all)) return { ...report, diagnostics: all }
  const { graph, target } = planned.value
  const roots = target.root === null ? [] : [target.root]
  return { ...report, graph: shownGraph(graph), roots, diagnostics: all }
}
