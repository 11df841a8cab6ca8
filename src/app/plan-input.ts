// From what a build reads to its plan, with everything that is wrong on the way told of: by way of parser and planner, or
// from memory when nothing has changed since.
import { confirmPlan } from '../cache/plans.ts'
import type { Context } from '../core/context.ts'
import { type Diagnostic, hasErrors } from '../core/diagnostic.ts'
import { platformOfHost } from '../core/platform.ts'
import type { SourceFile } from '../core/span.ts'
import { furtherFindings } from '../plan/further-findings.ts'
import { keyOfRequest } from '../plan/pin-key.ts'
import { planWithPins } from '../plan/plan-with-pins.ts'
import type { Pin, PinRequest, Pins, PlanOptions, Ready } from '../plan/types.ts'
import type { WriteHint } from '../store/hints.ts'
import { type HostOptions, type HostSlot, storeDirectory } from './host.ts'
import type { BuildInput } from './input.ts'
import type { NamedContexts } from './named-contexts.ts'
import { otherMistakes } from './other-mistakes.ts'
import { otherFailure, resolvePin, unresolved } from './pins.ts'
import { filesOf, readStages } from './read-stages.ts'
import { planPlace, rememberedPlan, rememberPlan } from './remembered-plan.ts'
import { type BuildRequest, planOptionsFrom } from './request.ts'

export interface InputPlan {
  readonly files: readonly SourceFile[]
  /** What was told of: without errors among them there is a plan. */
  readonly diagnostics: readonly Diagnostic[]
  readonly ready?: Ready
  /** To be called when the build went well: the next one finds the plan, and it counts as used now. */
  remember(writeHint: WriteHint): void
}

export interface PlanInputOptions {
  /** Build args with those of docker's configuration. */
  readonly request: BuildRequest
  readonly contexts: NamedContexts
  /** What is to be said of both. */
  readonly doubts: readonly Diagnostic[]
  readonly slot: HostSlot
  readonly host: HostOptions
}

/** Plans what was read, once all images are known that it needs. Mistakes in it are told of, what the world does wrong is thrown. */
export async function planInput(
  input: BuildInput,
  options: PlanInputOptions,
  cx: Context,
): Promise<InputPlan> {
  const { request, contexts, doubts, host } = options
  const files = filesOf(input)
  const platform = platformOfHost(host.os, host.architecture)
  const planOptions = planOptionsFrom(request, input, files, platform, contexts.plan)
  const asked = askOnce(options, { ...input.fetched?.pins }, cx)
  const place = planPlace(storeDirectory(host.root), host.program, planOptions)
  if (place !== undefined && doubts.length === 0) {
    const found = await rememberedPlan(place, planOptions, asked.resolve)
    if (found !== undefined && contexts.mistakes(found.graph).length === 0) {
      const { diagnostics, ...ready } = found
      const shown = [...files, ...Object.values(contexts.ignoreFiles)]
      if (diagnostics.length > 0) cx.emit({ type: 'diagnostics', diagnostics, files: shown })
      return { files, diagnostics, ready, remember: () => confirmPlan(place) }
    }
  }
  const planned = await planAnew(input, planOptions, { ...options, asked }, cx)
  const { diagnostics, ready } = planned
  const remember = (writeHint: WriteHint): void => {
    if (place === undefined || ready === undefined || planned.hasDoubts) return
    const { rounds, pins } = asked
    rememberPlan(place, { rounds, pins, plan: { ...ready, diagnostics } }, writeHint)
  }
  return { files, diagnostics, ...(ready && { ready }), remember }
}

async function planAnew(
  input: BuildInput,
  planOptions: PlanOptions,
  { request, contexts, doubts, slot, asked }: PlanInputOptions & { readonly asked: Asked },
  cx: Context,
) {
  const { parsed, stages, diagnostics: read, show } = readStages(input, request.buildArgs)
  const found = [...doubts, ...read]
  const { pins, resolve } = asked
  if (hasErrors(found)) {
    const further = await otherMistakes(parsed, planOptions, asked)
    return { diagnostics: show([...found, ...further], cx) }
  }
  // Who cannot open the state directory is told so before a registry is asked.
  await slot.open()
  const planned = await planWithPins(stages, planOptions, resolve, input.fetched?.pins).catch(
    (thrown: unknown) => {
      const missing = unresolved(thrown)
      if (missing === undefined) {
        show(found, cx)
        throw otherFailure(thrown)
      }
      const further = furtherFindings(parsed, planOptions, pins)
      return { value: undefined, diagnostics: [...missing, ...further.diagnostics] }
    },
  )
  const { value } = planned
  const isWrong = value !== undefined && hasErrors(planned.diagnostics)
  const further = isWrong ? await otherMistakes(parsed, planOptions, asked) : []
  // An image is never made of a plan that is wrong, whatever of its mistakes is left out as the consequence of others.
  const more = hasErrors(further) ? further : planned.diagnostics
  const inContexts = value === undefined ? [] : contexts.mistakes(value.graph)
  const diagnostics = show([...found, ...more, ...inContexts], cx, Object.values(contexts.ignoreFiles))
  if (value === undefined || hasErrors(diagnostics)) return { diagnostics }
  const { pins: _, ...ready } = value
  return { diagnostics, ready, hasDoubts: doubts.length > 0 || inContexts.length > 0 }
}

/** What a plan asks for, each thing once. */
interface Asked {
  /** What was asked at a time, in order: each round stands on the answers to those before it. */
  readonly rounds: readonly (readonly PinRequest[])[]
  /** The answers, and those that were known before. */
  readonly pins: Pins
  resolve(request: PinRequest): Promise<Pin>
}

function askOnce({ request, slot }: PlanInputOptions, pins: Record<string, Pin>, cx: Context): Asked {
  const rounds: PinRequest[][] = []
  let waiting = 0
  const answers = new Map<string, Promise<Pin>>()
  const ask = async (wanted: PinRequest): Promise<Pin> => {
    const key = keyOfRequest(wanted)
    const pin = await resolvePin(await slot.open(), wanted, request.pull, cx)
    pins[key] = pin
    return pin
  }
  return {
    rounds,
    pins,
    resolve: (wanted) => {
      const key = keyOfRequest(wanted)
      const known = answers.get(key)
      if (known !== undefined) return known
      // Who asks before there are answers does not ask because of them.
      if (waiting++ === 0) rounds.push([])
      rounds.at(-1)?.push(wanted)
      const answer = ask(wanted).finally(() => waiting--)
      answers.set(key, answer)
      return answer
    },
  }
}
