// Main contexts that are no directory of this machine: which names mean one, and the Dockerfile in it. Their files are what the
// context's op makes, here as in every step that copies of them.
import { statSync } from 'node:fs'
import { openLocalCache } from '../cache/local-cache.ts'
import { bytesOf, textOf } from '../core/byte-string.ts'
import type { Context } from '../core/context.ts'
import { nearest } from '../core/diagnostic.ts'
import { redact, SlipwayError } from '../core/error.ts'
import { readGitReference } from '../core/git-reference.ts'
import { parseBoolean } from '../core/go-values.ts'
import type { SourceFile } from '../core/span.ts'
import { graphBuilder } from '../graph/builder.ts'
import type { Graph, OpRef } from '../graph/op.ts'
import { addContext, contextFile } from '../plan/context.ts'
import { keyOfRequest } from '../plan/pin-key.ts'
import { remotePins } from '../plan/remote-pins.ts'
import type { MainContext, Pin, RemoteContext } from '../plan/types.ts'
import { type MergedTree, mergedTree } from '../snapshot/merged-tree.ts'
import { solve } from '../solve/solver.ts'
import { beginsAsArchive } from './archive-start.ts'
import { decodeText } from './decode-text.ts'
import { openDrivers } from './drivers.ts'
import type { Host } from './host.ts'
import { type BuildInput, type InputRequest, maxDockerfileBytes } from './input.ts'
import { resolvePin } from './pins.ts'
import { stepsOf } from './steps.ts'

/** False also where this user may not look: whoever opens it as a directory says so. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** The context that is to be fetched, or undefined for a directory and for standard input. Throws ERR_CONTEXT_INVALID. */
export function remoteContextOf({
  contextName: typed,
  buildArgs,
}: Pick<InputRequest, 'contextName'> & {
  readonly buildArgs: Readonly<Record<string, string>>
}): RemoteContext | undefined {
  if (typed === '-' || isDirectory(typed)) return undefined
  const source = fetchedSource(typed)
  if (source?.kind !== 'git') return source
  const keeps = parseBoolean(buildArgs.BUILDKIT_CONTEXT_KEEP_GIT_DIR ?? '') === true
  const reference = {
    ...source.reference,
    ...(keeps ? { keepGitDir: true } : {}),
    // A build with a fixed time has files with one.
    ...((buildArgs.SOURCE_DATE_EPOCH ?? '') === '' ? {} : { mtime: 'commit' as const }),
  }
  return { kind: 'git', reference }
}

/** What a text names that is fetched: a repository or a URL; undefined for a path. Throws ERR_CONTEXT_INVALID. */
export function fetchedSource(text: string): RemoteContext | undefined {
  const read = readGitReference(text)
  if (read.kind === 'git') return { kind: 'git', reference: read.reference }
  if (read.kind === 'wrong') {
    throw new SlipwayError({
      code: 'ERR_CONTEXT_INVALID',
      message: `open context ${redact(text)}: ${read.message}`,
    })
  }
  return /^https?:\/\//.test(text) ? { kind: 'http', url: text, isArchive: false } : undefined
}

/** The main context that is no directory, and the Dockerfile if that is not in it. */
export interface FetchedInput {
  readonly request: Pick<InputRequest, 'contextName' | 'fileName'>
  readonly source: MainContext
  readonly dockerfile: SourceFile | undefined
}

/** The Dockerfile of a context, which is fetched for it, and what planning with it needs. Throws ERR_DOCKERFILE_MISSING, ERR_GIT_*, ERR_HTTP_*. */
export async function readFetchedInput(
  { request, source: named, dockerfile }: FetchedInput,
  host: Host,
  cx: Context,
): Promise<BuildInput> {
  const { source, pins, root, graph } = await pinned(named, host, cx)
  const fetched = { source, pins }
  if (dockerfile !== undefined) return { dockerfile, fetched }
  const tree = await load(graph, root, redact(request.contextName), host, cx)
  const isAlone = source.kind === 'http' && !source.isArchive
  const wanted = isAlone ? contextFile : (request.fileName ?? 'Dockerfile')
  const names = /^(?:.*\/)?Dockerfile$/.test(wanted)
    ? [wanted, `${wanted.slice(0, -'Dockerfile'.length)}dockerfile`]
    : [wanted]
  for (const name of names) {
    const bytes = readWhole(tree, name, request)
    if (bytes === undefined) continue
    const where = `${name} in ${shownName(request)}`
    const base = isAlone ? 'Dockerfile' : name.slice(name.lastIndexOf('/') + 1)
    return { dockerfile: { name: base, text: decodeText(bytes, 'Dockerfile', where) }, fetched }
  }
  throw missing({ request, source }, wanted, tree)
}

