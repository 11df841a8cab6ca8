// What the names in a build stand for: images (the local store first, as docker does, then their registry), URLs, refs of git repositories.
import { type Context, task } from '../core/context.ts'
import { type Diagnostic, type Note, nearest } from '../core/diagnostic.ts'
import { digestOf } from '../core/digest.ts'
import { redact, SlipwayError } from '../core/error.ts'
import { formatPlatform, platformDistance } from '../core/platform.ts'
import { familiarReference, parseReference } from '../core/reference.ts'
import type { Span } from '../core/span.ts'
import type {
  GitPin,
  GitRequest,
  HttpPin,
  HttpRequest,
  ImagePin,
  ImageRequest,
  Pin,
  PinRequest,
} from '../plan/types.ts'
import type { Host } from './host.ts'
import { layoutSource } from './layout-images.ts'
import { readImage, referenceIn } from './local-images.ts'

/** The pin of a request. `pull` asks the registry even when the store knows an image's name. Throws ERR_REGISTRY_*, ERR_PLATFORM_MISSING, ERR_HTTP_*, ERR_GIT_*. */
export function resolvePin(host: Host, request: PinRequest, pull: boolean, cx: Context): Promise<Pin> {
  switch (request.kind) {
    case 'image':
      return resolveImagePin(host, request, pull, cx)
    case 'http':
      return resolveHttpPin(host, request, cx)
    case 'git':
      return resolveGitPin(host, request, cx)
  }
}

/** What is at a URL now; it is in the store then. Throws ERR_HTTP_*. */
export async function resolveHttpPin(host: Host, { url, span }: HttpRequest, cx: Context): Promise<HttpPin> {
  const step = `fetch:${digestOf(url)}`
  return task(cx, step, `[internal] load ${redact(url)}`, async () => {
    try {
      const { digest, filename, modified } = await (await host.http()).resolve(url, step, cx)
      return {
        kind: 'http',
        digest,
        ...(filename === undefined ? {} : { filename }),
        ...(modified === undefined ? {} : { modified }),
      }
    } catch (thrown) {
      cx.signal.throwIfAborted()
      throw thrown instanceof SlipwayError && span !== undefined ? at(span, thrown) : thrown
    }
  })
}

async function resolveGitPin(host: Host, { remote, ref, span }: GitRequest, cx: Context): Promise<GitPin> {
  const shown = `${redact(remote)}${ref === undefined ? '' : `#${ref}`}`
  return task(cx, `git:${digestOf(remote)} ${ref ?? ''}`, `[internal] find ${shown}`, async () => {
    try {
      const tip = await (await host.git()).resolve({ remote, ...(ref === undefined ? {} : { ref }) }, cx)
      return { kind: 'git', ...tip }
    } catch (thrown) {
      cx.signal.throwIfAborted()
      throw thrown instanceof SlipwayError && span !== undefined ? at(span, thrown) : thrown
    }
  })
}

/** The same failure as a mistake at a place in the Dockerfile. */
function at(span: Span, thrown: SlipwayError): SlipwayError {
  const error = thrown.toJSON()
  return new SlipwayError({
    ...error,
    data: { ...error.data, span, diagnostic: 'UnresolvedSource' },
    cause: thrown,
  })
}

async function resolveImagePin(
  host: Host,
  request: ImageRequest,
  pull: boolean,
  cx: Context,
): Promise<ImagePin> {
  const local = pull ? undefined : await localPin(host, request)
  if (local !== undefined) return local
  const { reference, platform } = request
  return task(
    cx,
    `resolve:${reference} ${formatPlatform(platform)}`,
    `[internal] load metadata for ${reference}`,
    async () => {
      const { resolveImage } = await import('../registry/resolve.ts')
      try {
        const layout = host.options.layouts?.[reference]
        const found = await resolveImage(
          layout === undefined ? await host.registry() : { repository: () => layoutSource(layout) },
          { ref: parseReference(reference), platform, store: host.store },
          cx,
        )
        return {
          kind: 'image',
          manifest: found.descriptor.digest,
          ...(found.index === undefined ? {} : { index: found.index.digest }),
          config: found.config,
          layers: found.manifest.layers.length,
        }
      } catch (thrown) {
        // Who is interrupted has made no mistake.
        cx.signal.throwIfAborted()
        throw thrown instanceof SlipwayError ? await located(host, thrown, request) : thrown
      }
    },
  )
}

