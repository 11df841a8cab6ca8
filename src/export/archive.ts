// The oci and docker exporters: an image as one tar archive, or as an OCI layout directory. The same image gives the same bytes.
import type { Writable } from 'node:stream'
import type { Pack } from 'tar-stream'
import type { Context } from '../core/context.ts'
import type { ContentReader } from '../store/types.ts'
import { writeFileWhole, writeStream } from './destination.ts'
import { writeLayoutDirectory } from './layout-directory.ts'
import { type LayoutFile, layoutFiles } from './layout-files.ts'
import type { Output } from './output.ts'
import { type ConvertLayer, packImage } from './packed-image.ts'
import type { Exporter } from './types.ts'

export interface ArchiveHost {
  readonly store: ContentReader
  readonly convert: ConvertLayer
  readonly stdout: Writable
}

export type ArchiveOutput = Extract<Output, { type: 'oci' | 'docker' }>

/** Exports an image as an archive (or a directory) under `names`, full references. */
export function archiveExporter(
  output: ArchiveOutput,
  names: readonly string[],
  host: ArchiveHost,
): Exporter {
  return {
    export: async (image, cx) => {
      const packed = await packImage(image, output.form, host.convert, cx)
      const { created } = image.config
      const options = {
        names,
        ...(created === undefined ? {} : { created }),
        withDockerManifest: output.type === 'docker',
      }
      if (output.type === 'oci' && !output.tar) {
        await writeLayoutDirectory(output.dest, packed, options, host.store, cx)
      } else {
        const chunks = tarOf(layoutFiles(packed, options), host.store, cx)
        if (output.dest === '-') await writeStream(host.stdout, chunks, cx.signal)
        else await writeFileWhole(output.dest, chunks, cx.signal)
      }
      return { manifest: packed.manifest.descriptor, config: packed.config.descriptor, names }
    },
  }
}

// Not layer/tar-write.ts: bodies come through the store's verifying reader, so that a damaged blob fails the export.
async function* tarOf(
  files: readonly LayoutFile[],
  store: ContentReader,
  cx: Context,
): AsyncGenerator<Uint8Array> {
  const { pack } = await import('tar-stream')
  const archive = pack({ highWaterMark: 1024 * 1024 })
  // Whoever reads the archive has it already.
  archive.on('error', () => undefined)
  let failure: unknown
  const feeding = feed(archive, files, store, cx).catch((thrown: unknown) => {
    failure = thrown
    archive.destroy()
  })
  try {
    yield* archive as AsyncIterable<Uint8Array>
  } catch (thrown) {
    // The library reports its own end; why it ended is the feeder's to say.
    throw failure ?? thrown
  } finally {
    archive.destroy()
    await feeding
  }
  if (failure !== undefined) throw failure
}

async function feed(
  archive: Pack,
  files: readonly LayoutFile[],
  store: ContentReader,
  cx: Context,
): Promise<void> {
  const directories = new Set<string>()
  for (const { path, content } of files) {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const directory = path.slice(0, slash)
      if (!directories.has(directory)) {
        await add(archive, { ...same, name: directory, type: 'directory', mode: 0o755 })
      }
      directories.add(directory)
    }
    const isBytes = Buffer.isBuffer(content)
    const size = isBytes ? content.byteLength : content.size
    const body = isBytes ? [content] : await store.open(content, { signal: cx.signal })
    await add(archive, { ...same, name: path, type: 'file', mode: 0o644, size }, body)
  }
  archive.finalize()
}

/** What every entry has, whoever makes the archive, and whenever. */
const same = { uid: 0, gid: 0, mtime: new Date(0) } as const

function add(
  archive: Pack,
  header: Parameters<Pack['entry']>[0],
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array> = [],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink = archive.entry(header, (error) => (error ? reject(error) : resolve()))
    // The callback has it already.
    sink.on('error', () => undefined)
    if (header.type === 'directory') return
    fill(sink, body).catch((thrown: unknown) => {
      reject(thrown)
      sink.destroy()
    })
  })
}

async function fill(
  sink: ReturnType<Pack['entry']>,
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const chunk of body) {
    if (sink.destroyed) return
    if (!sink.write(chunk)) await room(sink)
  }
  sink.end(null)
}

function room(sink: ReturnType<Pack['entry']>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sink.off('drain', done)
      sink.off('close', done)
      resolve()
    }
    sink.once('drain', done)
    sink.once('close', done)
  })
}
