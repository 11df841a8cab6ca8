// RUN --mount: typed mounts become those of an exec op, with absolute targets and the inputs they read from.
import type { Diagnostic } from '../../core/diagnostic.ts'
import type { Run, Word } from '../../dockerfile/ast.ts'
import { coveredMount } from '../../dockerfile/lint/planned/duplicate-mount-target.ts'
import { missingTarget } from '../../dockerfile/lint/planned/mount-without-target.ts'
import { lastElement, readMounts } from '../../dockerfile/mount.ts'
import type { CacheMount, Mount, MountOwner } from '../../dockerfile/mount-types.ts'
import { newReport } from '../../dockerfile/report.ts'
import type { ExecMount, OpRef } from '../../graph/op.ts'
import { expandIn } from '../expand.ts'
import { cleanAbsolute, cleanWritten } from '../paths.ts'
import type { LowerContext, StageState } from '../state.ts'

/** The mounts of a RUN, the inputs with those that the mounts need behind `inputs`, and the variables they bring. */
export interface LoweredMounts {
  readonly mounts: readonly ExecMount[]
  readonly inputs: readonly OpRef[]
  readonly env: readonly string[]
}

/** What a RUN's mounts become; those that are wrong are reported and missing. */
export function lowerMounts(
  instruction: Run,
  state: StageState,
  inputs: readonly OpRef[],
  cx: LowerContext,
): LoweredMounts {
  const all = [...inputs]
  const inputOf = (ref: OpRef): number => {
    const known = all.indexOf(ref)
    return known === -1 ? all.push(ref) - 1 : known
  }
  const read = readMounts(instruction, {
    expand: (word) => expanded(word, state, cx),
    report: newReport(cx.report),
  })
  const placed: { readonly mount: Mount; readonly lowered: ExecMount }[] = []
  let agents = 0
  for (const mount of read) {
    const target = targetOf(mount, agents, state, cx)
    if (mount.kind === 'ssh') agents++
    if (target === 'invalid') continue
    const lowered = lowerMount(mount, target, { inputOf, cx })
    if (lowered !== undefined) placed.push({ mount, lowered })
  }
  const mounts = withoutCovered(placed, cx)
  const agent = mounts.find((mount) => mount.kind === 'ssh')
  const needsVariable = agent !== undefined && !state.env.has('SSH_AUTH_SOCK')
  return {
    mounts: byTarget(mounts),
    inputs: all,
    env: needsVariable ? [`SSH_AUTH_SOCK=${agent.target}`] : [],
  }
}

/** What a word means; undefined when it is wrong, so that nothing is concluded from it. */
function expanded(word: Word, state: StageState, cx: LowerContext): string | undefined {
  let isWrong = false
  const report = (diagnostic: Diagnostic): void => {
    isWrong ||= diagnostic.severity === 'error'
    cx.report(diagnostic)
  }
  const text = expandIn(word, state, { ...cx, report })
  return isWrong ? undefined : text
}

