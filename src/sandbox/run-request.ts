// A process as `slipway-helper run` wants it on the wire: how its namespaces are made, the operations that set up its root
// file system (../sys/steps.ts), and itself (native/process.h). What the fields mean is said in types.ts.
import { existsSync, statfsSync } from 'node:fs'
import { posix } from 'node:path'
import { fsPath } from '../core/byte-string.ts'
import {
  type Field,
  flags,
  opcodes,
  passive,
  placeStep,
  privateStep,
  RequestWriter,
  type Step,
  slots,
} from '../sys/steps.ts'
import type { UserNamespace } from '../sys/user-namespace.ts'
import { mountSteps } from './mount-steps.ts'
import { defaultCapabilities, knownCapabilities } from './oci-capabilities.ts'
import type { PreparedRoot } from './prepare-root.ts'
import { limitsOf } from './rlimits.ts'
import { coverSteps, deviceSteps, isCgroup2, rootSteps, systemPlace, systemSteps } from './root-steps.ts'
import type { ProcessSpec } from './types.ts'

export interface RunRequestOptions {
  /** As in ProcessIo. */
  readonly stdio: 'pipe' | 'inherit'
  readonly namespace: UserNamespace
  readonly prepared: Pick<PreparedRoot, 'user' | 'stubs' | 'places' | 'cwd'>
  /** Directories of cgroups that the container joins. */
  readonly cgroups?: readonly string[]
  /** The system call filter, as struct sock_filter; an insecure process has none, a runtime makes its own. */
  readonly filter?: Uint8Array
  readonly runtime?: RuntimeCommands
  /** Operations that are the same for every such process, as they were written for the first one. */
  readonly written?: Map<string, Buffer>
}

/** What an OCI runtime needs that is to make the container. Programs by absolute path with their arguments. */
export interface RuntimeCommands {
  readonly create: readonly string[]
  readonly start: readonly string[]
  /** The text of config.json. */
  readonly config: string
}

const startFlags = { ownNetwork: 1, ownHostname: 2, inheritsStdio: 4, holdsNetwork: 8 } as const
const processFlags = { insecure: 1, inheritsStdio: 2, oneId: 4, answered: 8, ownId: 16 } as const

/** The whole request for `spec`. */
export function encodeRunRequest(spec: ProcessSpec, options: RunRequestOptions): Buffer {
  const { namespace, prepared, cgroups = [], runtime, written = new Map<string, Buffer>() } = options
  const writer = new RequestWriter()
  const add = (step: Step): void => writer.step(step)
  const addWritten = (key: string, write: (into: (step: Step) => void) => void): void => {
    const records = written.get(key) ?? recordsOf(write)
    written.set(key, records)
    writer.append(records)
  }
  writer.record(opcodes.start, startFields(spec, options))
  addWritten('own', ownSteps)
  // Before its namespace is made (systemSteps), so that the container sees its own cgroup as the root.
  for (const path of cgroups) {
    // 0 stands for the writer itself.
    add({ op: 'write', act: 'join cgroup', path: `${path}/cgroup.procs`, rest: ['0'] })
  }
  if (spec.network === 'default' && spec.networkNamespace !== undefined) {
    add({ op: 'network', act: 'join network namespace', path: spec.networkNamespace.path })
  }
  if (spec.network === 'none') add({ op: 'loopback', act: 'bring up the network interface', path: 'lo' })
  rootSteps(spec, { namespace, prepared }, add)
  const { security, network, shmSizeBytes } = spec
  const isAlone = network === 'none'
  addWritten(JSON.stringify([security, isAlone, shmSizeBytes, runtime === undefined]), (into) => {
    // A runtime mounts these itself; that they are directories in the image is not left to it.
    if (runtime === undefined) systemSteps(spec, namespace, into)
    else for (const path of ['/proc', '/sys']) systemPlace(path, into)
    deviceSteps(spec, namespace, into)
  })
  mountSteps(spec, prepared, namespace, add)
  if (runtime !== undefined) runtimeSteps(runtime, add)
  else {
    if (security !== 'insecure') addWritten('covers', coverSteps)
    add({ op: 'pivot', act: 'enter root', base: slots.root })
    add({ op: 'hostname', act: 'set hostname', path: spec.hostname })
  }
  for (const step of enterSteps(spec.cwd, prepared, namespace)) add(step)
  writer.record(opcodes.process, processFields(spec, options))
  return writer.take()
}

function recordsOf(write: (into: (step: Step) => void) => void): Buffer {
  const writer = new RequestWriter()
  write((step) => writer.step(step))
  return writer.take()
}

/** What the container does not have of slipway itself. */
function ownSteps(add: (step: Step) => void): void {
  add(privateStep)
  // Whoever may not lower the score was given it for good.
  const score = { op: 'write', path: '/proc/self/oom_score_adj', flags: flags.mayFail, rest: ['0'] } as const
  const isThere = existsSync(score.path) && statfsSync('/proc').type === procMagic
  if (isThere) add({ ...score, act: 'reset the OOM score' })
}

const procMagic = 0x9fa0

