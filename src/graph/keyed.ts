// Which part of an op decides its result: what cache keys are made of, and what is left out of them.
import type { ExecMount, ExecOp, Op } from './op.ts'

/**
 * The op as cache keys have it. As in BuildKit neither the name nor the sharing of a cache mount counts, unless they are
 * those that a Dockerfile gets without saying so: a cache is empty or full, but it decides nothing.
 */
export function keyed(op: Op): Op {
  if (op.kind !== 'exec' || !op.mounts.some(isNamedCache)) return op
  const mounts = op.mounts.map((mount) => (isNamedCache(mount) ? unnamed(mount) : mount))
  return { ...op, mounts } satisfies ExecOp
}

type CacheMount = Extract<ExecMount, { kind: 'cache' }>

function isNamedCache(mount: ExecMount): mount is CacheMount {
  if (mount.kind !== 'cache') return false
  const withoutNamespace = mount.id.slice(mount.id.indexOf('/') + 1)
  return mount.sharing !== 'shared' || (mount.id !== mount.target && withoutNamespace !== mount.target)
}

function unnamed(mount: CacheMount): CacheMount {
  return { ...mount, id: '', sharing: 'shared' }
}
