// The files that a step copied, so that the next build can name those that changed: path → what they looked like.
import type { MissReason } from '../core/event.ts'
import type { FileList } from '../solve/types.ts'

/** A list of more files or bytes is not kept: what changed is then told without names. */
export const mostFiles = 100_000
export const mostBytes = 16 << 20

/** How many of the changed, of the added and of the removed files are named. */
const named = 10

/** The reason that two different lists of input `input` are. */
export function fileReason(input: number, was: FileList | undefined, now: FileList | undefined): MissReason {
  if (was === undefined || now === undefined) return { kind: 'content', input }
  const [changed, added, removed]: [string[], string[], string[]] = [[], [], []]
  for (const [path, looks] of now) {
    const before = was.get(path)
    if (before === undefined) added.push(path)
    else if (before !== looks) changed.push(path)
  }
  for (const path of was.keys()) if (!now.has(path)) removed.push(path)
  const all = [changed, added, removed]
  if (all.every((list) => list.length === 0)) return { kind: 'content', input }
  const shown = all.map((list) => list.sort().slice(0, named))
  const more = all.reduce((sum, list, i) => sum + list.length - (shown[i]?.length ?? 0), 0)
  const [c = [], a = [], r = []] = shown
  return { kind: 'files', input, changed: c, added: a, removed: r, more }
}

/** The list as a text; undefined when it is too long to be kept. Neither paths nor looks contain NUL. */
export function encodeFiles(files: FileList): string | undefined {
  if (files.size > mostFiles) return undefined
  const text = [...files].flat().join('\0')
  return text.length > mostBytes ? undefined : text
}

/** The list that `encodeFiles` made `text` of. */
export function decodeFiles(text: string): FileList {
  const files = new Map<string, string>()
  const words = text === '' ? [] : text.split('\0')
  for (let i = 0; i + 1 < words.length; i += 2) files.set(words[i] ?? '', words[i + 1] ?? '')
  return files
}
