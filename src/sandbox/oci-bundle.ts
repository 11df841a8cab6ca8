// The config.json of the OCI runtime-spec for a process: pure, so that what a runtime is told can be read in tests.
// The helper has made the root file system by then, and in it /dev and everything of `spec.mounts`: names that images
// and Dockerfiles choose are resolved by one piece of code, whatever runs the container.
import { posix } from 'node:path'
import { defaultCapabilities, knownCapabilities } from './oci-capabilities.ts'
import type { OciSeccomp } from './oci-seccomp.ts'
import { withHome } from './run-request.ts'
import type { ProcessSpec } from './types.ts'

/** What is not in the spec: looked up in the image by the helper, or found on this machine. */
export interface BundleFacts {
  /** The root file system, absolute. */
  readonly root: string
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
  /** By the image's passwd. */
  readonly home: string
  /** The capabilities that slipway has to give, as the kernel's bit mask. */
  readonly permitted: bigint
  /** Whether /sys/fs/cgroup is cgroup2 and nothing else. */
  readonly isUnified: boolean
  /** Whether a sysfs can be mounted; root of a user namespace cannot for a network that is not its own. */
  readonly hasSysfs: boolean
  /** Processors, of which some have a directory to hide. */
  readonly cpus: number
  /** Absent: the runtime leaves its cgroup as it is. */
  readonly cgroupsPath?: string
  readonly seccomp: OciSeccomp
}

const passive = ['nosuid', 'nodev', 'noexec']

const maskedPaths = [
  ...['acpi', 'asound', 'interrupts', 'kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats'],
  ...['sched_debug', 'scsi'],
].map((name) => `/proc/${name}`)
const maskedSysPaths = ['/sys/firmware', '/sys/devices/virtual/powercap']
const readonlyPaths = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`)

/** The runtime-spec document, version 1.0.2, that does what slipway's own sandbox does. */
export function ociConfig(spec: ProcessSpec, facts: BundleFacts): object {
  const isInsecure = spec.security === 'insecure'
  const { uid, gid, groups } = facts.user
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid, gid, additionalGids: groups },
      args: spec.args,
      env: withHome(spec.env, facts.home),
      cwd: posix.resolve('/', spec.cwd),
      capabilities: capabilities(isInsecure, facts.permitted),
      rlimits: rlimits(spec),
      noNewPrivileges: false,
    },
    root: { path: facts.root, readonly: false },
    ...(spec.hostname === '' ? {} : { hostname: spec.hostname }),
    mounts: mounts(isInsecure, facts),
    linux: {
      // No pid, network and ipc namespace: the runtime is started in those of the container. Process 1 there reaps and
      // ends what the step leaves, and has it die with slipway; /dev/mqueue is of the ipc namespace it was mounted in.
      namespaces: ['mount', 'uts', 'cgroup'].map((type) => ({ type })),
      ...(facts.cgroupsPath === undefined ? {} : { cgroupsPath: facts.cgroupsPath }),
      resources: { devices: devices(isInsecure) },
      ...(isInsecure
        ? {}
        : {
            seccomp: facts.seccomp,
            maskedPaths: [...maskedPaths, ...maskedSysPaths, ...thermalPaths(facts.cpus)],
            readonlyPaths,
          }),
    },
  }
}

/** The helper starts the runtime with all of them; Go programs raise the number of files for themselves. */
function rlimits({ rlimits: asked = [] }: ProcessSpec): readonly object[] {
  // A core pattern may be a program that runs on the host.
  const core = asked.some(({ name }) => name === 'core') ? [] : [{ name: 'core', soft: 0, hard: 0 }]
  // What is unlimited is no number of JSON.
  return [...core, ...asked.filter(({ hard }) => hard !== -1)].map(({ name, soft, hard }) => ({
    type: `RLIMIT_${name.toUpperCase()}`,
    soft,
    hard,
  }))
}

function capabilities(isInsecure: boolean, permitted: bigint): Readonly<Record<string, readonly string[]>> {
  const given = knownCapabilities.filter(
    (name, bit) => (permitted >> BigInt(bit)) & 1n && (isInsecure || defaultCapabilities.has(name)),
  )
  const kept = isInsecure ? given : []
  return { bounding: given, effective: given, permitted: given, inheritable: kept, ambient: kept }
}

function mounts(isInsecure: boolean, { root, isUnified, hasSysfs }: BundleFacts): readonly object[] {
  const access = isInsecure ? 'rw' : 'ro'
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: passive },
    // Made by the helper: with the runtime's own a step could open the devices that it makes there.
    // Its flags are named again because a runtime may drop those that it is not told of (crun does); the nodes in it
    // are mounts with their own.
    {
      destination: '/dev',
      type: 'bind',
      source: `${root}/dev`,
      options: ['rbind', 'nosuid', 'strictatime', ...(isInsecure ? [] : ['nodev'])],
    },
    hasSysfs
      ? { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...passive, access] }
      : { destination: '/sys', type: 'bind', source: '/sys', options: ['rbind', ...passive, 'rro'] },
    isUnified
      ? { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...passive, access] }
      : // Differs: BuildKit shows the step's own groups of version 1 there.
        {
          destination: '/sys/fs/cgroup',
          type: 'tmpfs',
          source: 'tmpfs',
          options: [...passive, 'mode=755', 'nr_inodes=2', access],
        },
  ]
}

/** Beside the nodes that the runtime allows by itself: making any is allowed, opening none. */
function devices(isInsecure: boolean): readonly object[] {
  if (isInsecure) return [{ allow: true, access: 'rwm' }]
  const making = ['c', 'b'].map((type) => ({ allow: true, type, access: 'm' }))
  return [{ allow: false, access: 'rwm' }, ...making]
}

function thermalPaths(cpus: number): string[] {
  return Array.from({ length: cpus }, (_, cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`)
}