/** The same failure with the place in the Dockerfile that asked for the image, and what was perhaps meant. */
async function located(host: Host, thrown: SlipwayError, request: ImageRequest): Promise<SlipwayError> {
  const { span, meant } = request
  const error = thrown.toJSON()
  const hint = meant?.hint ?? (await localHint(host, request))
  return new SlipwayError({
    ...error,
    ...(hint === undefined ? {} : { hint }),
    data: { ...error.data, span, notes: meant?.notes, isMisnamed: meant !== undefined },
    cause: thrown,
  })
}

/** What the local store has instead of an image that no registry gave. */
async function localHint(host: Host, { reference, platform }: ImageRequest): Promise<string | undefined> {
  const descriptor = await host.store.resolve(reference)
  if (descriptor !== undefined) {
    const { os, architecture, variant } = (await readImage(host.store, descriptor)).config
    const offered = { os, architecture, ...(variant === undefined ? {} : { variant }) }
    return platformDistance(platform, offered) === undefined
      ? `the local store has it for ${formatPlatform(offered)}, not for ${formatPlatform(platform)}`
      : 'the local store has it; leave out --pull to use it'
  }
  const names = (await host.store.list()).flatMap((entry) => {
    const ref = entry.name === undefined ? undefined : referenceIn(entry.name)
    return ref === undefined ? [] : [familiarReference(ref)]
  })
  const near = nearest(familiarReference(parseReference(reference)), names)
  return near === undefined ? undefined : `did you mean ${near}, which the local store has?`
}

/** What `resolvePin` threw as mistakes in the Dockerfile, or undefined when any of it was something else. */
export function unresolved(thrown: unknown): readonly Diagnostic[] | undefined {
  const all: readonly unknown[] = thrown instanceof AggregateError ? thrown.errors : [thrown]
  const found = all.flatMap((one) => diagnosticOf(one) ?? [])
  return found.length === all.length ? found : undefined
}

/** What of a failure with several causes is no mistake in the Dockerfile. */
export function otherFailure(thrown: unknown): unknown {
  if (!(thrown instanceof AggregateError)) return thrown
  return thrown.errors.find((one) => diagnosticOf(one) === undefined) ?? thrown
}

function diagnosticOf(thrown: unknown): Diagnostic | undefined {
  if (!(thrown instanceof SlipwayError) || thrown.data?.span === undefined) return undefined
  const { span, notes, isMisnamed, diagnostic = 'UnresolvedImage' } = thrown.data
  return {
    code: isMisnamed ? 'UnknownStage' : String(diagnostic),
    severity: 'error',
    message: isMisnamed
      ? `there is no such stage above, and no such image: ${thrown.message}`
      : thrown.message,
    span: span as Span,
    ...(Array.isArray(notes) ? { notes: notes as Note[] } : {}),
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
  }
}

async function localPin(host: Host, { reference, platform }: ImageRequest): Promise<ImagePin | undefined> {
  const descriptor = await host.store.resolve(reference)
  if (descriptor === undefined) return undefined
  const { manifest, config } = await readImage(host.store, descriptor)
  const { os, architecture, variant } = config
  const offered = { os, architecture, ...(variant === undefined ? {} : { variant }) }
  if (platformDistance(platform, offered) === undefined) return undefined
  return { kind: 'image', manifest: descriptor.digest, config, layers: manifest.layers.length }
}
