// Main contexts that are fetched: which names mean one, and the Dockerfile in it. Their files are what the context's op makes,
// here as in every step that copies of them.
import { statSync } from 'node:fs'
import { openLocalCache } from '../cache/local-cache.ts'
import type { Context } from '../core/context.ts'
import { nearest } from '../core/diagnostic.ts'
import { redact, SlipwayError } from '../core/error.ts'
import { readGitReference } from '../core/git-reference.ts'
import { parseBoolean } from '../core/go-values.ts'
import { graphBuilder } from '../graph/builder.ts'
import type { OpRef } from '../graph/op.ts'
import { addContext, contextFile } from '../plan/context.ts'
import { keyOfRequest } from '../plan/pin-key.ts'
import { remotePins } from '../plan/remote-pins.ts'
import type { Pin, Pins, RemoteContext } from '../plan/types.ts'
import { type MergedTree, mergedTree } from '../snapshot/merged-tree.ts'
import { solve } from '../solve/solver.ts'
import { beginsAsArchive } from './archive-start.ts'
import { decodeText } from './decode-text.ts'
import { openDrivers } from './drivers.ts'
import type { Host } from './host.ts'
import type { BuildInput, InputRequest } from './input.ts'
import { resolvePin } from './pins.ts'
import { stepsOf } from './steps.ts'

const maxDockerfileBytes = 16 << 20

/** The context that is to be fetched, or undefined for a directory and for standard input. Throws ERR_CONTEXT_INVALID. */
export function remoteContextOf({
  contextName: typed,
  buildArgs,
}: Pick<InputRequest, 'contextName'> & {
  readonly buildArgs: Readonly<Record<string, string>>
}): RemoteContext | undefined {
  if (typed === '-' || statSync(typed, { throwIfNoEntry: false })?.isDirectory()) return undefined
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

/** The Dockerfile of a context that is fetched for it, and what planning with it needs. Throws ERR_DOCKERFILE_MISSING, ERR_GIT_*, ERR_HTTP_*. */
export async function readRemoteInput(
  request: InputRequest,
  named: RemoteContext,
  host: Host,
  cx: Context,
): Promise<BuildInput> {
  const { source, pins, tree } = await load(named, request, host, cx)
  const remote = { source, pins }
  if (request.file === '-') {
    const text = decodeText(request.stdin(), 'Dockerfile', 'from standard input')
    return { dockerfile: { name: '<stdin>', text }, remote }
  }
  const isAlone = source.kind === 'http' && !source.isArchive
  const wanted = isAlone ? contextFile : (request.fileName ?? 'Dockerfile')
  const names = wanted === 'Dockerfile' ? [wanted, 'dockerfile'] : [wanted]
  for (const name of names) {
    const bytes = tree.readFile(name, maxDockerfileBytes)
    if (bytes === undefined) continue
    const where = `${name} in ${redact(request.contextName)}`
    const base = isAlone ? 'Dockerfile' : name.slice(name.lastIndexOf('/') + 1)
    return { dockerfile: { name: base, text: decodeText(bytes, 'Dockerfile', where) }, remote }
  }
  throw missing(request, wanted, tree)
}

function missing({ contextName }: InputRequest, wanted: string, tree: MergedTree): SlipwayError {
  const root = tree.lookup('', { follow: false })
  const names = root === undefined ? [] : tree.list(root).map(({ path }) => path)
  const close = nearest(wanted, names) ?? names.find((name) => /dockerfile|containerfile/i.test(name))
  return new SlipwayError({
    code: 'ERR_DOCKERFILE_MISSING',
    message: `open Dockerfile ${wanted} in ${redact(contextName)}: no such file`,
    hint:
      close === undefined
        ? 'with a context that is fetched, --file is a path in it'
        : `name it with --file: ${close}`,
  })
}

async function load(
  named: RemoteContext,
  request: InputRequest,
  host: Host,
  cx: Context,
): Promise<{ readonly source: RemoteContext; readonly pins: Pins; readonly tree: MergedTree }> {
  const { source, pins, root, graph } = await pinned(named, host, cx)
  cx.emit({ type: 'graph', steps: stepsOf(graph), files: [] })
  const { drivers, layers } = openDrivers(host, { directoryOf: (name) => name })
  const cache = await openLocalCache(host.directory, {
    native: host.native,
    buildName: `context ${redact(request.contextName)}`,
    hasSnapshot: (id) => host.snapshotter.has(id),
    sync: () => host.snapshotter.flush(),
  })
  try {
    const result = await solve(graph, root, { cache, drivers, cx, jobs: 1 })
    const directories = await layers.directories(result?.layers ?? [], cx)
    return { source, pins, tree: mergedTree(directories, { native: host.native }) }
  } finally {
    await cache.flush()
  }
}

/** The op of the context with everything it stands for known, a graph of it alone, and the pins it was made with. */
async function pinned(named: RemoteContext, host: Host, cx: Context) {
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
