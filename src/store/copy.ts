// The one way an image moves: pull, push, export and import differ only in what they copy from and to.
import { setMaxListeners } from 'node:events'
import { type Readable, Transform } from 'node:stream'
import type { Descriptor } from '../core/descriptor.ts'
import { SlipwayError } from '../core/error.ts'
import type { Limit } from '../core/limit.ts'
import { isDocumentType, isIndexType, maxIndexDepth, maxManifestBytes } from '../core/media-type.ts'
import { childrenOf } from './children.ts'
import { readSmall } from './collect.ts'
import type { ContentReader, Exclusive, ImageSink } from './types.ts'

/** Where the copy of one descriptor stands; the last report of each has a final `state`. */
export interface CopyProgress {
  readonly descriptor: Descriptor
  readonly state: 'copying' | 'copied' | 'present'
  /** Bytes of this attempt; it may fall back when a transfer starts again. */
  readonly current: number
}

export interface CopyOptions {
  /** Slots are taken per transfer, never while waiting for another one. */
  readonly limit: Limit
  readonly signal: AbortSignal
  onProgress?(progress: CopyProgress): void
  /** Keeps others from transferring the same digest at the same time; who waited looks again first. */
  readonly exclusive?: Exclusive
  /** Whether a failed transfer is tried again from the start; may wait. Without it every failure is final. */
  retry?(thrown: unknown, attempt: number, descriptor: Descriptor): Promise<boolean>
  /** Descriptors that are not copied (layers whose licence forbids it). */
  skip?(descriptor: Descriptor): boolean
}

/**
 * Copies everything `root` reaches, children before parents. Postcondition: `to` has all of it.
 * When one transfer fails the others are stopped and waited for, then the first failure is thrown.
 */
export async function copyImage(
  from: ContentReader,
  to: ImageSink,
  root: Descriptor,
  options: CopyOptions,
): Promise<void> {
  await together(options, async (inner) => await copyTree(from, to, { descriptor: root, depth: 0 }, inner))
}

/** Copies single blobs in parallel; postcondition and failures as `copyImage`. */
export async function copyBlobs(
  from: ContentReader,
  to: ImageSink,
  blobs: readonly Descriptor[],
  options: CopyOptions,
): Promise<void> {
  await together(options, async (inner) => {
    await all(
      inner,
      unique(blobs).map((blob) => copyOne(from, to, blob, inner)),
    )
  })
}

/** Options whose signal also ends when `cancel` is called. */
interface Inner extends CopyOptions {
  cancel(reason: unknown): void
}

async function together(options: CopyOptions, run: (inner: Inner) => Promise<void>): Promise<void> {
  options.signal.throwIfAborted()
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  // Every transfer listens to it, and an image may have hundreds of layers: no leak that Node should warn of.
  setMaxListeners(0, signal)
  const inner: Inner = {
    ...options,
    signal,
    cancel: (reason) => failed.abort(reason),
  }
  try {
    await run(inner)
  } catch (thrown) {
    options.signal.throwIfAborted()
    throw failed.signal.aborted ? failed.signal.reason : thrown
  }
}

async function copyTree(
  from: ContentReader,
  to: ImageSink,
  at: { readonly descriptor: Descriptor; readonly depth: number },
  options: Inner,
): Promise<void> {
  const { descriptor, depth } = at
  if (!isDocumentType(descriptor.mediaType)) return await copyOne(from, to, descriptor, options)
  if (isIndexType(descriptor.mediaType) && depth >= maxIndexDepth) {
    throw new SlipwayError({
      code: 'ERR_MANIFEST_INVALID',
      message: `copy ${descriptor.digest}: more than ${maxIndexDepth} indexes inside each other`,
    })
  }
  // The sink may hold the manifest but not (any more) what it points to, so its presence cuts nothing short.
  const bytes = await slot(options, () =>
    readSmall(from, descriptor, { limitBytes: maxManifestBytes, signal: options.signal }),
  )
  const children = unique(childrenOf(descriptor, bytes))
  await all(
    options,
    children.map((child) => copyTree(from, to, { descriptor: child, depth: depth + 1 }, options)),
  )
  await slot(options, async () => {
    const asked = { signal: options.signal }
    if (!(await to.has(descriptor, asked))) await to.put(descriptor, bytes, asked)
  })
}

async function copyOne(
  from: ContentReader,
  to: ImageSink,
  descriptor: Descriptor,
  options: Inner,
): Promise<void> {
  if (options.skip?.(descriptor)) return
  const exclusive: Exclusive = options.exclusive ?? ((_digest, _signal, body) => body())
  const present = (): void => options.onProgress?.({ descriptor, state: 'present', current: descriptor.size })
  await slot(options, async () => {
    if (await to.has(descriptor, options)) return present()
    await exclusive(descriptor.digest, options.signal, async () => {
      if (options.exclusive !== undefined && (await to.has(descriptor, options))) return present()
      await transfer(from, to, descriptor, options)
    })
  })
}

async function transfer(
  from: ContentReader,
  to: ImageSink,
  descriptor: Descriptor,
  options: Inner,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    options.onProgress?.({ descriptor, state: 'copying', current: 0 })
    let body: Readable | undefined
    try {
      body = await from.open(descriptor, { signal: options.signal })
      const counted = options.onProgress === undefined ? body : count(body, descriptor, options)
      // The sink may wait for a lock or a connection before it reads; a failure until then must not go unheard.
      counted.on('error', () => undefined)
      await to.put(descriptor, counted, { signal: options.signal })
      options.onProgress?.({ descriptor, state: 'copied', current: descriptor.size })
      return
    } catch (thrown) {
      // A sink that failed before it read anything leaves it open.
      body?.destroy()
      if (options.signal.aborted) throw thrown
      if (!(await options.retry?.(thrown, attempt, descriptor))) throw thrown
    }
  }
}

/** The same bytes, reported at most a few hundred times per blob. */
function count(body: Readable, descriptor: Descriptor, options: CopyOptions): Readable {
  const stepBytes = Math.max(256 << 10, Math.floor(descriptor.size / 200))
  let current = 0
  let reported = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      current += chunk.byteLength
      if (current - reported >= stepBytes) {
        reported = current
        options.onProgress?.({ descriptor, state: 'copying', current })
      }
      done(null, chunk)
    },
  })
  body.once('error', (thrown) => counter.destroy(thrown))
  counter.once('close', () => body.destroy())
  // Not before somebody reads: a sink that finds it needs nothing, because it has the blob elsewhere, fetches nothing.
  const read = counter._read.bind(counter)
  counter._read = (size) => {
    counter._read = read
    body.pipe(counter)
    read(size)
  }
  return counter
}

function unique(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  return [...new Map(descriptors.map((d) => [d.digest, d])).values()]
}

// The limit does not get the signal: it would let go of a running transfer on abort instead of waiting for its end.
function slot<T>(options: Inner, run: () => Promise<T>): Promise<T> {
  return options.limit(() => {
    options.signal.throwIfAborted()
    return run()
  })
}

/** Waits for every one, also after a failure (which stops the others): nothing may still be writing afterwards. */
async function all(options: Inner, tasks: readonly Promise<void>[]): Promise<void> {
  const stopOthers = (thrown: unknown): never => {
    options.cancel(thrown)
    throw thrown
  }
  const results = await Promise.allSettled(tasks.map((task) => task.catch(stopOthers)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
