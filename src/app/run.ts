// Starts an image of the local store in the build sandbox: the check that what was built runs.
import type { Context } from '../core/context.ts'
import { SlipwayError } from '../core/error.ts'
import { limit } from '../core/limit.ts'
import { normalisePlatform } from '../core/platform.ts'
import { explainForeign } from '../sandbox/emulation.ts'
import type { Exit } from '../sandbox/types.ts'
import { unpackLayers } from '../snapshot/unpack.ts'
import type { Host } from './host.ts'
import { findImage } from './local-images.ts'
import { openSandbox } from './step-sandbox.ts'

export interface RunRequest {
  readonly image: string
  /** Replaces the image's CMD when not empty. */
  readonly args: readonly string[]
  /** `NAME=value`, over the image's. */
  readonly env: readonly string[]
  readonly network: 'host' | 'none'
  readonly cwd?: string
  readonly user?: string
  readonly entrypoint?: string
  /** Whether standard input is a terminal: TERM is passed on. */
  readonly terminal: boolean
  /** The name or path of an OCI runtime; absent: slipway's own sandbox. */
  readonly runtime?: string
}

/** Runs the image with the caller's standard streams; its changes are thrown away. */
export async function runImage(host: Host, request: RunRequest, cx: Context): Promise<Exit> {
  const image = await findImage(host.store, request.image)
  const config = image.config.config ?? {}
  const command =
    request.args.length > 0 || request.entrypoint !== undefined ? request.args : (config.Cmd ?? [])
  const args = [
    ...(request.entrypoint === undefined ? (config.Entrypoint ?? []) : [request.entrypoint]),
    ...command,
  ]
  if (args.length === 0) {
    throw new SlipwayError({
      code: 'ERR_COMMAND_MISSING',
      message: `run ${request.image}: the image has no CMD and no ENTRYPOINT`,
      hint: `slipway run ${request.image} COMMAND`,
    })
  }
  const layers = image.manifest.layers.map((descriptor, i) => {
    const diffId = image.config.rootfs.diff_ids[i]
    if (diffId === undefined)
      throw new SlipwayError({
        code: 'ERR_CONFIG_INVALID',
        message: `run ${request.image}: fewer DiffIDs than layers`,
      })
    return { descriptor, diffId }
  })
  const ids = await unpackLayers(layers, {
    snapshotter: host.snapshotter,
    content: host.store,
    native: host.native,
    signal: cx.signal,
    limit: limit(host.options.cpus),
  })
  await using active = await host.snapshotter.prepare(ids)
  const sandbox = openSandbox(host, { runtime: request.runtime })
  const { os, architecture, variant } = image.config
  const platform = normalisePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) })
  const running = sandbox.run(
    {
      root: { lower: active.lower, upper: active.upper, work: active.work },
      args,
      env: mergeEnv(config.Env ?? [], [...(request.terminal ? terminalEnv(host) : []), ...request.env]),
      cwd: request.cwd ?? (config.WorkingDir || '/'),
      user: request.user ?? config.User ?? '',
      hostname: 'slipway',
      network: request.network,
      security: 'sandbox',
      mounts: [],
      hosts: [],
    },
    { output: () => undefined, stdio: 'inherit' },
    cx,
  )
  return await running.catch((thrown: unknown) => {
    throw explainForeign(thrown, platform, host.platform)
  })
}

function terminalEnv(host: Host): string[] {
  return [`TERM=${host.options.environment.TERM ?? 'xterm'}`]
}

/** Later assignments of a name win and keep its place. */
function mergeEnv(base: readonly string[], over: readonly string[]): string[] {
  const merged = new Map<string, string>()
  for (const line of [...base, ...over]) merged.set(line.slice(0, line.indexOf('=')), line)
  return [...merged.values()]
}
