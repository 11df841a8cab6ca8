// The oci and docker exporters: an image as one tar archive, or as an OCI layout directory. The same image gives the same bytes.
import type { Writable } from 'node:stream'
import type { Context } from '../core/context.ts'
import { encodeHeader } from '../layer/tar-encode.ts'
import { blockSize } from '../layer/tar-entry.ts'
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
  const directories = new Set<string>()
  for (const { path, content } of files) {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const directory = path.slice(0, slash)
      if (!directories.has(directory)) yield header(directory, 'directory', 0)
      directories.add(directory)
    }
    const size = Buffer.isBuffer(content) ? content.byteLength : content.size
    yield header(path, 'file', size)
    if (Buffer.isBuffer(content)) yield content
    else for await (const chunk of await store.open(content, { signal: cx.signal })) yield chunk
    yield Buffer.alloc((blockSize - (size % blockSize)) % blockSize)
  }
  yield Buffer.alloc(2 * blockSize)
}

function header(path: string, type: 'file' | 'directory', size: number): Buffer {
  return encodeHeader({
    path,
    type,
    mode: type === 'file' ? 0o644 : 0o755,
    uid: 0,
    gid: 0,
    size,
    mtimeNs: 0n,
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
  })
}
