// Where overlayfs cannot be mounted: a mount of layers shows a copy of what it is to show, in the step's own directory.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { textOf } from '../core/byte-string.ts'
import type { Context } from '../core/context.ts'
import { baseOf } from '../core/path.ts'
import type { Mount, Sandbox } from '../sandbox/types.ts'
import { copyTree } from '../snapshot/export-tree.ts'
import { mergedTree } from '../snapshot/merged-tree.ts'
import { subtree } from '../snapshot/subtree.ts'
import { applyFileOperations } from '../sys/files.ts'
import type { Native } from '../sys/native.ts'

type LayersMount = Extract<Mount, { readonly kind: 'layers' }>

/** The sandbox for processes whose mounts of layers are copied first. */
export function withCopiedMounts(sandbox: Sandbox, native: Native): Sandbox {
  return {
    async run(spec, io, cx) {
      const mounts: Mount[] = []
      for (const [index, mount] of spec.mounts.entries()) {
        const place = join(spec.root.work, `copied-${index}`)
        mounts.push(mount.kind === 'layers' ? await copied(mount, place, { native, cx }) : mount)
      }
      return await sandbox.run({ ...spec, mounts }, io, cx)
    },
  }
}

async function copied(
  { lower, source, target, readOnly }: LayersMount,
  place: string,
  { native, cx }: { readonly native: Native; readonly cx: Context },
): Promise<Mount> {
  const { signal } = cx
  const tree = mergedTree(lower, { native })
  mkdirSync(place, { mode: 0o755 })
  await copyTree(subtree(tree, source), place, { native, signal })
  const top = tree.lookup(source, { follow: true })
  if (top?.type !== 'directory') {
    const name = textOf(baseOf(top?.path ?? ''))
    return { kind: 'bind', source: join(place, name), target, readOnly }
  }
  const { mode, uid, gid, mtimeNs } = top
  await applyFileOperations(
    { kind: 'directory', path: place },
    [{ op: 'directory', path: '', mode, uid, gid, mtimeNs }],
    { native, signal },
  )
  return { kind: 'bind', source: place, target, readOnly }
}
