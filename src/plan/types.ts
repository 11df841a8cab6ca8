// What a plan is made from and what it says: options, pins, requests for pins, the target. All plain JSON.
import type { Note } from '../core/diagnostic.ts'
import type { Digest } from '../core/digest.ts'
import type { GitReference } from '../core/git-reference.ts'
import type { Platform } from '../core/platform.ts'
import type { SourceFile, Span } from '../core/span.ts'
import type { Graph, NetworkMode, OpRef, Ulimit } from '../graph/op.ts'
import type { ImageConfig, PlannedImage } from '../image/types.ts'

/** `--build-context name=…`: replaces a stage or base image of that name, or is a source for COPY --from. */
export type NamedContext =
  | {
      readonly kind: 'image'
      /** As typed; `scratch` is the empty image. */
      readonly reference: string
    }
  | ContextSource

/** Where the files of a build context are. */
export type ContextSource =
  | {
      /** A directory the local op driver knows under the context's name. */
      readonly kind: 'local'
      /** Lines of its own `.dockerignore`. */
      readonly ignore: readonly string[]
    }
  | MainContext

/** The main context where it is no directory of the caller: no ignore file applies to it. */
export type MainContext = RemoteContext | ArchiveContext

/** An archive in the store, whose files are the context. */
export interface ArchiveContext {
  readonly kind: 'archive'
  readonly digest: Digest
}

/** A build context that is fetched; no ignore file applies to it. */
export type RemoteContext =
  | { readonly kind: 'git'; readonly reference: GitReference }
  | {
      readonly kind: 'http'
      /** As written, credentials and all: not to be shown. */
      readonly url: string
      /** Whether its file is an archive of the context; else it is the context's only file. */
      readonly isArchive: boolean
    }

export interface PlanOptions {
  /** The sources the stages' spans point into; they travel with the graph. */
  readonly files: readonly SourceFile[]
  /** Where RUN steps execute. */
  readonly buildPlatform: Platform
  /** `--platform`. Absent: the build platform, and the image keeps what its base says. */
  readonly targetPlatform?: Platform
  /** Whether the same file is planned for other platforms beside this one: labels and slots then name the platform. */
  readonly isMultiPlatform: boolean
  /** Stage name; absent is the last stage. */
  readonly target?: string
  /** Whether stages that the target does not need are planned too: to be checked. */
  readonly everyStage?: boolean
  /** Whether images without a pin are stood in for by empty ones: only to be looked at. */
  readonly standIns?: boolean
  /** Those of the user's docker configuration (proxies) among them. */
  readonly buildArgs: Readonly<Record<string, string>>
  /** Put on the image after every LABEL instruction. */
  readonly labels: Readonly<Record<string, string>>
  /** For every RUN without a `--network` of its own. */
  readonly network: NetworkMode
  readonly noCache: boolean
  /** Stage names or indexes whose steps run although a record exists. */
  readonly noCacheFilter: readonly string[]
  /** `--add-host`. */
  readonly hosts: readonly { readonly name: string; readonly ip: string }[]
  readonly contexts: Readonly<Record<string, NamedContext>>
  /** Absent: a directory of the caller. */
  readonly mainContext?: MainContext
  /** Lines of the main context's ignore file. */
  readonly ignore: readonly string[]
  /** Where each of them stands: `.dockerignore:3`. */
  readonly ignorePlaces?: readonly string[]
  /** As RFC 3339, the time of every history entry; the build arg SOURCE_DATE_EPOCH wins. */
  readonly epoch?: string
  /** Entitlements granted on the command line. */
  readonly allow: readonly Entitlement[]
  /** For every RUN. */
  readonly ulimits?: readonly Ulimit[]
}

/** What a RUN may only have when the command line grants it. */
export type Entitlement = 'network.host' | 'security.insecure'

/** The options of a plain build of one file for one platform. */
export function defaultPlanOptions(buildPlatform: Platform, files: readonly SourceFile[]): PlanOptions {
  return {
    files,
    buildPlatform,
    isMultiPlatform: false,
    buildArgs: {},
    labels: {},
    network: 'default',
    noCache: false,
    noCacheFilter: [],
    hosts: [],
    contexts: {},
    ignore: [],
    allow: [],
  }
}

/** What something outside of the build has been resolved to. */
export type Pin = ImagePin | HttpPin | GitPin

/** An image name resolved: what FROM or COPY --from stands for in this build. */
export interface ImagePin {
  readonly kind: 'image'
  /** The digest of the single-platform manifest. */
  readonly manifest: Digest
  /** Of the index that lists it, where the name stands for one. */
  readonly index?: Digest
  readonly config: ImageConfig
  readonly layers: number
}

/** What a URL has been found to be. */
export interface HttpPin {
  readonly kind: 'http'
  /** Of the content, which is in the store. */
  readonly digest: Digest
  /** As the answer's Content-Disposition names the file. */
  readonly filename?: string
  /** Last-Modified, seconds since 1970. */
  readonly modified?: number
}

/** What a ref of a git repository has been found to be. */
export interface GitPin {
  readonly kind: 'git'
  readonly commit: string
  /** In full; absent where HEAD names no branch. */
  readonly ref?: string
  /** The object of an annotated tag. */
  readonly tag?: string
  /** Whether it is made up. */
  readonly isStandIn?: true
}

/** By `pinKey`. Together they are the lock file of a build. */
export type Pins = Readonly<Record<string, Pin>>

export type PinRequest = ImageRequest | HttpRequest | GitRequest

/** Asks for the content of a URL. */
export interface HttpRequest {
  readonly kind: 'http'
  /** As written, credentials and all: not to be shown. */
  readonly url: string
  /** Where it is asked for first; absent: on the command line. */
  readonly span?: Span
}

/** Asks what a ref of a git repository names. */
export interface GitRequest {
  readonly kind: 'git'
  /** As written, credentials and all: not to be shown. */
  readonly remote: string
  /** Absent: the default branch. */
  readonly ref?: string
  readonly span?: Span
}

export interface ImageRequest {
  readonly kind: 'image'
  /** The full reference (`docker.io/library/debian:12`). */
  readonly reference: string
  readonly platform: Platform
  /** Where it is asked for first. */
  readonly span: Span
  /** What was perhaps meant, to tell the user should the image not exist: a stage or build context of nearly that name. */
  readonly meant?: { readonly name: string; readonly hint: string; readonly notes: readonly Note[] }
}

/** The image to make of a graph's root; the empty file system when `root` is null. */
export interface Target extends PlannedImage {
  readonly root: OpRef | null
  /** SOURCE_DATE_EPOCH as RFC 3339, when the build has one: the time of the image. */
  readonly epoch?: string
}

export interface Ready {
  readonly kind: 'ready'
  readonly graph: Graph
  readonly target: Target
}

/** Either a whole plan, or the pins without which it cannot go on. */
export type Planned = Ready | { readonly kind: 'needs'; readonly pins: readonly PinRequest[] }
