// The control files of a cgroup that enforce limits: what is written to which, in what order.
import type { Controller, Resources } from '../resources.ts'

/** One value for one control file, in the order they have to be written. */
export interface Setting {
  readonly file: string
  readonly value: string
  /** Left out where the kernel has no such file: the user did not ask for it. */
  readonly optional?: true
}

/** What a version 1 cgroup of this controller needs. */
export function settingsOfVersion1(controller: Controller, resources: Resources): readonly Setting[] {
  switch (controller) {
    case 'memory': {
      const { memoryBytes = 0, memorySwapBytes } = resources
      const both = memorySwapBytes ?? 2 * memoryBytes
      return [
        { file: 'memory.limit_in_bytes', value: String(memoryBytes) },
        {
          file: 'memory.memsw.limit_in_bytes',
          value: both === 'unlimited' ? '-1' : String(both),
          ...(typeof memorySwapBytes === 'number' ? {} : { optional: true }),
        },
      ]
    }
    case 'cpu':
      return [
        ...setting('cpu.cfs_period_us', resources.cpu?.periodUs),
        ...setting('cpu.cfs_quota_us', resources.cpu?.quotaUs),
        ...setting('cpu.shares', resources.cpuShares),
      ]
    case 'cpuset':
      return [
        ...setting('cpuset.cpus', resources.cpusetCpus),
        ...setting('cpuset.mems', resources.cpusetMems),
      ]
    case 'pids':
      return [{ file: 'pids.max', value: pidsMax(resources) }]
  }
}

/** What a version 2 cgroup needs. */
export function settingsOfVersion2(resources: Resources): readonly Setting[] {
  const { memoryBytes, memorySwapBytes, cpu, cpuShares, cpusetCpus, cpusetMems, pids } = resources
  const settings: Setting[] = []
  if (memoryBytes !== undefined) {
    const both = memorySwapBytes ?? 2 * memoryBytes
    settings.push(
      { file: 'memory.max', value: String(memoryBytes) },
      {
        file: 'memory.swap.max',
        value: both === 'unlimited' ? 'max' : String(both - memoryBytes),
        ...(typeof memorySwapBytes === 'number' ? {} : { optional: true }),
      },
    )
  }
  if (cpu !== undefined) settings.push({ file: 'cpu.max', value: `${cpu.quotaUs} ${cpu.periodUs}` })
  settings.push(
    ...setting('cpu.weight', cpuShares === undefined ? undefined : weightOf(cpuShares)),
    ...setting('cpuset.cpus', cpusetCpus),
    ...setting('cpuset.mems', cpusetMems),
  )
  if (pids !== undefined) settings.push({ file: 'pids.max', value: pidsMax(resources) })
  return settings
}

function setting(file: string, value: string | number | undefined): readonly Setting[] {
  return value === undefined ? [] : [{ file, value: String(value) }]
}

/** Shares of 2 to 262144 as weights of 1 to 10000, by the line that runc and systemd draw. */
function weightOf(shares: number): number {
  return 1 + Math.floor(((Math.min(Math.max(shares, 2), 262144) - 2) * 9999) / 262142)
}

/** Process 1 of the container is ours and counts, too. */
function pidsMax({ pids = 0 }: Resources): string {
  return String(pids + 1)
}
