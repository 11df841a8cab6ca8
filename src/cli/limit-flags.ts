// `--memory`, `--cpus` and their like, `--step-timeout`, `--build-timeout`: docker's words, values and refusals.
import { cpus } from 'node:os'
import type { StepLimits } from '../app/limits.ts'
import { parseDuration } from '../core/duration.ts'
import { SlipwayError } from '../core/error.ts'
import { parseSize } from '../core/go-values.ts'
import { type DockerCommand, usageError } from './command.ts'

export interface LimitFlags {
  readonly memory?: string
  readonly memorySwap?: string
  readonly cpus?: string
  readonly cpuShares?: string
  readonly cpuPeriod?: string
  readonly cpuQuota?: string
  readonly cpusetCpus?: string
  readonly cpusetMems?: string
  readonly pids?: string
  readonly cgroupParent?: string
  readonly stepTimeout?: string
  readonly buildTimeout?: string
}

/** Adds the flags to a command. */
export function defineLimitFlags(command: DockerCommand): void {
  command
    .option('-m, --memory <bytes>', 'memory of each RUN')
    .option('--memory-swap <bytes>', 'memory and swap of each RUN together; -1 for unlimited swap')
    .option('--cpus <number>', 'CPUs of each RUN, such as 1.5')
    .option('-c, --cpu-shares <number>', 'weight of each RUN among others (1024 is usual)')
    .option('--cpu-period <microseconds>', 'period of --cpu-quota')
    .option('--cpu-quota <microseconds>', 'CPU time of each RUN in every period')
    .option('--cpuset-cpus <list>', 'CPUs that each RUN may use: 0-3, 0,1')
    .option('--cpuset-mems <list>', 'memory nodes that each RUN may use')
    .option('--pids <count>', 'processes and threads of each RUN; -1 for unlimited')
    .option('--cgroup-parent <path>', 'cgroup below which each RUN gets its own')
    .option('--step-timeout <duration>', 'end a RUN that takes longer: 90s, 1h30m')
    .option('--build-timeout <duration>', 'end a build that takes longer')
}

/** docker's: a process needs some memory to start at all. */
const leastMemory = 6 << 20
const defaultPeriodUs = 100_000

/** The limits that the flags ask for. Throws ERR_FLAG_*. */
export function limitsFrom(flags: LimitFlags): StepLimits {
  const { cpusetCpus, cpusetMems, cgroupParent, stepTimeout } = flags
  const shares = flags.cpuShares === undefined ? 0 : whole('--cpu-shares', flags.cpuShares)
  return {
    resources: {
      ...memoryFrom(flags),
      ...cpuFrom(flags),
      ...(shares === 0 ? {} : { cpuShares: shares }),
      ...(!cpusetCpus ? {} : { cpusetCpus: list('--cpuset-cpus', cpusetCpus) }),
      ...(!cpusetMems ? {} : { cpusetMems: list('--cpuset-mems', cpusetMems) }),
      ...pidsFrom(flags),
    },
    ...(!cgroupParent ? {} : { cgroupParent: cgroup(cgroupParent) }),
    ...(stepTimeout === undefined ? {} : { timeoutMs: milliseconds('--step-timeout', stepTimeout) }),
  }
}

/** `--build-timeout`, if it is given. */
export function buildTimeoutMs({ buildTimeout }: LimitFlags): number | undefined {
  return buildTimeout === undefined ? undefined : milliseconds('--build-timeout', buildTimeout)
}

function memoryFrom({ memory, memorySwap }: LimitFlags): StepLimits['resources'] {
  const memoryBytes = memory === undefined ? 0 : size('--memory', memory)
  const swap = memorySwap === undefined ? 0 : memorySwap === '-1' ? -1 : size('--memory-swap', memorySwap)
  if (memoryBytes === 0) {
    if (swap > 0) throw conflict('--memory-swap needs --memory', 'give both; --memory-swap is their sum')
    return {}
  }
  if (memoryBytes < leastMemory) throw usageError('--memory', memory ?? '', 'at least 6m')
  if (swap === -1) return { memoryBytes, memorySwapBytes: 'unlimited' }
  if (swap !== 0 && swap < memoryBytes) {
    throw usageError('--memory-swap', memorySwap ?? '', 'the sum of memory and swap, at least --memory')
  }
  return { memoryBytes, ...(swap === 0 ? {} : { memorySwapBytes: swap }) }
}

function cpuFrom(flags: LimitFlags): StepLimits['resources'] {
  const period = flags.cpuPeriod === undefined ? 0 : whole('--cpu-period', flags.cpuPeriod)
  const quota =
    flags.cpuQuota === undefined || flags.cpuQuota === '-1' ? 0 : whole('--cpu-quota', flags.cpuQuota)
  if (flags.cpus !== undefined) {
    if (period !== 0 || quota !== 0) {
      throw conflict(
        '--cpus cannot be used with --cpu-period or --cpu-quota',
        'leave --cpus or the others out',
      )
    }
    const share = /^\d+(?:\.\d+)?$|^\.\d+$/.test(flags.cpus) ? Number(flags.cpus) : Number.NaN
    const most = cpus().length
    if (share === 0) return {}
    if (!(share >= 0.01 && share <= most)) {
      throw usageError('--cpus', flags.cpus, `a number from 0.01 to ${most}, the CPUs of this machine`)
    }
    return { cpu: { quotaUs: Math.round(share * defaultPeriodUs), periodUs: defaultPeriodUs } }
  }
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw usageError('--cpu-period', flags.cpuPeriod ?? '', 'microseconds from 1000 to 1000000')
  }
  if (quota === 0) {
    if (period !== 0) throw conflict('--cpu-period needs --cpu-quota', 'give both, or --cpus')
    return {}
  }
  if (quota < 1000) throw usageError('--cpu-quota', flags.cpuQuota ?? '', 'microseconds from 1000')
  return { cpu: { quotaUs: quota, periodUs: period === 0 ? defaultPeriodUs : period } }
}

function pidsFrom({ pids }: LimitFlags): StepLimits['resources'] {
  if (pids === undefined || pids === '-1') return {}
  const count = whole('--pids', pids)
  return count === 0 ? {} : { pids: count }
}

function size(flag: string, text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined) throw usageError(flag, text, 'a size such as 512m or 2g')
  return bytes
}

function whole(flag: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw usageError(flag, text, 'a whole number')
  return Number(text)
}

function list(flag: string, text: string): string {
  if (!/^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/.test(text)) throw usageError(flag, text, 'a list such as 0-2,4')
  return text
}

function milliseconds(flag: string, text: string): number {
  const nanoseconds = parseDuration(text)
  const ms = typeof nanoseconds === 'number' ? Math.round(nanoseconds / 1e6) : 0
  // A timer of Node's cannot wait longer than 24 days.
  if (ms < 1 || ms > 2 ** 31 - 1)
    throw usageError(flag, text, 'a duration such as 90s, 10m or 1h30m, at most 24 days')
  return ms
}

function cgroup(text: string): string {
  const isPath = !text.split('/').includes('..') && !/[\x00-\x1f]/.test(text) && /[^/]/.test(text)
  if (!isPath)
    throw usageError('--cgroup-parent', text, 'a path below the root of the cgroups, such as /builds')
  return text.replace(/^\/+|\/+$/g, '')
}

function conflict(message: string, hint: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_FLAG_CONFLICT', message, hint, data: { exitStatus: 125 } })
}
