// Whether this machine lets tests make cgroups: in containers their file system is often there to be read only.
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

const top = '/sys/fs/cgroup'

/** The hierarchies that are mounted: one of version 2, or all of version 1. */
export function cgroupHierarchies(): string[] {
  const names = namesIn(top)
  return names.includes('cgroup.procs')
    ? [top]
    : names.map((name) => join(top, name)).filter((path) => namesIn(path).includes('cgroup.procs'))
}

/** What tests that make cgroups need and is not here. */
export function cgroupsMissing(): string | undefined {
  const hierarchies = cgroupHierarchies()
  if (hierarchies.length === 0) return `cgroups at ${top}`
  for (const hierarchy of hierarchies) {
    const path = join(hierarchy, `slipway-test-${process.pid}`)
    try {
      mkdirSync(path)
      rmdirSync(path)
    } catch (thrown) {
      return `cgroups that can be made in ${hierarchy} (${(thrown as NodeJS.ErrnoException).code})`
    }
  }
  return undefined
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return []
    throw thrown
  }
}
