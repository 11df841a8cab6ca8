// The mounts of an exec op as the sandbox is given them, for the time that a process runs with them.
import type { Context } from '../../core/context.ts'
import { invariant } from '../../core/error.ts'
import type { ExecMount, OpOf } from '../../graph/op.ts'
import { findUser } from '../../sandbox/image-user.ts'
import type { Mount } from '../../sandbox/types.ts'
import { mergedTree } from '../../snapshot/merged-tree.ts'
import type { Result } from '../../solve/types.ts'
import type { LayerSource } from '../layers.ts'
import { type CacheDependencies, prepareCaches } from './cache.ts'
import type { ContextCopies } from './context-copies.ts'
import { type FindSecret, secretShare } from './secret.ts'
import { type FindAgent, prepareSsh } from './ssh.ts'

export interface MountDependencies extends CacheDependencies {
  readonly layers: LayerSource
  readonly contexts: Pick<ContextCopies, 'copy'>
  readonly secret: FindSecret
  readonly agent: FindAgent
}

export interface MountTask {
  readonly op: OpOf<'exec'>
  readonly inputs: readonly Result[]
  /** Directories of the root file system, bottom first. */
  readonly below: readonly string[]
  /** A directory of the step's own, gone with it. */
  readonly work: string
  readonly cx: Context
}

/** What the mounts of an op are to its process; caches are held and agents answer until it is disposed of. */
export interface PreparedMounts extends AsyncDisposable {
  /** In their order. */
  readonly mounts: readonly Mount[]
  /** `NAME=value`; each replaces what the op says of that name. */
  readonly env: readonly string[]
  /** The values of secrets, which nothing but the process may see. */
  readonly secrets: readonly Buffer[]
  readonly warnings: readonly string[]
}

/** What one mount adds. */
type Part = Pick<PreparedMounts, 'mounts' | 'env' | 'secrets' | 'warnings'>

/** Makes ready what the mounts of the task's op need. */
export async function prepareMounts(
  dependencies: MountDependencies,
  task: MountTask,
): Promise<PreparedMounts> {
  const { op } = task
  const parts = new Map<ExecMount, Part>()
  for (const mount of op.mounts) {
    if (mount.kind !== 'cache' && mount.kind !== 'ssh') {
      parts.set(mount, await prepareMount(dependencies, task, mount))
    }
  }
  const agents = await prepareSsh(
    dependencies.agent,
    op.mounts.filter((mount) => mount.kind === 'ssh'),
    { work: task.work, namespace: dependencies.native.userNamespace() },
  )
  try {
    // Last, so that a step waits for other things before it keeps others waiting.
    const caches = await prepareCaches(
      dependencies,
      op.mounts.filter((mount) => mount.kind === 'cache'),
      { ...task, user: () => findUser(op.user, mergedTree(task.below, dependencies)) },
    )
    for (const [mount, given] of [...agents.mounts, ...caches.mounts]) parts.set(mount, only(given))
    const ordered = op.mounts.flatMap((mount) => parts.get(mount) ?? [])
    return {
      mounts: ordered.flatMap(({ mounts }) => mounts),
      env: ordered.flatMap(({ env }) => env),
      secrets: ordered.flatMap(({ secrets }) => secrets),
      warnings: [...ordered.flatMap((part) => part.warnings), ...agents.warnings, ...caches.warnings],
      async [Symbol.asyncDispose]() {
        await caches[Symbol.asyncDispose]()
        await agents[Symbol.asyncDispose]()
      },
    }
  } catch (thrown) {
    await agents[Symbol.asyncDispose]()
    throw thrown
  }
}

async function prepareMount(
  dependencies: MountDependencies,
  task: MountTask,
  mount: Exclude<ExecMount, { kind: 'cache' | 'ssh' }>,
): Promise<Part> {
  switch (mount.kind) {
    case 'file':
      return only(mount)
    case 'tmpfs': {
      const { kind, target, sizeBytes, readonly } = mount
      return only({ kind, target, ...(sizeBytes === undefined ? {} : { sizeBytes }), readOnly: readonly })
    }
    case 'bind':
      return only(await bindMount(dependencies, task, mount))
    case 'secret': {
      const { mounts, env, value, warning } = await secretShare(mount, dependencies.secret)
      const secrets = value === undefined ? [] : [value]
      return { mounts, env, secrets, warnings: warning === undefined ? [] : [warning] }
    }
  }
}

function only(mount: Mount): Part {
  return { mounts: [mount], env: [], secrets: [], warnings: [] }
}

async function bindMount(
  { layers, contexts }: MountDependencies,
  { inputs, cx }: MountTask,
  { target, input, source, readonly }: Extract<ExecMount, { kind: 'bind' }>,
): Promise<Mount> {
  const from = inputs[input]
  invariant(from, 'a mount names an input that its op does not have')
  const common = { kind: 'layers', target, readOnly: readonly } as const
  if (from.layers[0]?.kind === 'directory') {
    const { directory, path } = await contexts.copy(from, source, cx)
    return { ...common, lower: [directory], source: path }
  }
  return { ...common, lower: await layers.directories(from.layers, cx), source }
}
