// Where a build's Dockerfile and its main context come from: a directory, standard input, or what is fetched.
import { isAbsolute } from 'node:path'
import { type Context, task } from '../core/context.ts'
import { redact, SlipwayError } from '../core/error.ts'
import type { SourceFile } from '../core/span.ts'
import { decodeText } from './decode-text.ts'
import { readFetchedInput, remoteContextOf } from './fetched-context.ts'
import type { Host, HostSlot } from './host.ts'
import {
  type BuildInput,
  type InputRequest,
  maxDockerfileBytes,
  readDockerfile,
  readLocalInput,
} from './input.ts'
import { resolveHttpPin } from './pins.ts'
import { readPiped, readPipedDockerfile, storePiped } from './standard-input.ts'

const anyBytes = 'application/octet-stream'

/** What the input of a build is read with. */
export interface InputOptions extends InputRequest {
  readonly buildArgs: Readonly<Record<string, string>>
}

/** The Dockerfile and what goes with it. Throws ERR_CONTEXT_*, ERR_DOCKERFILE_*, ERR_FILE_*, ERR_GIT_*, ERR_HTTP_*. */
export async function readInput(request: InputOptions, slot: HostSlot, cx: Context): Promise<BuildInput> {
  if (request.contextName === '-') return readPipedInput(request, slot, cx)
  const remote = remoteContextOf(request)
  if (remote !== undefined) {
    const dockerfile = await readElsewhere(request, { paths: true }, slot, cx)
    return readFetchedInput({ request, source: remote, dockerfile }, await slot.open(), cx)
  }
  return task(cx, 'internal:definition', '[internal] load build definition', async () => {
    const { context = '' } = request
    return readLocalInput(context, request, await readElsewhere(request, { paths: false }, slot, cx))
  })
}

async function readPipedInput(request: InputOptions, slot: HostSlot, cx: Context): Promise<BuildInput> {
  if (request.file === '-') {
    throw conflict("can't use standard input for both build context and Dockerfile", 'name the context')
  }
  const piped = await readPiped(request.stdin(), cx.signal)
  if (piped.kind === 'dockerfile') {
    if (request.file === undefined) return { dockerfile: pipedDockerfile(piped.bytes) }
    throw conflict(
      'ambiguous Dockerfile source: both standard input and --file give one',
      'leave one of them out, or name the context',
    )
  }
  const host = await slot.open()
  const source = { kind: 'archive', digest: await storePiped(piped.body, host.store, cx) } as const
  const dockerfile = await readElsewhere(request, { paths: false }, slot, cx)
  return readFetchedInput({ request, source, dockerfile }, host, cx)
}

/** The Dockerfile that --file names outside of the context: standard input, a URL and, where `paths`, an absolute path. */
async function readElsewhere(
  { file, fileName = '', stdin }: InputOptions,
  { paths }: { readonly paths: boolean },
  slot: HostSlot,
  cx: Context,
): Promise<SourceFile | undefined> {
  if (file === '-') return pipedDockerfile(await readPipedDockerfile(stdin(), cx.signal))
  if (/^https?:\/\//.test(fileName)) return fetchDockerfile(fileName, await slot.open(), cx)
  if (file === undefined || !paths || !isAbsolute(fileName)) return undefined
  const dockerfile = readDockerfile(file)
  if (dockerfile !== undefined) return dockerfile
  throw new SlipwayError({
    code: 'ERR_DOCKERFILE_MISSING',
    message: `open Dockerfile ${file}: no such file`,
    hint: 'an absolute path is one of this machine; a path in the context has no slash in front',
  })
}

function pipedDockerfile(bytes: Buffer): SourceFile {
  return { name: '<stdin>', text: decodeText(bytes, 'Dockerfile', 'from standard input') }
}

async function fetchDockerfile(url: string, host: Host, cx: Context): Promise<SourceFile> {
  const { digest } = await resolveHttpPin(host, { kind: 'http', url }, cx)
  const size = (await host.store.sizeOf(digest)) ?? 0
  if (size > maxDockerfileBytes) {
    throw new SlipwayError({
      code: 'ERR_FILE_UNREADABLE',
      message: `read Dockerfile ${redact(url)}: larger than ${maxDockerfileBytes >> 20} MiB`,
    })
  }
  const bytes = await host.store.read({ mediaType: anyBytes, digest, size }, maxDockerfileBytes)
  return { name: 'Dockerfile', text: decodeText(bytes, 'Dockerfile', redact(url)) }
}

function conflict(message: string, hint: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_FLAG_CONFLICT', message, hint })
}
