// Reads from this machine what the verdict needs, and starts one container to see whether it can.
import { accessSync, constants, existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import type { Context } from '../../core/context.ts'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import { nativeSandbox } from '../../sandbox/native-sandbox.ts'
import { findNetworkProgram, type NetworkProgram } from '../../sandbox/network-program.ts'
import { type Native, openNative } from '../../sys/native.ts'
import { readXattrs } from '../../sys/scan.ts'
import { openTemporary } from '../../sys/temporary.ts'
import { idsIn } from '../../sys/user-namespace.ts'
import { copiesSnapshots, type HostOptions, makeStateDirectory } from '../host.ts'
import { type Facts, type Program, type SysctlName, sysctlNames } from './facts.ts'
import { firstFreeId, grantedIds, userName } from './subordinate-ids.ts'

/** All facts; the state directory is made when it is missing. */
export async function gatherFacts(options: HostOptions, cx: Context): Promise<Facts> {
  const { environment, root, dist } = options
  const native = openNative(dist)
  const namespace = environment.SLIPWAY_NAMESPACE
  const uid = Number(environment.SLIPWAY_CALLER_UID ?? process.getuid?.() ?? 0)
  const isRoot = namespace === undefined && uid === 0
  const passwd = readText('/etc/passwd')
  const name = userName(passwd, uid)
  const [subuid, subgid] = [readText('/etc/subuid'), readText('/etc/subgid')]
  const container = containerKind(environment)
  const mayTry = isRoot || namespace === 'ok'
  return {
    kernel: release(),
    caller: { uid, name, isRoot, noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(readText('/proc/self/status')) },
    ...(container === undefined ? {} : { container }),
    sysctls: Object.fromEntries(
      sysctlNames.map((sysctl) => [sysctl, readSysctl(sysctl)]),
    ) as Facts['sysctls'],
    namespace,
    ids: { users: idsIn(readText('/proc/self/uid_map')), groups: idsIn(readText('/proc/self/gid_map')) },
    subordinate: {
      users: grantedIds(subuid, name, uid),
      groups: grantedIds(subgid, name, uid),
      free: firstFreeId([subuid, subgid]),
      newuidmap: programState('newuidmap', native),
      newgidmap: programState('newgidmap', native),
    },
    state: root,
    ...(mayTry ? { trial: await tryContainer(options, native, cx) } : {}),
    cgroups: cgroupState(),
    network: networkOf(findNetworkProgram(environment.PATH ?? '')),
  }
}

/** Runs the helper's own program, which is static, as a container's only file. */
async function tryContainer(
  { root, environment }: HostOptions,
  native: Native,
  cx: Context,
): Promise<NonNullable<Facts['trial']>> {
  let copies = false
  try {
    makeStateDirectory(root)
    copies = copiesSnapshots(root, environment)
    using temporary = openTemporary(root, 'doctor-', native)
    const place = temporary.path
    const [lower, upper, work] = [join(place, 'lower'), join(place, 'upper'), join(place, 'work')]
    for (const directory of [lower, upper, work]) mkdirSync(directory)
    await copyFile(native.helper, join(copies ? upper : lower, 'program'))
    const exit = await nativeSandbox({ native }).run(
      {
        root: { lower: copies ? [] : [lower], upper, work },
        args: ['/program'],
        env: [],
        cwd: '/',
        user: '',
        hostname: 'doctor',
        network: 'host',
        security: 'sandbox',
        mounts: [],
        hosts: [],
      },
      { output: () => undefined },
      cx,
    )
    // Without arguments it says that it is not run by hand.
    return {
      copies,
      failure: exit.code === 2 ? undefined : `a program in a container ended with ${exit.code}`,
    }
  } catch (thrown) {
    if (thrown instanceof SlipwayError) return { copies, failure: thrown.message }
    const errno = errnoOf(thrown)
    if (errno === undefined) throw thrown
    return { copies, failure: `prepare a container in ${root}: ${errno}` }
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Not there, or not for this user: it grants and says nothing.
    return ''
  }
}

function readSysctl(name: SysctlName): number | undefined {
  const text = readText(`/proc/sys/${name.replaceAll('.', '/')}`).trim()
  return text === '' ? undefined : Number(text)
}

function containerKind(environment: HostOptions['environment']): string | undefined {
  if (existsSync('/run/.containerenv')) return 'podman'
  if (existsSync('/.dockerenv')) return 'docker'
  if (environment.KUBERNETES_SERVICE_HOST) return 'kubernetes'
  return environment.container
}

/** Where the launcher looks (native/launch-namespace.c). */
const mapperDirectories = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin', '/run/wrappers/bin']

function programState(name: string, native: Native): Program {
  const path = mapperDirectories.map((directory) => join(directory, name)).find((file) => existsSync(file))
  if (path === undefined) return 'missing'
  if ((lstatSync(path).mode & 0o4000) !== 0) return 'ready'
  return readXattrs(path, native).some(([key]) => key === 'security.capability') ? 'ready' : 'powerless'
}

function networkOf(found: NetworkProgram | string): Facts['network'] {
  return typeof found === 'string' ? { lacks: found } : { program: found.name }
}

function cgroupState(): Facts['cgroups'] {
  if (!existsSync('/sys/fs/cgroup')) return 'none'
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers'))
    return existsSync('/sys/fs/cgroup/memory') ? 'version 1' : 'none'
  const own = /^0::(.*)$/m.exec(readText('/proc/self/cgroup'))?.[1] ?? '/'
  try {
    accessSync(join('/sys/fs/cgroup', own, 'cgroup.procs'), constants.W_OK)
    return 'delegated'
  } catch {
    return 'not delegated'
  }
}
