// What an image name stands for in a build: the local store first, as docker does, then its registry.
import { type Context, task } from '../core/context.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { SlipwayError } from '../core/error.ts'
import { formatPlatform, platformDistance } from '../core/platform.ts'
import { parseReference } from '../core/reference.ts'
import type { Span } from '../core/span.ts'
import type { Pin, PinRequest } from '../plan/types.ts'
import type { Host } from './host.ts'
import { readImage } from './local-images.ts'

/** The pin of a request. `pull` asks the registry even when the store knows the name. Throws ERR_REGISTRY_*, ERR_PLATFORM_MISSING. */
export async function resolvePin(host: Host, request: PinRequest, pull: boolean, cx: Context): Promise<Pin> {
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
        const found = await resolveImage(
          await host.registry(),
          { ref: parseReference(reference), platform, store: host.store },
          cx,
        )
        return {
          manifest: found.descriptor.digest,
          config: found.config,
          layers: found.manifest.layers.length,
        }
      } catch (thrown) {
        throw thrown instanceof SlipwayError ? located(thrown, request) : thrown
      }
    },
  )
}

/** The same failure with the place in the Dockerfile that asked for the image. */
function located(thrown: SlipwayError, { span, hint }: PinRequest): SlipwayError {
  const error = thrown.toJSON()
  return new SlipwayError({
    ...error,
    ...(hint === undefined ? {} : { hint }),
    data: { ...error.data, span },
    cause: thrown,
  })
}

/** What `resolvePin` threw as a mistake in the Dockerfile, or undefined when it was something else. */
export function unresolved(thrown: unknown): Diagnostic | undefined {
  if (!(thrown instanceof SlipwayError) || thrown.data?.span === undefined) return undefined
  return {
    code: thrown.code,
    severity: 'error',
    message: thrown.message,
    span: thrown.data.span as Span,
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
  }
}

async function localPin(host: Host, { reference, platform }: PinRequest): Promise<Pin | undefined> {
  const descriptor = await host.store.resolve(reference)
  if (descriptor === undefined) return undefined
  const { manifest, config } = await readImage(host.store, descriptor)
  const { os, architecture, variant } = config
  const offered = { os, architecture, ...(variant === undefined ? {} : { variant }) }
  if (platformDistance(platform, offered) === undefined) return undefined
  return { manifest: descriptor.digest, config, layers: manifest.layers.length }
}
