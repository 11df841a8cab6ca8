// Fake drivers for the solver: every op's content is a pure function of what it reads, runs are counted,
// and a run can be held by the test, so that nothing here waits for time to pass.

import { journaled } from '../../src/app/journaled.ts'
import { openMemoryCache } from '../../src/cache/memory-cache.ts'
import { digestOfJson } from '../../src/core/canonical-json.ts'
import type { Context } from '../../src/core/context.ts'
import { type Digest, digestOf, hexOf } from '../../src/core/digest.ts'
import { SlipwayError } from '../../src/core/error.ts'
import type { BuildEvent } from '../../src/core/event.ts'
import { decodePast, encodePast, type PastBuild, type PastStore } from '../../src/explain/past.ts'
import { graphBuilder } from '../../src/graph/builder.ts'
import type { ExecOp, FileOp, Graph, LocalOp, MergeOp, Op, OpNote, OpRef } from '../../src/graph/op.ts'
import { solve } from '../../src/solve/solver.ts'
import type { Cache, Drivers, FileList, LayerRef, Result } from '../../src/solve/types.ts'

export interface Gate {
  /** Resolves when the op has started to run. */
  readonly started: Promise<void>
  finish(): void
  fail(error: Error): void
}

export type Rig = ReturnType<typeof rig>

/** Fake drivers over directories the test may edit (`locals`: name → file → content). */
export function rig(shared: { cache?: Cache; snapshots?: Map<string, string>; past?: PastStore } = {}) {
  /** Snapshot id → content; deleting one is what eviction does. */
  const snapshots = shared.snapshots ?? new Map<string, string>()
  const cache = shared.cache ?? openMemoryCache(async (id) => snapshots.has(id))
  const past = shared.past ?? memoryPast()
  const locals = new Map<string, Map<string, string>>()
  const runs: string[] = []
  const events: BuildEvent[] = []
  const gates = new Map<string, { open: Promise<void>; start: () => void }>()
  let running = 0
  let mostRunning = 0

  const contentOfLayer = (layer: LayerRef): string => {
    if (layer.kind === 'snapshot') {
      const content = snapshots.get(layer.id)
      if (content === undefined) throw new Error(`snapshot ${layer.id} was used after it was evicted`)
      return content
    }
    return layer.kind === 'blob' || layer.kind === 'archive'
      ? `image ${layer.diffId}`
      : JSON.stringify([...(locals.get(layer.name) ?? [])])
  }
  const contentOf = (result: Result): string => result.layers.map(contentOfLayer).join('|')
  const readLocal = (result: Result, path: string): string => {
    const layer = result.layers[0]
    const name = layer?.kind === 'directory' ? layer.name : ''
    const content = locals.get(name)?.get(path)
    if (content !== undefined) return content
    throw new SlipwayError({ code: 'ERR_COPY_SOURCE', message: `copy ${path}: not found` })
  }
  const sourceOf = (op: FileOp, input: Result): string =>
    op.actions
      .map((action) => {
        if (action.kind !== 'copy') return ''
        return input.layers[0]?.kind === 'directory'
          ? action.sources.map((path) => `${path}=${readLocal(input, path)}`).join()
          : input.layers.slice(-1).map(contentOfLayer).join()
      })
      .join()

  const made = async (
    op: ExecOp | FileOp,
    inputs: readonly Result[],
    note: OpNote,
    text: string,
    cx: Context,
  ) => {
    runs.push(note.title)
    mostRunning = Math.max(mostRunning, ++running)
    try {
      const gate = gates.get(note.title)
      gate?.start()
      await Promise.race([gate?.open, aborted(cx.signal, gate)])
    } finally {
      running--
    }
    const id = hexOf(digestOf(`${note.title} ${snapshots.size} ${text}`))
    snapshots.set(id, text)
    const at = op.kind === 'exec' ? op.root : op.base
    const below = at === null ? [] : (inputs[at]?.layers ?? [])
    return [...below, { kind: 'snapshot' as const, id, created: '2026-01-01T00:00:00Z' }]
  }

  const drivers: Drivers = {
    image: {
      uncached: true,
      run: async (op) => {
        const descriptor = { mediaType: 'x', digest: op.manifest, size: 1 }
        return [{ kind: 'blob', descriptor, diffId: op.manifest, source: 'base' }]
      },
    },
    local: {
      uncached: true,
      run: async (op) => [{ kind: 'directory', name: op.name, ignore: op.ignore }],
    },
    http: {
      run: async (op) => [
        { kind: 'snapshot', id: hexOf(digestOf(op.checksum)), created: '2026-01-01T00:00:00Z' },
      ],
    },
    git: { run: async (op) => [{ kind: 'snapshot', id: op.commit, created: '2026-01-01T00:00:00Z' }] },
    merge: { uncached: true, run: async (_op, inputs) => inputs.flatMap((input) => input.layers) },
    exec: {
      // `strip` plays the compiler: comments in its source do not reach its output.
      run: async (op, inputs, note, cx) => {
        const read = inputs.map(contentOf).join('+')
        const text = op.args[0] === 'strip' ? read.replace(/#\w*/g, '') : `${op.args.join(' ')}(${read})`
        return made(op, inputs, note, text, cx)
      },
    },
    file: {
      contentOf: async (op, index, input) =>
        index === op.base ? undefined : digestOfJson({ content: sourceOf(op, input) }),
      filesOf: async (op, _index, input) =>
        new Map(
          op.actions.flatMap((action) =>
            action.kind === 'copy'
              ? action.sources.map((path) => [path, readLocal(input, path)] as const)
              : [],
          ),
        ),
      run: async (op, inputs, note, cx) => {
        const sources = inputs.filter((_, i) => i !== op.base).map((input) => sourceOf(op, input))
        return made(op, inputs, note, `${JSON.stringify(op.actions)}:${sources.join('+')}`, cx)
      },
    },
  }

  const controller = new AbortController()
  const cx: Context = {
    signal: controller.signal,
    emit: (event) => events.push(event),
    now: () => '2026-01-01T00:00:00Z',
    debug: () => undefined,
  }

  return {
    cache,
    past,
    snapshots,
    locals,
    runs,
    events,
    drivers,
    cx,
    controller,
    contentOf,
    mostRunning: () => mostRunning,
    /** Holds the runs of the op with this title until the test lets it go. */
    hold(title: string): Gate {
      const started = deferred()
      const open = deferred()
      open.promise.catch(() => undefined)
      gates.set(title, { open: open.promise, start: started.resolve })
      return { started: started.promise, finish: open.resolve, fail: open.reject }
    },
    edit(name: string, files: Readonly<Record<string, string>>): void {
      const all = locals.get(name) ?? new Map<string, string>()
      for (const [path, content] of Object.entries(files)) all.set(path, content)
      locals.set(name, all)
    },
    /** Solves and forgets the counts and events of earlier builds. */
    async build(graph: Graph, root: OpRef | null, jobs = 4, keepGoing = false): Promise<Result | null> {
      runs.length = 0
      events.length = 0
      return journaled({ build: 'rig', store: past, cx }, (explained) =>
        solve(graph, root, { cache, drivers, jobs, build: 'rig', keepGoing, ...explained }),
      )
    },
    /** The events of the last build as `verb title`. */
    story(graph: Graph): string[] {
      return events.flatMap((event) => {
        if (!event.type.startsWith('op-') || !('step' in event)) return []
        const title = graph.notes[event.step as OpRef]?.title ?? event.step
        const by = event.type === 'op-cached' ? `-${event.by}` : ''
        return [`${event.type.slice(3)}${by} ${title}`]
      })
    },
  }
}

function deferred() {
  let resolve = (): void => undefined
  let reject = (_error: Error): void => undefined
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve: () => resolve(), reject: (error: Error) => reject(error) }
}

