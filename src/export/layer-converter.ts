// Layers in the compression an output wants. Built layers are plain tars and go straight through the compressor;
// a base image's layer is unpacked to its plain form first, which also proves its diff id.
import { Readable } from 'node:stream'
import { decompress } from '../compression/decompress.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { limit } from '../core/limit.ts'
import { layerCompression, mediaType } from '../core/media-type.ts'
import type { ImageLayer } from '../image/types.ts'
import { convertLayer } from '../layer/convert-layer.ts'
import type { WriteHint } from '../store/hints.ts'
import type { ContentStore } from '../store/types.ts'
import type { Native } from '../sys/native.ts'
import { type ConvertLayer, compressStep } from './packed-image.ts'

export interface ConverterOptions {
  /** Where results are remembered. */
  readonly variants: string
  readonly writeHint: WriteHint
  readonly native: Native
}

/** Converts within `store`. */
export function layerConverter(
  store: ContentStore,
  { variants, writeHint, native }: ConverterOptions,
): ConvertLayer {
  // One at a time: the compressor itself uses the cores.
  const turn = limit(1)
  return (layer, { compression, level }, cx) =>
    turn(async () => {
      const plain = await plainLayer(store, layer, { native, signal: cx.signal })
      return convertLayer(plain, {
        store,
        variants,
        writeHint,
        compression,
        ...(level === undefined ? {} : { level }),
        signal: cx.signal,
        onRead: (current) =>
          cx.emit({
            type: 'progress',
            step: compressStep,
            what: layer.diffId,
            current,
            total: plain.size,
            unit: 'bytes',
            ...(current === plain.size ? { done: true } : {}),
          }),
      })
    }, cx.signal)
}

async function plainLayer(
  store: ContentStore,
  layer: ImageLayer,
  { native, signal }: { readonly native: Native; readonly signal: AbortSignal },
): Promise<Descriptor> {
  if (layerCompression(layer.descriptor.mediaType) === 'uncompressed') return layer.descriptor
  const body = await store.open(layer.descriptor, { signal })
  const bytes = Readable.from(decompress(body, { native, what: 'layer', signal }), {
    objectMode: false,
    highWaterMark: 1 << 20,
  })
  try {
    return await store.put({ mediaType: mediaType.ociLayer, digest: layer.diffId }, bytes, { signal })
  } finally {
    bytes.destroy()
    body.destroy()
  }
}
