// The build container made by an OCI runtime (crun, runc) instead of slipway's own helper. The helper still makes the
// mount and pid namespaces around it, so that nothing stays mounted or running when slipway is killed.
import { randomBytes } from 'node:crypto'
import { readFileSync, statfsSync } from 'node:fs'
import { cpus } from 'node:os'
import { SlipwayError } from '../core/error.ts'
import { askRuntime, findRuntime, type Runtime, runtimeError } from './find-runtime.ts'
import type { ImageUser } from './image-user.ts'
import { isLimited, limiter } from './limited.ts'
import { type NativeSandboxOptions, runHelper } from './native-sandbox.ts'
import { networkFiles } from './network-files.ts'
import { ociConfig } from './oci-bundle.ts'
import { openRuntimeCgroups } from './oci-cgroups.ts'
import { ociSeccomp } from './oci-seccomp.ts'
import { workPlaces } from './prepare-root.ts'
import type { RuntimeCommands } from './run-request.ts'
import type { ProcessIo, ProcessSpec, Sandbox } from './types.ts'

export interface OciSandboxOptions extends NativeSandboxOptions {
  /** A name in `path`, or a path with a slash. */
  readonly runtime: string
  /** $PATH. */
  readonly path: string
  /** Where it is noted which cgroups are in use; made when missing. */
  readonly directory: string
}

/** A sandbox of that OCI runtime. Throws ERR_RUNTIME_MISSING at once; ERR_RUNTIME_FAILED later when it does not do its part. */
export function ociSandbox(options: OciSandboxOptions): Sandbox {
  const program = findRuntime(options.runtime, options.path)
  const cgroups = openRuntimeCgroups(options.directory, options.native)
  const limited = limiter(options)
  let asked: Promise<Runtime> | undefined
  return {
    async run(spec, io, cx) {
      cx.signal.throwIfAborted()
      asked ??= askRuntime(program, cx.signal).catch((thrown: unknown) => {
        // Perhaps the first step was just being cancelled.
        asked = undefined
        throw thrown
      })
      const { isCrun, isRunc } = await asked
      const isRootless = isRunc && isInUserNamespace()
      const flags = isCrun ? ['--cgroup-manager=disabled'] : isRootless ? ['--rootless=true'] : []
      const mounts = [...networkFiles(spec), ...spec.mounts]
      const id = `slipway-${randomBytes(8).toString('hex')}`
      // crun can be told to leave cgroups alone; runc insists on one of its own, which then has to go, if it may make any.
      await using named = isCrun || isRootless ? undefined : await cgroups.name(id)
      if (!isCrun && isLimited(spec)) throw limitsNotKept(program)
      const held = holdErrors(io)
      try {
        const runtime = {
          commands: commandsFor(program, flags, id, spec),
          config: (user: ImageUser) => configFor(spec, user, { isRootless, cgroupsPath: named?.path }),
          onStarted: held.release,
        }
        return await limited(spec, (cgroup) =>
          runHelper({ ...spec, mounts }, held.io, { ...options, cx, runtime, cgroup }),
        )
      } catch (thrown) {
        throw explained(thrown, program, held.text())
      }
    },
  }
}

function limitsNotKept(program: string): SlipwayError {
  return new SlipwayError({
    code: 'ERR_LIMIT_UNSUPPORTED',
    message: `limit a step run by ${program}: it moves every container into a cgroup of its own making`,
    hint: 'use --runtime=crun, or leave --runtime out',
  })
}

/** Bundle and state are on the private file system that the helper mounts below the work directory. */
function commandsFor(
  program: string,
  options: readonly string[],
  id: string,
  { root }: ProcessSpec,
): Omit<RuntimeCommands, 'config'> {
  const bundle = workPlaces(root.work).store
  const command = [program, ...options, '--root', `${bundle}/state`]
  return {
    create: [...command, 'create', '--bundle', bundle, '--pid-file', `${bundle}/pid`, id],
    start: [...command, 'start', id],
  }
}

function isInUserNamespace(): boolean {
  const [inside, outside, count] = readFileSync('/proc/self/uid_map', 'latin1')
    .trim()
    .split(/\s+/)
    .map(Number)
  return !(inside === 0 && outside === 0 && count === 0xffffffff)
}

const cgroup2Magic = 0x63677270

interface RuntimePlace {
  /** A runtime that cannot do without a sysfs of the container's own in a user namespace. */
  readonly isRootless: boolean
  readonly cgroupsPath: string | undefined
}

function configFor(spec: ProcessSpec, user: ImageUser, { isRootless, cgroupsPath }: RuntimePlace): string {
  const isOnHost =
    spec.network === 'host' || (spec.network === 'default' && spec.networkNamespace === undefined)
  const permitted = /^CapPrm:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'
  return JSON.stringify(
    ociConfig(spec, {
      root: workPlaces(spec.root.work).root,
      user,
      home: user.home,
      permitted: BigInt(`0x${permitted}`),
      isUnified: statfsSync('/sys/fs/cgroup').type === cgroup2Magic,
      hasSysfs: !(isRootless && isOnHost),
      cpus: cpus().length,
      seccomp: ociSeccomp(process.arch),
      ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
    }),
  )
}

/** Nobody reads more of what a runtime says. */
const mostHeldBytes = 1 << 20
const quotedBytes = 4096

/** What the runtime itself writes to standard error, until the step's process runs, is no output of the step. */
function holdErrors(io: ProcessIo): { readonly io: ProcessIo; release(): void; text(): string } {
  let held: Buffer[] | undefined = []
  let bytes = 0
  let beginning = ''
  const release = (): void => {
    const chunks = held ?? []
    held = undefined
    for (const chunk of chunks) io.output('stderr', chunk)
  }
  return {
    io: {
      ...io,
      output(stream, chunk) {
        if (held === undefined || stream !== 'stderr') return io.output(stream, chunk)
        held.push(chunk)
        bytes += chunk.length
        // It may as well be the step's: that it runs is told by another way.
        if (bytes <= mostHeldBytes) return
        beginning = Buffer.concat(held).toString('utf8', 0, quotedBytes)
        release()
      },
    },
    release,
    text: () => (held === undefined ? beginning : Buffer.concat(held).toString()),
  }
}

function explained(thrown: unknown, program: string, stderr: string): unknown {
  if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_RUNTIME_FAILED') return thrown
  const { stage = 'run', reason = '' } = (thrown.data ?? {}) as { stage?: string; reason?: string }
  return runtimeError(stage, program, reason, stderr, thrown)
}
