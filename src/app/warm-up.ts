// A build that touches nothing, run once while the start-up snapshot is made: the snapshot then holds the grammars
// built and the code compiled. It must read nothing of the machine or its environment: every later start shares
// what it leaves in memory. While a snapshot is made V8 lacks a few things (toSorted, with, toReversed, Atomics).

import { openMemoryCache } from '../cache/memory-cache.ts'
import type { Context } from '../core/context.ts'
import { digestOf } from '../core/digest.ts'
import { assemble } from '../image/assemble.ts'
import { describeImage } from '../image/manifest.ts'
import { parseConfig, parseManifest } from '../image/parse.ts'
import type { ImageConfig } from '../image/types.ts'
import { planWithPins } from '../plan/plan-with-pins.ts'
import { defaultPlanOptions } from '../plan/types.ts'
import { solve } from '../solve/solver.ts'
import type { Drivers, LayerRef } from '../solve/types.ts'
import { ignoreOptions, readStages } from './read-stages.ts'

const dockerfile = `# syntax=docker/dockerfile:1
ARG TAG=1
FROM --platform=$BUILDPLATFORM localhost:5000/base/image:\${TAG} AS build
ARG VERSION="1.0" OTHER
ENV A=b "C=d e" PATH=/x:$PATH
LABEL name=value other="\${VERSION:-none}"
WORKDIR /src
COPY --chown=1:1 --chmod=755 a* 'b c' ./
ADD ["d", "/e/"]
RUN --network=none --security=sandbox echo \\
  # a comment
  "$VERSION" '$'
RUN --mount=type=cache,target=/c,sharing=locked,id=i --mount=type=bind,from=other,source=/s,target=/b \\
  --mount=type=secret,id=s,required=true,env=S --mount=type=ssh --mount=type=tmpfs,target=/t,size=1m a
RUN ["sh", "-c", "true"]
RUN <<EOF
true
EOF
FROM scratch
COPY --from=build /src/out /out
COPY <<file /there
text
file
USER 1:1
EXPOSE 80/tcp
VOLUME /data
STOPSIGNAL SIGTERM
SHELL ["/bin/sh", "-c"]
HEALTHCHECK --interval=1s CMD true
ONBUILD RUN true
ENTRYPOINT ["/out"]
CMD ["--help"]
`

/** Parses, plans, solves (cold and warm) and assembles an example. */
export async function warmUpBuild(): Promise<void> {
  await import('../sandbox/seccomp/step-filter.ts')
  const input = {
    dockerfile: { name: 'Dockerfile', text: dockerfile },
    ignoreFile: { name: '.dockerignore', text: '# comment\n**/*.tmp\n!keep/*.tmp\n' },
  }
  const { stages, files } = readStages(input, {})
  const platform = { os: 'linux', architecture: 'amd64' }
  const options = { ...defaultPlanOptions(platform, files), ...ignoreOptions(input) }
  const layer = digestOf('layer')
  const config: ImageConfig = { ...platform, rootfs: { type: 'layers', diff_ids: [layer] } }
  const manifest = digestOf('manifest')
  const planned = await planWithPins(stages, options, async () => ({
    kind: 'image',
    manifest,
    config,
    layers: 1,
  }))
  const { graph, target } = planned.value
  const cx: Context = {
    signal: new AbortController().signal,
    emit: () => undefined,
    now: () => '1970-01-01T00:00:00Z',
    debug: () => undefined,
  }
  const cache = openMemoryCache()
  for (let i = 0; i < 2; i++)
    await solve(graph, target.root, { cache, drivers: drivers(), cx, jobs: 2, build: '' })
  const stored = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer, size: 1 }
  const made = { diffId: layer, descriptor: stored, created: cx.now() }
  const fresh = target.history.flatMap((entry) => (entry.layer ? [made] : []))
  const image = assemble(target, fresh)
  const described = describeImage(
    image.config,
    image.layers.map(({ descriptor }) => descriptor),
  )
  parseConfig(described.config.bytes)
  parseManifest(described.manifest.bytes, described.manifest.descriptor.mediaType)
}

/** Every op makes a layer by having run. */
function drivers(): Drivers {
  const made: LayerRef = { kind: 'snapshot', id: 'example', created: '1970-01-01T00:00:00Z' }
  const run = async () => [made]
  const contentOf = async () => undefined
  const uncached = { uncached: true, run } as const
  return {
    image: uncached,
    local: uncached,
    merge: uncached,
    http: { run },
    git: { run },
    exec: { run },
    file: { contentOf, run },
  }
}
