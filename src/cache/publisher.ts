// Group commit: files handed in one by one become visible to other processes in batches, each batch behind one
// durability barrier, so that no file ever names something that a power cut could still lose.

export interface Publisher {
  /** Queues a file; a later text for the same path replaces an earlier one that is not written yet. */
  add(path: string, text: string, options: { readonly needsBarrier: boolean }): void
  /** Whether anything was added since the last `drain`. */
  isDirty(): boolean
  /** Resolves when all that was added so far is written or has failed to be; hurries nobody. */
  settled(): Promise<void>
  /** Resolves when all that was added is written; rejects with the first failure to write since the last call. */
  drain(): Promise<void>
}

export interface PublisherOptions {
  /** After it resolves, everything the queued files may name survives a power cut. */
  barrier(): Promise<void>
  write(files: ReadonlyMap<string, string>): Promise<void>
  /** Between the starts of two batches; a batch costs a sync of the whole file system. */
  intervalMs: number
}

interface Queued {
  readonly text: string
  readonly needsBarrier: boolean
}

/** An idle publisher. A failed batch is reported by the next `drain`; its files are dropped, which only costs cache hits. */
export function publisher(options: PublisherOptions): Publisher {
  let queue = new Map<string, Queued>()
  /** Of what is queued, and of the batch that is being written. */
  let waiting = deferred()
  let underWay: Promise<void> = Promise.resolve()
  let running: Promise<void> | undefined
  let failure: { readonly thrown: unknown } | undefined
  let hurry = (): void => undefined
  let isHurried = false
  let isDirty = false

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      if (isHurried) return resolve()
      const timer = setTimeout(resolve, options.intervalMs)
      timer.unref()
      hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const writeBatch = async (): Promise<void> => {
    const batch = queue
    const { promise, resolve } = waiting
    queue = new Map()
    waiting = deferred()
    underWay = promise
    try {
      if ([...batch.values()].some((file) => file.needsBarrier)) await options.barrier()
      await options.write(new Map([...batch].map(([path, { text }]) => [path, text])))
    } catch (thrown) {
      failure ??= { thrown }
    }
    resolve()
  }
  const run = async (): Promise<void> => {
    // A turn of the event loop later, so that a record and its aliases share a batch.
    await new Promise((resolve) => setImmediate(resolve))
    while (queue.size > 0) {
      await writeBatch()
      if (queue.size > 0 || !isHurried) await pause()
    }
    running = undefined
  }

  return {
    add: (path, text, { needsBarrier }) => {
      queue.set(path, { text, needsBarrier: needsBarrier || queue.get(path)?.needsBarrier === true })
      isDirty = true
      running ??= run()
    },
    isDirty: () => isDirty,
    settled: () => (queue.size > 0 ? waiting.promise : underWay),
    drain: async () => {
      isHurried = true
      hurry()
      while (running !== undefined) await running
      isHurried = false
      isDirty = false
      const failed = failure
      failure = undefined
      if (failed !== undefined) throw failed.thrown
    },
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve: () => resolve() }
}
