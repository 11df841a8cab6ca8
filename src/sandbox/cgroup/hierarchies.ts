// Where the cgroup controllers of this machine are mounted, version 1 and 2, and where slipway itself is in them.
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import type { Controller } from '../resources.ts'

/** One mounted tree of cgroups. */
export interface Hierarchy {
  readonly version: 1 | 2
  /** Version 1: its controllers. Version 2 says per directory what it can do. */
  readonly controllers: readonly string[]
  /** Absolute path of the mount. */
  readonly mount: string
  /** Absolute path of slipway's own cgroup, at or below the mount. */
  readonly own: string
}

/** The hierarchies that this process can see. */
export function readHierarchies(): readonly Hierarchy[] {
  return parseHierarchies(
    readFileSync('/proc/self/mountinfo', 'latin1'),
    readFileSync('/proc/self/cgroup', 'latin1'),
  )
}

/** The same from the texts of /proc/self/mountinfo and /proc/self/cgroup. */
export function parseHierarchies(mountinfo: string, cgroup: string): readonly Hierarchy[] {
  const paths = ownPaths(cgroup)
  const found: Hierarchy[] = []
  for (const line of mountinfo.split('\n')) {
    // proc_pid_mountinfo(5): id parent major:minor root mount-point options optional… - type source super-options
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root = '', mountPoint = ''] = before.split(' ')
    const [type, , options = ''] = after.split(' ')
    if (type !== 'cgroup' && type !== 'cgroup2') continue
    const mount = unescapePath(mountPoint)
    const version = type === 'cgroup2' ? 2 : 1
    const controllers = version === 2 ? [] : options.split(',')
    const path = version === 2 ? paths.get('') : paths.get(controllers.find((name) => paths.has(name)) ?? '-')
    if (path === undefined) continue
    found.push({ version, controllers, mount, own: posix.join(mount, pathBelow(unescapePath(root), path)) })
  }
  return found
}

/** Version 1: controller → path; version 2 has the empty name. */
function ownPaths(cgroup: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>()
  for (const line of cgroup.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    for (const name of controllers.split(',')) paths.set(name, path)
  }
  return paths
}

/** A container may see only a part of the tree: `root` is the cgroup that the mount shows. What lies outside is out of reach. */
function pathBelow(root: string, path: string): string {
  if (root === '/') return path.startsWith('/..') ? '/' : path
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : '/'
}

/** The kernel writes blanks and backslashes in octal. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** The version 1 hierarchy of a controller. */
export function hierarchyOf(
  controller: Controller,
  hierarchies: readonly Hierarchy[],
): Hierarchy | undefined {
  return hierarchies.find(({ version, controllers }) => version === 1 && controllers.includes(controller))
}