function readWhole(tree: MergedTree, name: string, request: FetchedInput['request']): Buffer | undefined {
  try {
    return tree.readFile(bytesOf(name), maxDockerfileBytes)
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_TREE_FILE_TOO_LARGE') throw thrown
    throw new SlipwayError({
      code: 'ERR_FILE_UNREADABLE',
      message: `read Dockerfile ${name} in ${shownName(request)}: larger than ${maxDockerfileBytes >> 20} MiB`,
      cause: thrown,
    })
  }
}

function shownName({ contextName }: FetchedInput['request']): string {
  return contextName === '-' ? 'the archive on standard input' : redact(contextName)
}

function missing(
  { request, source }: Pick<FetchedInput, 'request' | 'source'>,
  wanted: string,
  tree: MergedTree,
): SlipwayError {
  const root = tree.lookup('', { follow: false })
  const names = root === undefined ? [] : tree.list(root).map(({ path }) => textOf(path))
  // What could not be unpacked is left as the one file it is.
  if (source.kind !== 'git' && names.length === 1 && names[0] === contextFile) {
    return new SlipwayError({
      code: 'ERR_CONTEXT_INVALID',
      message: `open context: ${shownName(request)} is compressed, but what is in it is no tar archive, or it is damaged`,
      hint: 'a Dockerfile alone is given uncompressed',
    })
  }
  const close = nearest(wanted, names) ?? names.find((name) => /dockerfile|containerfile/i.test(name))
  return new SlipwayError({
    code: 'ERR_DOCKERFILE_MISSING',
    message: `open Dockerfile ${wanted} in ${shownName(request)}: no such file`,
    hint:
      close === undefined
        ? 'with a context that is no directory of this machine, --file is a path in it'
        : `name it with --file: ${close}`,
  })
}

/** The files of the context. */
async function load(graph: Graph, root: OpRef, name: string, host: Host, cx: Context): Promise<MergedTree> {
  cx.emit({ type: 'graph', steps: stepsOf(graph), files: [] })
  await using opened = openDrivers(host, { directoryOf: () => undefined })
  const { drivers, layers } = opened
  const build = `context ${name}`
  const cache = await openLocalCache(host.directory, {
    native: host.native,
    hasSnapshot: (id) => host.snapshotter.has(id),
    hasArchive: (descriptor) => host.store.has(descriptor),
    sync: () => host.snapshotter.flush(),
  })
  try {
    const result = await solve(graph, root, { cache, drivers, cx, jobs: 1, build })
    const directories = await layers.directories(result?.layers ?? [], cx)
    return mergedTree(directories, { native: host.native })
  } finally {
    await cache.flush()
  }
}

/** The op of the context with everything it stands for known, a graph of it alone, and the pins it was made with. */
async function pinned(named: MainContext, host: Host, cx: Context) {
  const pins: Record<string, Pin> = {}
  let source = named
  for (;;) {
    const builder = graphBuilder()
    const remote = remotePins(pins)
    const mistakes: string[] = []
    const report = ({ message }: { readonly message: string }): void => void mistakes.push(message)
    const root: OpRef | undefined = addContext('context', source, 'context', {
      graph: builder,
      pins: remote,
      report,
    })
    const [request] = remote.missing()
    if (request === undefined && root !== undefined) {
      return { source, pins, root, graph: builder.graph([root], []) }
    }
    if (request === undefined) {
      throw new SlipwayError({ code: 'ERR_CONTEXT_INVALID', message: `open context: ${mistakes.join('; ')}` })
    }
    const pin = await resolvePin(host, request, false, cx)
    pins[keyOfRequest(request)] = pin
    if (pin.kind === 'http' && source.kind === 'http') {
      source = { ...source, isArchive: await beginsAsArchive(host.store.path(pin.digest)) }
    }
  }
}
