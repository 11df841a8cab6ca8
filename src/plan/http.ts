// The op of a file of the web.
import { redact } from '../core/error.ts'
import type { Span } from '../core/span.ts'
import type { GraphBuilder } from '../graph/builder.ts'
import type { HttpOp, OpRef } from '../graph/op.ts'
import type { RemotePins } from './remote-pins.ts'

/** A file of the web as an instruction or a flag names it. */
export interface HttpSource {
  readonly url: string
  /** Of its content: then nobody is asked what the URL stands for now. */
  readonly checksum?: string
  /** What it is called, whatever URL and server say. */
  readonly filename?: string
  /** Whether it is an archive whose files are wanted. */
  readonly unpack?: boolean
  /** Where it is named; absent: on the command line. */
  readonly span?: Span
}

/** What a file is called of which neither the URL nor the server says it (BuildKit's word). */
const unnamed = '__unnamed__'

/** The http op of a source in `graph`, and the name of its one file. */
export function addHttp(
  source: HttpSource,
  { graph, pins }: { readonly graph: GraphBuilder; readonly pins: RemotePins },
): { readonly op: OpRef; readonly filename: string } {
  const { url, checksum, span } = source
  const named = source.filename ?? nameInUrl(url)
  const found = checksum === undefined ? pins.pinOf({ kind: 'http', url, ...(span && { span }) }) : undefined
  // Differs: BuildKit knows the server's name for the file too, but calls one whose URL has none `__unnamed__`.
  const filename = named ?? (found?.filename === undefined ? undefined : safeName(found.filename)) ?? unnamed
  const op: HttpOp = {
    kind: 'http',
    inputs: [],
    checksum: checksum ?? found?.digest ?? '',
    filename,
    ...(source.unpack ? { unpack: true } : found?.modified === undefined ? {} : { modified: found.modified }),
  }
  const ref = graph.add(op, {
    slot: { stage: redact(url), ordinal: 0 },
    label: '[internal]',
    title: `fetch ${redact(url)}`,
    ...(span === undefined ? {} : { span }),
    remote: { url },
  })
  return { op: ref, filename }
}

/** The last element of the URL's path. */
function nameInUrl(url: string): string | undefined {
  const path = /^[^:]+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? ''
  return safeName(decodePath(path).replace(/\/+$/, ''))
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (thrown) {
    // Bytes that are no UTF-8, or a lone %: the name is as it is written.
    if (thrown instanceof URIError) return path
    throw thrown
  }
}

/** The last element of a path if it can be the name of a file. */
function safeName(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const isName = name !== '' && name !== '.' && name !== '..' && !name.includes('\0')
  return isName && Buffer.byteLength(name) <= 255 ? name : undefined
}