/** Reports what is wrong with a RUN's mounts whatever its variables are. */
export function checkMounts({ mounts }: Run, report: (diagnostic: Diagnostic) => void): void {
  readMounts(
    { mounts },
    { expand: ({ text }) => (/[$'"`\\]/.test(text) ? undefined : text), report: newReport(report) },
  )
}

/** Where a mount goes; undefined for a secret that is only a variable. */
function targetOf(
  mount: Mount,
  agents: number,
  state: StageState,
  cx: LowerContext,
): string | undefined | 'invalid' {
  const { target, span } = mount
  if (target === undefined && mount.kind === 'secret') {
    return mount.env === undefined ? `/run/secrets/${lastElement(mount.id)}` : undefined
  }
  if (target === undefined && mount.kind === 'ssh') return `/run/buildkit/ssh_agent.${agents}`
  const written = target?.text ?? ''
  // BuildKit joins the working directory to the targets of the kinds that hold files of the build alone. Differs:
  // its SSH_AUTH_SOCK is the target as written, which only finds the socket when the step begins in /.
  const isSmall = mount.kind === 'secret' || mount.kind === 'ssh'
  const path = cleanAbsolute(
    written.startsWith('/') || isSmall ? written : `${state.config.WorkingDir ?? '/'}/${written}`,
  )
  if (path === '/') {
    cx.report({
      code: 'InvalidMount',
      severity: 'error',
      message: 'invalid mount target "/"',
      span: target?.span ?? span,
      ...(target === undefined ? { hint: 'say where it goes: target=<path>' } : {}),
    })
    return 'invalid'
  }
  if (target === undefined) {
    cx.report(missingTarget(mount.kind, path, span))
  }
  return path
}

interface Place {
  readonly inputOf: (ref: OpRef) => number
  readonly cx: LowerContext
}

/** `target` is undefined only for secrets. */
function lowerMount(mount: Mount, path: string | undefined, place: Place): ExecMount | undefined {
  const target = path ?? ''
  switch (mount.kind) {
    case 'bind': {
      const from = mount.from === undefined ? place.cx.context() : place.cx.sourceOf(mount.from)
      if (from === undefined) return undefined
      const { kind, readonly } = mount
      return {
        kind,
        target,
        input: place.inputOf(from),
        source: cleanAbsolute(mount.source?.text ?? ''),
        readonly,
      }
    }
    case 'cache': {
      const start = startOf(mount, place)
      if (start === undefined) return undefined
      const namespace = place.cx.options.buildArgs.BUILDKIT_CACHE_MOUNT_NS ?? ''
      const id = `${namespace}/${mount.id ?? cleanWritten(mount.target?.text ?? '')}`
      const { kind, readonly, sharing } = mount
      return { id, kind, readonly, sharing, start, target }
    }
    case 'tmpfs': {
      const { kind, sizeBytes, readonly } = mount
      return { kind, target, ...(sizeBytes === undefined ? {} : { sizeBytes }), readonly }
    }
    case 'secret': {
      const { kind, id, env, required, owner } = mount
      return {
        kind,
        id,
        ...(path === undefined ? {} : { target }),
        ...(env === undefined ? {} : { env }),
        required,
        ...withDefaults(owner, 0o400),
      }
    }
    case 'ssh': {
      const { kind, id, required, owner } = mount
      return { kind, id, target, required, ...withDefaults(owner, 0o600) }
    }
  }
}

type CacheStart = Extract<ExecMount, { kind: 'cache' }>['start']

/** Mode and owner are for a directory that starts empty, and make it so: files come with their own. */
function startOf(mount: CacheMount, { inputOf, cx }: Place): CacheStart | undefined {
  // Differs: where a stage has the name scratch, BuildKit starts a cache without `from` with the files of that.
  const source = cleanAbsolute(mount.source?.text ?? '')
  const isEmpty = mount.from === undefined || (source === '/' && Object.keys(mount.owner).length > 0)
  if (mount.from === undefined || isEmpty) return emptyStart(mount.owner)
  const from = cx.sourceOf(mount.from)
  return from === undefined ? undefined : { input: inputOf(from), source }
}

/** Differs: BuildKit takes 0 for a user that is not named. A group that is not named goes with the user, if that is not either. */
function emptyStart({ mode = 0o755, uid, gid }: MountOwner): CacheStart {
  const group = gid ?? (uid === undefined ? undefined : 0)
  return { mode, ...(uid === undefined ? {} : { uid }), ...(group === undefined ? {} : { gid: group }) }
}

function withDefaults({ mode, uid = 0, gid = 0 }: MountOwner, standard: number) {
  return { mode: mode ?? standard, uid, gid }
}

/** In the order of mounting: what lies below another mount comes after it. Secrets without a file come last. */
function byTarget(mounts: readonly ExecMount[]): ExecMount[] {
  const files = mounts.flatMap((mount) =>
    mount.target === undefined ? [] : [[mount.target, mount] as const],
  )
  const others = mounts.filter(({ target }) => target === undefined)
  return [...files.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, mount]) => mount), ...others]
}

/** Without the mounts that a later one at the same target covers. */
function withoutCovered(
  placed: readonly { readonly mount: Mount; readonly lowered: ExecMount }[],
  cx: LowerContext,
): ExecMount[] {
  const last = new Map(placed.map((place) => [place.lowered.target, place]))
  return placed.flatMap(({ mount, lowered }) => {
    const { target } = lowered
    const later = target === undefined ? undefined : last.get(target)
    if (later === undefined || later.lowered === lowered) return [lowered]
    cx.report(coveredMount(target ?? '', mount.span, later.mount.span))
    return []
  })
}
