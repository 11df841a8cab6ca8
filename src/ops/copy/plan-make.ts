// WORKDIR's directory and here-documents' files as file operations.

import { bytesOf } from '../../core/byte-string.ts'
import { cleanPath, joinPath, parentOf } from '../../core/path.ts'
import type { FileAction } from '../../graph/op.ts'
import { type CopyStyle, checkName, type Emit, overDirectory, planDirectories } from './plan-copy.ts'
import type { TargetTree } from './target-tree.ts'

type MkdirAction = Extract<FileAction, { kind: 'mkdir' }>
type MkfileAction = Extract<FileAction, { kind: 'mkfile' }>

/** A directory and its missing parents, all with the action's mode and owner; what exists stays as it is. */
export async function planMkdir(
  target: TargetTree,
  action: MkdirAction,
  style: CopyStyle,
  emit: Emit,
): Promise<void> {
  await planDirectories(target, cleanPath(bytesOf(action.path)), style, emit)
}

/** A file with the action's content, inside `path` under `name` if `path` is a directory; links at `path` are followed. Returns its path. */
export async function planMkfile(
  target: TargetTree,
  action: MkfileAction,
  style: CopyStyle,
  emit: Emit,
): Promise<string> {
  const place = await target.resolve(cleanPath(bytesOf(action.path)))
  const existing = await target.entry(place)
  const inside = existing?.type === 'directory' && action.name !== undefined
  const path = inside ? joinPath(place, bytesOf(action.name ?? '')) : place
  if ((await target.entry(path))?.type === 'directory') throw overDirectory(path, style)
  checkName(path, style)
  await planDirectories(target, parentOf(path), style, emit)
  const owner = style.owner ?? { uid: 0, gid: 0 }
  const { mode } = action
  const source = { bytes: Buffer.from(action.content, 'utf8') }
  emit({ op: 'file', path, mode, ...owner, mtimeNs: style.nowNs, source })
  target.put(path, { type: 'file', mode, ...owner })
  return path
}
