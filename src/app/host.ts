// What slipway has on this machine for one command: its state directory, native parts and network, opened once
// and handed to each folder as the narrowest interface it needs.
import { realpathSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from '../core/context.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { type Platform, platformOfHost } from '../core/platform.ts'
import type { GitFetcher } from '../fetch/git.ts'
import type { HttpFetcher } from '../fetch/http.ts'
import type { Exchange } from '../registry/exchange.ts'
import type { Registry, RegistryOptions } from '../registry/types.ts'
import { type OverlaySnapshotter, openOverlaySnapshotter } from '../snapshot/overlay-snapshotter.ts'
import { hintWriter } from '../store/hints.ts'
import { layoutPaths } from '../store/layout-paths.ts'
import { openContentStore } from '../store/layout-store.ts'
import { openLease, type Pin } from '../store/leases.ts'
import type { ContentReader, ContentStore } from '../store/types.ts'
import { makeDirectories } from '../sys/make-directories.ts'
import { type Native, openNative } from '../sys/native.ts'
import { openSecrets, type SecretSource, type Secrets } from './secrets.ts'
import { type AgentSource, openAgents, type SshAgents } from './ssh-agents.ts'

export interface HostOptions {
  /** The state directory; made when missing. */
  readonly root: string
  /** Directory of the native parts. */
  readonly dist: string
  /** In place of them. */
  readonly native?: Native
  readonly extraCaFile?: string
  /** Proxies, docker's configuration, credential helpers. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** `--secret`. */
  readonly secrets?: readonly SecretSource[]
  /** `--ssh`. */
  readonly agents?: readonly AgentSource[]
  /** Directories of OCI layouts by the references of images in them. */
  readonly layouts?: Readonly<Record<string, string>>
  /** Nothing is written, not even what dead commands left removed: for commands that only look. */
  readonly readOnly?: boolean
  /** Differs for each build of slipway that may plan otherwise. Absent: no plans are remembered. */
  readonly program?: string
  readonly cpus: number
  /** As Node names them. */
  readonly os: string
  readonly architecture: string
}

export interface Host {
  readonly options: HostOptions
  /** `storeDirectory`, without links in the path: files in it are opened by the helper, which follows none. */
  readonly directory: string
  readonly platform: Platform
  readonly native: Native
  readonly store: ContentStore
  readonly snapshotter: OverlaySnapshotter
  /** Keeps snapshots and blobs from being collected while this is open; what is looked for in `store` and `snapshotter` is pinned by them. */
  readonly pin: Pin
  readonly secrets: Secrets
  readonly agents: SshAgents
  /** The registry client; made when it is first asked for, because most commands never need it. */
  registry(): Promise<Registry>
  /** A client that lets this registry (`host[:port]`) speak plain HTTP and show any certificate. */
  insecureRegistry(name: string): Promise<Registry>
  /** Where layers can be read that are in no registry's image, by `LayerRef.source`. */
  readonly blobSources: Map<string, ContentReader>
  /** Plain requests, with this machine's proxies and certificates. */
  exchange(): Promise<Exchange>
  /** The client for files of the web, likewise. */
  http(): Promise<HttpFetcher>
  /** What fetches git repositories, likewise. */
  git(): Promise<GitFetcher>
  [Symbol.asyncDispose](): Promise<void>
}

/** Where the store of a state directory is, which this version of its format keeps apart from others. */
export function storeDirectory(root: string): string {
  return join(root, 'store-v1')
}

/** Opens the state directory. Nothing of it is locked: any number of processes may share it. */
export async function openHost(options: HostOptions, cx: Context): Promise<Host> {
  makeStateDirectory(options.root)
  const native = options.native ?? openNative(options.dist)
  const top = storeDirectory(options.root)
  const lease = openLease(layoutPaths(top), native)
  const readOnly = options.readOnly ?? false
  const { pin } = lease
  const sharing = readOnly ? { readOnly } : { pin }
  const store = await openContentStore(top, native, sharing)
  const directory = realpathSync.native(top)
  let registry: Promise<Registry> | undefined
  const insecure = new Map<string, Promise<Registry>>()
  let http: Promise<HttpFetcher> | undefined
  let git: Promise<GitFetcher> | undefined
  let exchange: Exchange | undefined
  const secrets = openSecrets(options.secrets ?? [], options.environment)
  const secret = secrets.read
  const agents = openAgents(options.agents ?? [], native)
  const network: RegistryOptions = {
    environment: options.environment,
    caFiles: options.extraCaFile === undefined ? [] : [options.extraCaFile],
    debug: cx.debug,
  }
  const copies = copiesSnapshots(directory, options.environment)
  const snapshotter = await openOverlaySnapshotter(directory, native, { ...sharing, copies })
  return {
    options,
    directory,
    platform: platformOfHost(options.os, options.architecture),
    native,
    store,
    snapshotter,
    pin,
    secrets,
    agents,
    registry() {
      registry ??= import('../registry/registry.ts').then(({ openRegistry }) => openRegistry(network))
      return registry
    },
    blobSources: new Map(),
    exchange: openShared,
    insecureRegistry(name) {
      const opened =
        insecure.get(name) ??
        import('../registry/registry.ts').then(({ openRegistry }) =>
          openRegistry({ ...network, insecure: [name] }),
        )
      insecure.set(name, opened)
      return opened
    },
    http() {
      http ??= openHttp()
      return http
    },
    git() {
      git ??= openGit()
      return git
    },
    async [Symbol.asyncDispose]() {
      // Whoever asked for a client that could not be opened has had the failure.
      for (const client of [registry, ...insecure.values()]) {
        const opened = await client?.catch(() => undefined)
        await opened?.close()
      }
      await exchange?.close()
      await agents[Symbol.asyncDispose]()
      await snapshotter[Symbol.asyncDispose]()
      await lease[Symbol.asyncDispose]()
    },
  }

  async function openHttp(): Promise<HttpFetcher> {
    const [shared, { openHttpFetcher }] = await Promise.all([openShared(), import('../fetch/http.ts')])
    const records = { directory: join(directory, 'http'), writeHint: hintWriter(directory, native) }
    return openHttpFetcher({ exchange: shared, store, secret, ...records })
  }

  async function openShared(): Promise<Exchange> {
    const { openExchange } = await import('../registry/exchange.ts')
    exchange ??= openExchange(network)
    return exchange
  }

  async function openGit(): Promise<GitFetcher> {
    const { openGitFetcher } = await import('../fetch/git.ts')
    const { environment, extraCaFile } = options
    const agentSocket = await agents.socket('default')
    const repositories = join(directory, 'git')
    makeStateDirectory(repositories)
    return openGitFetcher({
      native,
      secret,
      environment,
      directory: repositories,
      ...(extraCaFile === undefined ? {} : { extraCaFile }),
      ...(agentSocket === undefined ? {} : { agentSocket }),
    })
  }
}

/** File systems on which overlayfs keeps no upper directory: itself, NFS, FUSE, 9p, by their numbers (statfs(2)). */
const withoutOverlay = [0x794c7630, 0x6969, 0x65735546, 0x01021997]

/** Whether steps get copies of their root file systems; SLIPWAY_SNAPSHOTTER=copy or overlay decides it, too. */
export function copiesSnapshots(directory: string, environment: HostOptions['environment']): boolean {
  const asked = environment.SLIPWAY_SNAPSHOTTER || undefined
  if (asked === undefined) return withoutOverlay.includes(statfsSync(directory).type)
  if (asked === 'copy' || asked === 'overlay') return asked === 'copy'
  throw new SlipwayError({
    code: 'ERR_ENVIRONMENT',
    message: `SLIPWAY_SNAPSHOTTER: ${JSON.stringify(asked)} is neither copy nor overlay`,
  })
}

/** A host that is opened by who first needs it, and closed with this. */
export interface HostSlot extends AsyncDisposable {
  open(): Promise<Host>
}

/** The slot for a host with these options. */
export function hostSlot(options: HostOptions, cx: Context): HostSlot {
  let opened: Promise<Host> | undefined
  return {
    open() {
      opened ??= openHost(options, cx)
      return opened
    },
    async [Symbol.asyncDispose]() {
      // A host that could not be opened has failed its user.
      const host = await opened?.catch(() => undefined)
      await host?.[Symbol.asyncDispose]()
    },
  }
}

/** Makes a directory of the user's choice and its parents, mode 0700. Throws ERR_DIRECTORY. */
export function makeStateDirectory(path: string): void {
  try {
    makeDirectories(path, 0o700)
  } catch (cause) {
    const errno = errnoOf(cause)
    const reasons: Readonly<Record<string, string>> = {
      EACCES: 'permission denied',
      EROFS: 'the file system is read-only',
      ENOTDIR: 'a part of the path is not a directory',
      ENOENT: 'the file system does not allow it',
      ENOSPC: 'no space left on device',
    }
    throw new SlipwayError({
      code: 'ERR_DIRECTORY',
      message: `make directory ${path}: ${reasons[errno ?? ''] ?? errno ?? String(cause)}`,
      hint: 'choose another place with SLIPWAY_ROOT',
      cause,
    })
  }
}
