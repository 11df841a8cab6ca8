// `slipway context ls`: what of a directory a build sees, and which pattern decided about a path. Nothing is built or stored.
import { realpathSync } from 'node:fs'
import { bytesOf, textOf } from '../core/byte-string.ts'
import { type Diagnostic, hasErrors } from '../core/diagnostic.ts'
import { cleanPath } from '../core/path.ts'
import type { SourceFile } from '../core/span.ts'
import { type IgnoreLine, parseIgnoreFile } from '../dockerfile/ignore-file.ts'
import { ignoreMatcher } from '../dockerfile/ignore-matcher.ts'
import { localTree } from '../ops/copy/local-tree.ts'
import type { SourceTree } from '../ops/copy/source-tree.ts'
import { openNative } from '../sys/native.ts'
import type { EntryType } from '../sys/scan.ts'
import { type InputRequest, readIgnoreFile } from './input.ts'

/** A path of the context that COPY can see. */
export interface ListedPath {
  readonly path: string
  readonly type: EntryType
  /** Of a directory: of all files in it. */
  readonly sizeBytes: number
}

/** The context as `COPY . /` would copy it; each directory before what is in it, names in byte order. */
export interface ContextListing {
  readonly entries: readonly ListedPath[]
  readonly files: number
  readonly directories: number
  readonly sizeBytes: number
}

/** What the patterns say about one path or a directory above it. */
export interface Judged {
  readonly path: string
  readonly ignored: boolean
  /** The pattern that decided, where one matched. */
  readonly by?: { readonly pattern: string; readonly line: number }
}

export interface PathReason {
  readonly path: string
  readonly exists: boolean
  /** Whether a build sees it: an ignored directory is seen if something in it is. */
  readonly visible: boolean
  /** From the directory at the top down to the path itself. */
  readonly steps: readonly Judged[]
}

/** Answers about a context directory. */
export interface ContextQuestions {
  list(): Promise<ContextListing>
  /** `path` counts from the top of the context. */
  why(path: string): Promise<PathReason>
}

export interface OpenContext {
  readonly ignoreFile?: SourceFile
  /** What is wrong or doubtful in the ignore file. */
  readonly diagnostics: readonly Diagnostic[]
  /** Absent when the ignore file has errors. */
  readonly questions?: ContextQuestions
}

/** Opens a context directory; `dist` is where the native parts are. Throws ERR_CONTEXT_* and ERR_FILE_*. */
export function openContext(
  request: Omit<InputRequest, 'stdin'> & { readonly context: string },
  dist: string,
): OpenContext {
  const ignoreFile = readIgnoreFile(request)
  const { value: lines, diagnostics } = parseIgnoreFile(ignoreFile?.text ?? '', ignoreFile?.name)
  const opened = { ...(ignoreFile === undefined ? {} : { ignoreFile }), diagnostics }
  if (hasErrors(diagnostics)) return opened
  const patterns = lines.map(({ pattern }) => pattern)
  const whole = {
    root: bytesOf(realpathSync(request.context)),
    description: 'build context',
    native: openNative(dist),
  }
  const ignore = lines.length === 0 ? {} : { ignore: ignoreMatcher(patterns, { asTransfer: true }) }
  const tree = localTree({ ...whole, ...ignore })
  return {
    ...opened,
    questions: {
      list: () => listTree(tree),
      why: (path) => explain({ tree, whole: localTree(whole), lines }, path),
    },
  }
}

async function listTree(tree: SourceTree): Promise<ContextListing> {
  const top = await tree.find('', false)
  const found = top === undefined ? [] : await tree.walk(top)
  const sums = new Map<string, number>()
  let [files, directories, sizeBytes] = [0, 0, 0]
  for (const { path, type, size } of found) {
    if (type === 'directory') {
      directories++
      continue
    }
    files++
    sizeBytes += size
    for (let at = path.lastIndexOf('/'); at !== -1; at = path.lastIndexOf('/', at - 1)) {
      const directory = path.slice(0, at)
      sums.set(directory, (sums.get(directory) ?? 0) + size)
    }
  }
  const entries = found.map(({ path, type, size }) => ({
    path: textOf(path),
    type,
    sizeBytes: type === 'directory' ? (sums.get(path) ?? 0) : size,
  }))
  return { entries, files, directories, sizeBytes }
}

interface Explained {
  readonly tree: SourceTree
  /** As if there were no ignore file. */
  readonly whole: SourceTree
  readonly lines: readonly IgnoreLine[]
}

async function explain({ tree, whole, lines }: Explained, asked: string): Promise<PathReason> {
  const path = cleanPath(bytesOf(asked))
  const matcher = ignoreMatcher(
    lines.map(({ pattern }) => pattern),
    { asTransfer: true },
  )
  const parts = path === '' ? [] : path.split('/')
  const steps = parts.map((_, index): Judged => {
    const at = parts.slice(0, index + 1).join('/')
    const verdict = matcher(at, true)
    const line = verdict.index === undefined ? undefined : lines[verdict.index]
    return { path: textOf(at), ignored: verdict.excluded, ...(line === undefined ? {} : { by: line }) }
  })
  const visible = (await tree.find(path, false)) !== undefined
  const exists = visible || (await whole.find(path, false)) !== undefined
  return { path: textOf(path), exists, visible, steps }
}
