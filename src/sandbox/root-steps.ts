// The set-up of a container's root file system with what every step finds in it: docker's /dev, /proc and /sys, and what
// of them is hidden or read-only. Images may hold links there; places are opened without following any.
import { existsSync, readdirSync, statfsSync } from 'node:fs'
import { overlaySteps } from '../sys/overlay-steps.ts'
import {
  attributes,
  deviceNumber,
  flags,
  namespaces,
  passive,
  placeStep,
  type Step,
  slots,
} from '../sys/steps.ts'
import type { UserNamespace } from '../sys/user-namespace.ts'
import { type PreparedRoot, workPlaces } from './prepare-root.ts'
import type { ProcessSpec } from './types.ts'

/** What of the user namespace decides how it is done. */
export type RootFacts = Pick<UserNamespace, 'isInitial' | 'hasTtyGroup'>

type Writes = (step: Step) => void

/** The overlay with a private file system for nodes and small files beside it. */
export function rootSteps(
  { root, security }: ProcessSpec,
  { namespace, prepared }: { readonly namespace: RootFacts; readonly prepared: Pick<PreparedRoot, 'stubs'> },
  add: Writes,
): void {
  const { lower, upper } = root
  const { root: target, overlay: work, store } = workPlaces(root.work)
  const { isInitial } = namespace
  const mayFail = lower.length === 0
  add({ op: 'open', act: 'open directory', path: target, into: slots.place })
  // All of the root is in the upper directory then, so it will do alone where overlayfs cannot be mounted.
  if (mayFail) add({ op: 'clone', act: 'bind mount', path: upper, into: slots.root, onto: slots.place })
  const layers = { lower: [prepared.stubs, ...lower], upper, work, target }
  overlaySteps(layers, { isInitial, onto: slots.place, into: slots.root, mayFail }, add)
  add({ op: 'open', act: 'open directory', path: upper, into: slots.upper })
  // Packages may ship devices; only those of /dev may be opened.
  const number = security === 'insecure' ? 0 : attributes.noDev
  add({ op: 'attributes', act: 'set mount attributes', path: '/', base: slots.root, number })
  add({ op: 'open', act: 'open directory', path: store, into: slots.place })
  add({
    op: 'mount',
    act: 'mount',
    path: 'tmpfs',
    number: attributes.noSuid,
    into: slots.store,
    onto: slots.place,
    rest: ['mode', '700'],
  })
}

/** The image's directory as a place to mount on, made when missing. Links are refused: they would redirect what is set up there. */
export function systemPlace(path: string, add: Writes): void {
  const bits = flags.noLinks | flags.placeDirectory
  add(placeStep({ act: systemPlaceAct, path, base: slots.root, flags: bits, number: 0o755 }))
}

/** How a failure of it reads. */
export const systemPlaceAct = 'open mount point'

/** /proc and /sys with cgroups, which the container joined before. */
export function systemSteps({ security, network }: ProcessSpec, { isInitial }: RootFacts, add: Writes): void {
  // A kernel without them has none to hide.
  if (existsSync('/proc/self/ns/cgroup')) {
    add({ op: 'unshare', act: 'create cgroup namespace', number: namespaces.cgroups })
  }
  const access = security === 'insecure' ? 0 : attributes.readOnly
  const newMount = (path: string, number: number, into: number, ...rest: string[]): void =>
    add({ op: 'mount', act: 'mount', path, number, into, onto: slots.place, rest })
  systemPlace('/proc', add)
  newMount('proc', passive, slots.proc)
  systemPlace('/sys', add)
  if (isInitial || network === 'none') newMount('sysfs', passive | access, slots.sys)
  // Who does not own the network may not mount its view in sysfs, but show again the one that is there.
  else {
    const view = { op: 'clone', act: 'bind mount', path: '/sys', number: passive | access } as const
    add({ ...view, flags: flags.recursive, into: slots.sys, onto: slots.place })
  }
  if (!existsSync(cgroups)) return
  add({ op: 'open', act: 'open mount point', path: 'fs/cgroup', base: slots.sys, into: slots.place })
  if (isCgroup2(cgroups)) newMount('cgroup2', passive | access, slots.none)
  // Differs: with cgroup v1 only, BuildKit shows the step's own groups there; here the directory is empty.
  else newMount('tmpfs', passive | access, slots.none, 'mode', '755', 'nr_inodes', '2')
}

const cgroups = '/sys/fs/cgroup'
const cgroup2Magic = 0x63677270

/** Whether there is a cgroup hierarchy of version 2. */
export function isCgroup2(path: string): boolean {
  return existsSync(path) && statfsSync(path).type === cgroup2Magic
}

const nodes = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
] as const

/** What an insecure step finds beside the others, whether the machine has the driver or not (BuildKit, too). */
const insecureNodes = [
  ...[
    ['kmsg', 1, 11] as const,
    ['cuse', 10, 203] as const,
    ['fuse', 10, 229] as const,
    ['kvm', 10, 232] as const,
  ],
  ...[['net/tun', 10, 200] as const, ['loop-control', 10, 237] as const],
] as const
const loops = 8

