// Limits for all processes of a build container together (runtime-spec `linux.resources`), and what they used.

export interface Resources {
  readonly memoryBytes?: number
  /** Memory and swap together; `unlimited` leaves swap alone. Absent: twice the memory, as docker does. */
  readonly memorySwapBytes?: number | 'unlimited'
  /** The share of time: `quotaUs` of CPU time in every `periodUs`. */
  readonly cpu?: { readonly quotaUs: number; readonly periodUs: number }
  /** The weight of its processes among others; 1024 is the usual one. */
  readonly cpuShares?: number
  /** A list as the kernel writes it: `0-3,5`. */
  readonly cpusetCpus?: string
  /** Memory nodes, likewise. */
  readonly cpusetMems?: string
  /** How many processes and threads there may be. */
  readonly pids?: number
}

/** What the kernel calls the parts of a cgroup that enforce limits. */
export type Controller = 'memory' | 'cpu' | 'cpuset' | 'pids'

/** The controllers that `resources` needs. */
export function controllersOf(resources: Resources): readonly Controller[] {
  return [
    ...(resources.memoryBytes === undefined ? [] : (['memory'] as const)),
    ...(resources.cpu === undefined && resources.cpuShares === undefined ? [] : (['cpu'] as const)),
    ...(resources.cpusetCpus === undefined && resources.cpusetMems === undefined
      ? []
      : (['cpuset'] as const)),
    ...(resources.pids === undefined ? [] : (['pids'] as const)),
  ]
}

/** `memory 64m, 1.5 CPUs, CPUs 0-1, 100 processes`. */
export function describeResources(resources: Resources): string {
  const { memoryBytes, memorySwapBytes, cpu, cpuShares, cpusetCpus, cpusetMems, pids } = resources
  return [
    ...(memoryBytes === undefined ? [] : [`memory ${formatMemory(memoryBytes)}`]),
    ...(typeof memorySwapBytes === 'number' ? [`memory and swap ${formatMemory(memorySwapBytes)}`] : []),
    ...(cpu === undefined ? [] : [`${Number((cpu.quotaUs / cpu.periodUs).toFixed(2))} CPUs`]),
    ...(cpuShares === undefined ? [] : [`${cpuShares} CPU shares`]),
    ...(cpusetCpus === undefined ? [] : [`CPUs ${cpusetCpus}`]),
    ...(cpusetMems === undefined ? [] : [`memory nodes ${cpusetMems}`]),
    ...(pids === undefined ? [] : [`${pids} processes`]),
  ].join(', ')
}

/** A size as `--memory` takes it, in the largest unit of 1024 that loses nothing. */
export function formatMemory(bytes: number): string {
  const units = ['', 'k', 'm', 'g', 't']
  let value = bytes
  let unit = 0
  while (value >= 1024 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value}${units[unit]}`
}

/** What a process and everything it started used. */
export interface Usage {
  readonly wallMs: number
  /** User and system time. */
  readonly cpuMs: number
  /** Of all processes together, file pages too, when memory was limited; else of the largest process. */
  readonly peakMemoryBytes: number
}