/** The working directory is the user's when it is made. */
function enterSteps(
  cwd: string,
  prepared: RunRequestOptions['prepared'],
  { recordsOwners }: UserNamespace,
): readonly Step[] {
  const { uid, gid } = prepared.user
  const path = fsPath(`/${prepared.cwd}`)
  const named = prepared.cwd === cwd.slice(1) ? '' : ` ${cwd} at`
  return [
    placeStep(
      {
        act: `make working directory${named}`,
        path,
        base: slots.root,
        flags: flags.placeDirectory | (recordsOwners ? flags.ownerRecorded : 0),
        number: 0o755,
      },
      uid,
      gid,
    ),
    { op: 'enter', act: `enter working directory${named}`, path, base: slots.place },
  ]
}

function startFields({ network, root }: ProcessSpec, options: RunRequestOptions): Field[] {
  const bits =
    (network === 'none' ? startFlags.ownNetwork : 0) |
    (options.runtime === undefined ? startFlags.ownHostname : 0) |
    (options.stdio === 'inherit' ? startFlags.inheritsStdio : 0)
  return [bits, root.upper]
}

/** Runtimes look at themselves and at their container in /proc, and crun refuses a cgroup2 hierarchy beside those of version 1. */
function runtimeSteps({ config }: RuntimeCommands, add: (step: Step) => void): void {
  const rest = [0, 0, Buffer.from(config)]
  add({ op: 'file', act: 'write', path: 'config.json', base: slots.store, number: 0o600, rest })
  add({ op: 'open', act: 'open mount point', path: '/proc', into: slots.place })
  add({ op: 'mount', act: 'mount', path: 'proc', number: passive, onto: slots.place })
  const beside = '/sys/fs/cgroup/unified'
  if (isCgroup2('/sys/fs/cgroup') || !isCgroup2(beside)) return
  add({ op: 'open', act: 'open mount point', path: beside, into: slots.place })
  add({ op: 'mount', act: 'mount', path: 'tmpfs', number: 1, onto: slots.place })
}

function processFields(
  spec: ProcessSpec,
  { stdio, namespace, prepared, filter, runtime }: RunRequestOptions,
): Field[] {
  const { uid, gid, groups, home } = prepared.user
  const bits =
    (spec.security === 'insecure' ? processFlags.insecure : 0) |
    (stdio === 'inherit' ? processFlags.inheritsStdio : 0) |
    (namespace.recordsOwners ? processFlags.oneId | sharedBy(prepared.user) : 0)
  const limits = limitsOf(spec.rlimits ?? []).flatMap((limit) => [
    ...[BigInt(limit.resource), limit.soft, limit.hard, BigInt(limit.isRequired)],
  ])
  const isInsecure = spec.security === 'insecure'
  return [
    ...[bits, uid, gid, isInsecure ? everyCapability : capabilityMask(), isInsecure ? everyCapability : 0],
    posix.resolve('/', spec.cwd),
    bytesOf(Uint32Array.from(groups)),
    bytesOf(BigUint64Array.from(limits)),
    filter ?? new Uint8Array(),
    ...texts(programsOf(spec)),
    ...texts(spec.args),
    ...texts(withHome(spec.env, home)),
    ...texts(runtime?.create ?? []),
    ...texts(runtime?.start ?? []),
  ]
}

/** What may be meant, the first that can be executed is: a name without a slash is looked for in the step's own PATH. */
function programsOf({ args, env }: Pick<ProcessSpec, 'args' | 'env'>): readonly string[] {
  const [name = ''] = args
  if (name.includes('/')) return [name]
  // The last one counts, as for a shell that reads its environment in order.
  const path = env.findLast((variable) => variable.startsWith('PATH='))?.slice('PATH='.length) ?? ''
  // An empty element would mean the working directory; that is refused, as by docker.
  const directories = path.split(':').filter((directory) => directory !== '')
  return directories.map((directory) => `${directory}/${name}`)
}

/** Of those that there are. */
const everyCapability = (1n << 64n) - 1n

/**
 * The request for a helper that holds a network namespace, its own (/proc/PID/ns/net), and runs a program that connects
 * it to the one that the helper was started in. The program sees this machine as slipway does; it ends with the helper.
 */
export function encodeNetworkRequest(args: readonly string[]): Buffer {
  const writer = new RequestWriter()
  const none = new Uint8Array()
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  writer.record(opcodes.start, [startFlags.holdsNetwork, ''])
  writer.step(privateStep)
  // It stays who it is, whatever ids there are.
  const bits = processFlags.insecure | processFlags.oneId
  const lists = [...texts(args.slice(0, 1)), ...texts(args), ...texts([path]), ...texts([]), ...texts([])]
  writer.record(opcodes.process, [bits, 0, 0, everyCapability, 0, '/', none, none, none, ...lists])
  return writer.take()
}

/** Root may give files to others and become them, so somebody answers; another user has the one id alone. */
function sharedBy({ uid, gid }: { readonly uid: number; readonly gid: number }): number {
  return uid === 0 && gid === 0 ? processFlags.answered : processFlags.ownId
}

/** Of docker's capabilities, by their bits. */
function capabilityMask(): bigint {
  return knownCapabilities.reduce(
    (mask, name, bit) => (defaultCapabilities.has(name) ? mask | (1n << BigInt(bit)) : mask),
    0n,
  )
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | BigUint64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function texts(all: readonly string[]): Field[] {
  return [all.length, ...all]
}

/** An absent or empty HOME is the user's. */
export function withHome(env: readonly string[], home: string): readonly string[] {
  const at = env.findLastIndex((variable) => variable.startsWith('HOME='))
  if (at === -1) return [...env, `HOME=${home}`]
  return env[at] === 'HOME=' ? env.with(at, `HOME=${home}`) : env
}
