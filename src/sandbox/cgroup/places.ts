// The directory of a cgroup in each hierarchy that is needed: chosen, made with what lies above it, set up.
import { lstatSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import { type Controller, controllersOf, type Resources } from '../resources.ts'
import { type Hierarchy, hierarchyOf } from './hierarchies.ts'
import { type Setting, settingsOfVersion1, settingsOfVersion2 } from './settings.ts'

/** A cgroup that is about to be made. */
export interface Place {
  readonly version: 1 | 2
  readonly directory: string
  readonly controllers: readonly Controller[]
  /** Cgroups above it that are made, and stay: the user named them. Top first. */
  readonly parents: readonly string[]
  readonly settings: readonly Setting[]
}

export interface PlaceOptions {
  /** The name of the new cgroup in every hierarchy. */
  readonly name: string
  /** `--cgroup-parent`: a path from the root of every hierarchy. */
  readonly parent?: string
}

/** Where a cgroup with these limits can be. Nothing is made yet but what version 2 needs above it. Throws ERR_LIMIT_UNSUPPORTED naming what is missing. */
export function choosePlaces(
  hierarchies: readonly Hierarchy[],
  resources: Resources,
  options: PlaceOptions,
): readonly Place[] {
  const needed = controllersOf(resources)
  const unified = hierarchies.find(({ version }) => version === 2)
  const second =
    unified === undefined
      ? []
      : needed.filter((name) => namesIn(unified.mount, 'cgroup.controllers').has(name))
  const places: Place[] = []
  if (unified !== undefined && second.length > 0) places.push(versionTwo(unified, second, resources, options))
  const byMount = new Map<string, { readonly hierarchy: Hierarchy; readonly controllers: Controller[] }>()
  for (const controller of needed) {
    if (second.includes(controller)) continue
    const hierarchy = hierarchyOf(controller, hierarchies)
    if (hierarchy === undefined) throw missingController(controller, hierarchies)
    const known = byMount.get(hierarchy.mount)
    if (known === undefined) byMount.set(hierarchy.mount, { hierarchy, controllers: [controller] })
    else known.controllers.push(controller)
  }
  for (const { hierarchy, controllers } of byMount.values()) {
    places.push(versionOne(hierarchy, controllers, resources, options))
  }
  if (options.parent !== undefined) places.push(...withoutLimits(hierarchies, places, options))
  return places
}

function versionOne(
  { mount, own }: Hierarchy,
  controllers: readonly Controller[],
  resources: Resources,
  { name, parent }: PlaceOptions,
): Place {
  const above = parent === undefined ? own : join(mount, parent)
  return {
    version: 1,
    directory: join(above, name),
    controllers,
    parents: parent === undefined ? [] : stepsTo(mount, above),
    settings: controllers.flatMap((controller) => settingsOfVersion1(controller, resources)),
  }
}

/** With a parent every hierarchy has the process below that, limits or not. */
function withoutLimits(
  hierarchies: readonly Hierarchy[],
  limited: readonly Place[],
  { name, parent = '' }: PlaceOptions,
): Place[] {
  return hierarchies.flatMap(({ version, mount, controllers }) => {
    const above = join(mount, parent)
    const directory = join(above, name)
    const isNamed = version === 1 && controllers.some((controller) => controller.startsWith('name='))
    if (isNamed || limited.some((place) => place.directory === directory)) return []
    return [{ version, directory, controllers: [], parents: stepsTo(mount, above), settings: [] }]
  })
}

/**
 * Only a cgroup without processes of its own (or the root) can pass controllers on, so slipway's own one rarely
 * can: the next above it that passes them on, or can be made to, is taken.
 */
function versionTwo(
  { mount, own }: Hierarchy,
  controllers: readonly Controller[],
  resources: Resources,
  { name, parent }: PlaceOptions,
): Place {
  const settings = settingsOfVersion2(only(resources, controllers))
  const place = (above: string, parents: readonly string[]): Place => ({
    version: 2,
    directory: join(above, name),
    controllers,
    parents,
    settings,
  })
  if (parent !== undefined) return place(join(mount, parent), stepsTo(mount, join(mount, parent)))
  let refusal: unknown
  for (let above = own; above === mount || above.startsWith(`${mount}/`); above = dirname(above)) {
    try {
      passOn(above, controllers)
      const found = place(above, [])
      mkdirSync(found.directory)
      rmdirSync(found.directory)
      return found
    } catch (thrown) {
      if (errnoOf(thrown) === undefined) throw thrown
      refusal ??= thrown
    }
  }
  throw new SlipwayError({
    code: 'ERR_LIMIT_UNSUPPORTED',
    message: `limit ${controllers.join(', ')}: no cgroup at or above ${own} lets slipway make one below it (${errnoOf(refusal)})`,
    hint: 'run it as root, or in a delegated cgroup: systemd-run --user --scope -p Delegate=yes slipway …',
    cause: refusal,
  })
}

/** Postcondition: cgroups directly below `directory` have these controllers. Throws the errno of the kernel. */
export function passOn(directory: string, controllers: readonly Controller[]): void {
  const passed = namesIn(directory, 'cgroup.subtree_control')
  const wanted = controllers.filter((name) => !passed.has(name))
  if (wanted.length === 0) return
  writeFileSync(join(directory, 'cgroup.subtree_control'), wanted.map((name) => `+${name}`).join(' '))
}

/** Every directory below `mount` down to `directory`, top first. */
function stepsTo(mount: string, directory: string): string[] {
  const steps: string[] = []
  for (let at = directory; at !== mount && at.startsWith(`${mount}/`); at = dirname(at)) steps.unshift(at)
  return steps
}

function only(resources: Resources, controllers: readonly Controller[]): Resources {
  const { memoryBytes, memorySwapBytes, cpu, cpuShares, cpusetCpus, cpusetMems, pids } = resources
  return {
    ...(controllers.includes('memory') && memoryBytes !== undefined ? { memoryBytes } : {}),
    ...(controllers.includes('memory') && memorySwapBytes !== undefined ? { memorySwapBytes } : {}),
    ...(controllers.includes('cpu') && cpu !== undefined ? { cpu } : {}),
    ...(controllers.includes('cpu') && cpuShares !== undefined ? { cpuShares } : {}),
    ...(controllers.includes('cpuset') && cpusetCpus !== undefined ? { cpusetCpus } : {}),
    ...(controllers.includes('cpuset') && cpusetMems !== undefined ? { cpusetMems } : {}),
    ...(controllers.includes('pids') && pids !== undefined ? { pids } : {}),
  }
}

function namesIn(directory: string, file: string): ReadonlySet<string> {
  const path = join(directory, file)
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return new Set()
  return new Set(readFileSync(path, 'latin1').trim().split(' '))
}

const flagsOf: Readonly<Record<Controller, string>> = {
  memory: '--memory',
  cpu: '--cpus',
  cpuset: '--cpuset-cpus',
  pids: '--pids',
}

function missingController(controller: Controller, hierarchies: readonly Hierarchy[]): SlipwayError {
  const missing =
    hierarchies.length === 0
      ? 'no cgroup file system is mounted'
      : `the cgroup controller "${controller}" is not there`
  return new SlipwayError({
    code: 'ERR_LIMIT_UNSUPPORTED',
    message: `${flagsOf[controller]} cannot be enforced here: ${missing}`,
    hint:
      hierarchies.length === 0
        ? 'mount one: mount -t cgroup2 none /sys/fs/cgroup'
        : 'it may be turned off on the kernel command line, or not passed on to this container',
    data: { controller },
  })
}