async function aborted(signal: AbortSignal, gate: unknown): Promise<void> {
  if (gate === undefined) return
  await new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** Writes graphs in one line a step. */
export function sketch(stage = 'final') {
  const builder = graphBuilder()
  let ordinal = 0
  const titles = new Map<OpRef, string>()
  const add = (op: Op, title: string, more: Partial<OpNote> = {}): OpRef => {
    const ref = builder.add(op, { slot: { stage, ordinal: ordinal++ }, label: `[${stage}]`, title, ...more })
    titles.set(ref, title)
    return ref
  }
  return {
    image: (name: string, reference = name): OpRef =>
      add(
        {
          kind: 'image',
          inputs: [],
          manifest: digestOf(name),
          platform: { os: 'linux', architecture: 'amd64' },
        },
        `FROM ${reference}`,
        { reference },
      ),
    local: (name: string): OpRef =>
      add({ kind: 'local', inputs: [], name, ignore: [] } satisfies LocalOp, `local ${name}`),
    run: (
      command: string,
      root: OpRef | null,
      more: Partial<OpNote> = {},
      env: readonly string[] = [],
    ): OpRef =>
      add(
        {
          kind: 'exec',
          inputs: root === null ? [] : [root],
          root: root === null ? null : 0,
          args: command.split(' '),
          env,
          cwd: '/',
          user: '',
          network: 'default',
          security: 'sandbox',
          hostname: 'h',
          mounts: [],
        } satisfies ExecOp,
        `RUN ${command}`,
        more,
      ),
    copy: (sources: string, from: OpRef, base: OpRef | null, more: Partial<OpNote> = {}): OpRef =>
      add(
        {
          kind: 'file',
          inputs: base === null ? [from] : [base, from],
          base: base === null ? null : 0,
          actions: [
            {
              kind: 'copy',
              from: base === null ? 0 : 1,
              sources: sources.split(' '),
              destination: '/',
              exclude: [],
              parents: false,
              unpack: false,
              instruction: 'COPY',
            },
          ],
        } satisfies FileOp,
        `COPY ${sources}`,
        more,
      ),
    merge: (...inputs: OpRef[]): OpRef => add({ kind: 'merge', inputs } satisfies MergeOp, 'merge'),
    graph: (root: OpRef): Graph => builder.graph([root], []),
  }
}

/** What builds leave behind, by way of its text; `builds` is what was written last. */
export function memoryPast(): PastStore & { builds: number } {
  const texts = new Map<string, { readonly text: string; readonly mark: string | undefined }>()
  const lists = new Map<string, FileList>()
  const store = {
    builds: 0,
    read: (build: string): PastBuild | undefined => decodePast(texts.get(build)?.text ?? ''),
    confirm: (build: string, mark: string): boolean => texts.get(build)?.mark === mark,
    write: (past: PastBuild, mark: Digest | undefined): void => {
      store.builds++
      texts.set(past.build, { text: encodePast(past, mark), mark })
    },
    files: (content: Digest) => lists.get(content),
    keepFiles: (content: Digest, files: FileList): void => {
      lists.set(content, files)
    },
  }
  return store
}
