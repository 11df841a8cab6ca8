// What the facts of a machine mean for builds: which level works, and line by line what is there and what to do about
// what is not.
import type { Facts } from './facts.ts'

/** `root`; `ranges` and `single`: an ordinary user with many ids or with one; `none`: nothing can be built. */
export type Level = 'root' | 'ranges' | 'single' | 'none'

export interface Check {
  readonly name: string
  /** `missing` stops builds, `limited` makes them do less, `optional` does nothing to them yet. */
  readonly status: 'ok' | 'missing' | 'limited' | 'optional'
  readonly text: string
  /** The command or line that mends it. */
  readonly fix?: string
}

export interface Verdict {
  readonly level: Level
  readonly checks: readonly Check[]
}

/** The judgement; builds work unless the level is `none`. */
export function judge(facts: Facts): Verdict {
  const { caller } = facts
  const checks = [
    kernelCheck(facts),
    ...(caller.isRoot ? [] : [namespaceCheck(facts), ...idChecks(facts)]),
    trialCheck(facts),
    cgroupCheck(facts),
    networkCheck(facts),
  ]
  return { level: levelOf(facts, checks), checks }
}

function levelOf({ caller, ids }: Facts, checks: readonly Check[]): Level {
  if (checks.some(({ status }) => status === 'missing')) return 'none'
  if (caller.isRoot) return 'root'
  return ids.users > 1 && ids.groups > 1 ? 'ranges' : 'single'
}

function kernelCheck({ kernel }: Facts): Check {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10))
  const isNew = major > 5 || (major === 5 && minor >= 12)
  const text = `Linux ${kernel}`
  return isNew
    ? { name: 'kernel', status: 'ok', text }
    : { name: 'kernel', status: 'missing', text: `${text}: 5.12 or newer is needed` }
}

function namespaceCheck({ namespace, sysctls, container, caller }: Facts): Check {
  const name = 'user namespaces'
  if (namespace === 'ok') return { name, status: 'ok', text: 'can be entered' }
  const missing = (text: string, fix: string): Check => ({ name, status: 'missing', text, fix })
  if (sysctls['user.max_user_namespaces'] === 0)
    return missing('user.max_user_namespaces is 0', 'sysctl -w user.max_user_namespaces=15000')
  if (sysctls['kernel.unprivileged_userns_clone'] === 0)
    return missing('kernel.unprivileged_userns_clone is 0', 'sysctl -w kernel.unprivileged_userns_clone=1')
  if (sysctls['kernel.apparmor_restrict_unprivileged_userns'] === 1) {
    return missing(
      `AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns is 1): ${namespace}`,
      'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for dist/slipway with "userns,"',
    )
  }
  if (container !== undefined) {
    return missing(`${container} does not let its programs make any: ${namespace}`, unconfined(container))
  }
  const who = caller.uid === 0 ? 'root without CAP_SYS_ADMIN' : 'an ordinary user'
  return missing(
    `${who} cannot enter one: ${namespace ?? 'start dist/slipway itself'}`,
    'sysctl -a | grep userns',
  )
}

/** Less than --privileged: no host device, no capability of the machine's. */
function unconfined(container: string): string {
  if (container === 'kubernetes')
    return 'give its securityContext procMount: Unmasked and an Unconfined seccompProfile and appArmorProfile'
  const paths = container === 'podman' ? 'unmask=ALL' : 'systempaths=unconfined'
  const options = ['seccomp=unconfined', 'apparmor=unconfined', paths]
  return `start the container with ${options.map((option) => `--security-opt ${option}`).join(' ')}`
}

function idChecks({ ids, caller, subordinate, namespace }: Facts): Check[] {
  if (namespace !== 'ok') return []
  if (ids.users > 1 && ids.groups > 1) {
    return [{ name: 'ids', status: 'ok', text: `${ids.users} users and ${ids.groups} groups can own files` }]
  }
  const limited = (name: string, text: string, fix: string): Check => ({ name, status: 'limited', text, fix })
  const { newuidmap, newgidmap, users, groups, free } = subordinate
  const checks = [limited('ids', 'one user and one group own all files', 'mend what is limited below')]
  if (newuidmap === 'missing' || newgidmap === 'missing')
    checks.push(
      limited(
        'newuidmap',
        'newuidmap or newgidmap is missing',
        'apt-get install uidmap (elsewhere: shadow-utils, shadow-uidmap)',
      ),
    )
  else if (newuidmap === 'powerless' || newgidmap === 'powerless')
    checks.push(
      limited(
        'newuidmap',
        'newuidmap or newgidmap is not set-uid root',
        'chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap',
      ),
    )
  else if (caller.noNewPrivileges)
    checks.push(
      limited(
        'newuidmap',
        'no_new_privs keeps newuidmap from its rights',
        'start slipway outside of what sets it (a container without --security-opt no-new-privileges)',
      ),
    )
  const line = `${caller.name}:${free}:65536`
  if (users === 0)
    checks.push(limited('/etc/subuid', `grants ${caller.name} nothing`, `echo ${line} >> /etc/subuid`))
  if (groups === 0)
    checks.push(limited('/etc/subgid', `grants ${caller.name} nothing`, `echo ${line} >> /etc/subgid`))
  if (checks.length === 1)
    checks.push(
      limited(
        'newuidmap',
        'refuses what /etc/subuid and /etc/subgid grant',
        `newuidmap PID 0 ${caller.uid} 1 1 START COUNT says why`,
      ),
    )
  return checks
}

function trialCheck({ trial, state, container }: Facts): Check {
  const name = 'trial container'
  if (trial === undefined) return { name, status: 'missing', text: 'not tried: mend what is missing above' }
  const { failure, copies } = trial
  if (failure === undefined && copies) {
    const text = `started in ${state}, where overlayfs keeps no layers: every step copies its root file system`
    return {
      name,
      status: 'limited',
      text,
      fix: 'a state directory on ext4, xfs, btrfs or tmpfs: SLIPWAY_ROOT',
    }
  }
  if (failure === undefined) return { name, status: 'ok', text: `started in ${state}` }
  const missing = (fix?: string): Check => ({
    name,
    status: 'missing',
    text: failure,
    ...(fix === undefined ? {} : { fix }),
  })
  if (/overlay/.test(failure))
    return missing(
      'modprobe overlay, a state directory on ext4, xfs, btrfs or tmpfs (SLIPWAY_ROOT), or SLIPWAY_SNAPSHOTTER=copy',
    )
  if (/^(?:make directory|prepare a container in) /.test(failure))
    return missing('choose another state directory with SLIPWAY_ROOT')
  return missing(container === undefined ? undefined : unconfined(container))
}

function cgroupCheck({ cgroups }: Facts): Check {
  const name = 'cgroups'
  if (cgroups === 'delegated') return { name, status: 'ok', text: 'version 2, delegated' }
  const text =
    cgroups === 'none' ? 'not mounted' : cgroups === 'version 1' ? 'version 1' : 'version 2, not delegated'
  const fix = 'systemd-run --user --scope -p Delegate=yes slipway …'
  return { name, status: 'optional', text, ...(cgroups === 'not delegated' ? { fix } : {}) }
}

function networkCheck({ network, container }: Facts): Check {
  const name = 'network'
  if ('program' in network) return { name, status: 'ok', text: network.program }
  const isDevice = network.lacks.startsWith('/dev/')
  const device =
    container === undefined
      ? 'modprobe tun, and rw for all'
      : 'start the container with --device /dev/net/tun'
  return {
    name,
    status: 'optional',
    text: `that of the machine: ${network.lacks}`,
    fix: isDevice ? device : 'apt-get install passt',
  }
}