const links = {
  ...{ ptmx: 'pts/ptmx', fd: '/proc/self/fd', stdin: '/proc/self/fd/0' },
  ...{ stdout: '/proc/self/fd/1', stderr: '/proc/self/fd/2' },
} as const

const [character, block] = [0o020666, 0o060666]

/**
 * /dev itself is mounted nodev and every node is a mount of its own without it: a step may make nodes (mknod is allowed,
 * as with docker) but can open no device that is not listed here, and that holds without a device cgroup.
 */
export function deviceSteps(spec: ProcessSpec, { isInitial, hasTtyGroup }: RootFacts, add: Writes): void {
  const isInsecure = spec.security === 'insecure'
  systemPlace('/dev', add)
  add({
    op: 'mount',
    act: 'mount',
    path: 'tmpfs',
    number: attributes.noSuid | attributes.strictAtime | (isInsecure ? 0 : attributes.noDev),
    into: slots.dev,
    onto: slots.place,
    rest: ['mode', '755', 'size', '65536k'],
  })
  // In a user namespace no device can be made.
  if (isInsecure && isInitial) makeInsecureNodes(add)
  for (const [name, major, minor] of nodes) {
    const number = deviceNumber(major, minor)
    const into = name === 'null' ? slots.null : slots.shown
    if (isInitial) {
      add({
        op: 'node',
        act: 'make device',
        path: name,
        base: slots.store,
        number: character,
        rest: [number],
      })
      add({ op: 'open', act: 'open device', path: name, base: slots.store, into, number })
      // There devices can be neither made nor opened, unless they come from outside it: the machine's own.
    } else add({ op: 'open', act: 'open device', path: `/dev/${name}`, into, number })
    place(`/${name}`, 0o666, 0, add)
    const attribute = attributes.noSuid | attributes.noExec
    add({ op: 'clone', act: 'bind mount', base: into, number: attribute, onto: slots.place })
  }
  below(
    '/pts',
    'devpts',
    attributes.noSuid | attributes.noExec,
    ['ptmxmode', '0666', 'mode', '0620', ...(hasTtyGroup ? ['gid', '5'] : [])],
    add,
  )
  below('/shm', 'tmpfs', passive, ['mode', '1777', 'size', String(spec.shmSizeBytes || 64 << 20)], add)
  below('/mqueue', 'mqueue', passive, [], add)
  for (const [name, target] of Object.entries(links)) {
    add({ op: 'link', act: 'link device', path: name, base: slots.dev, rest: [target] })
  }
}

function makeInsecureNodes(add: Writes): void {
  const node = (path: string, mode: number, number: number): void =>
    add({ op: 'node', act: 'make device', path, base: slots.dev, number: mode, rest: [number] })
  add({ op: 'directory', act: 'make directory', path: 'net', base: slots.dev, number: 0o755 })
  for (const [name, major, minor] of insecureNodes) node(name, character, deviceNumber(major, minor))
  for (let i = 0; i < loops; i++) node(`loop${i}`, block, deviceNumber(7, i))
}

function place(path: string, mode: number, bits: number, add: Writes): void {
  add(placeStep({ act: 'make mount point', path, base: slots.dev, number: mode, flags: bits }))
}

function below(path: string, type: string, number: number, rest: readonly string[], add: Writes): void {
  place(path, 0o755, flags.placeDirectory, add)
  // Every mount of devpts is an instance of its own (since Linux 4.7).
  add({ op: 'mount', act: 'mount', path: type, number, onto: slots.place, rest })
}

const maskedProc = [
  ...['acpi', 'asound', 'interrupts', 'kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats'],
  ...['sched_debug', 'scsi'],
]
const maskedSys = ['firmware', 'devices/virtual/powercap']
const readOnlyProc = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger']

/** Docker's list of places, hidden and write-protected; for when all else is mounted. */
export function coverSteps(add: Writes): void {
  add({ op: 'directory', act: 'make directory', path: 'empty', base: slots.store, number: 0o555 })
  add({ op: 'open', act: 'open directory', path: 'empty', base: slots.store, into: slots.empty })
  for (const path of readOnlyProc) {
    add({ op: 'cover', act: 'make read-only', path, base: slots.proc, number: passive | attributes.readOnly })
  }
  const mask = (base: number, path: string): void =>
    add({
      op: 'cover',
      act: 'mask',
      path,
      base,
      into: slots.empty,
      onto: slots.null,
      number: attributes.readOnly | attributes.noSuid | attributes.noExec,
    })
  for (const path of maskedProc) mask(slots.proc, path)
  for (const path of [...maskedSys, ...thermalPaths()]) mask(slots.sys, path)
}

/** One directory a processor, only on machines that have them at all. */
function thermalPaths(): string[] {
  const all = '/sys/devices/system/cpu'
  if (!existsSync(`${all}/cpu0/thermal_throttle`)) return []
  return readdirSync(all)
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => `devices/system/cpu/${name}/thermal_throttle`)
}
