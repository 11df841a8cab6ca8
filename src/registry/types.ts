// What the rest of slipway sees of a registry (OCI distribution-spec 1.1).
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { Limit } from '../core/limit.ts'
import type { ImageRef } from '../core/reference.ts'
import type { ContentReader, ImageSink } from '../store/types.ts'

export interface RegistryOptions {
  /** The user's environment: HOME, DOCKER_CONFIG, DOCKER_AUTH_CONFIG, the proxy variables; credential helpers inherit it. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Hosts (`host[:port]`) that may speak plain HTTP or show any certificate. Loopback may always speak HTTP. */
  readonly insecure?: readonly string[]
  /** PEM files whose certificates are trusted besides the built-in ones. */
  readonly caFiles?: readonly string[]
  readonly timeouts?: Partial<Timeouts>
  readonly retry?: Partial<RetryPolicy>
  /** The debug log; gets no credentials. */
  debug?(message: string, fields: Readonly<Record<string, unknown>>): void
}

/** Milliseconds. */
export interface Timeouts {
  /** TCP and TLS together. */
  readonly connectMs: number
  /** From the request to the first byte of the answer; uploads restart it with every chunk. */
  readonly headersMs: number
  /** Silence inside a body. */
  readonly idleMs: number
}

export interface RetryPolicy {
  /** How often one request is tried, the first time included. */
  readonly tries: number
  /** Wait before the second try; doubles each time, ±50 %, at most 20 s. */
  readonly baseMs: number
}

export interface Signal {
  readonly signal?: AbortSignal
}

/** One repository of one registry, as a place to copy images from and to. */
export interface Repository extends ContentReader, ImageSink {
  /** `registry/path`, as in a reference. */
  readonly name: string
  /** What a tag or digest means now, without its content; undefined when it does not exist. */
  head(reference: string, options?: Signal): Promise<Descriptor | undefined>
  /** The manifest or index under a tag or digest with its bytes, which have the descriptor's digest. */
  resolve(
    reference: string,
    options?: Signal,
  ): Promise<{ readonly descriptor: Descriptor; readonly bytes: Buffer }>
}

/** What a repository is opened for. */
export interface Access {
  readonly push?: true
  /** Repositories (`registry/path`) that may hold a blob, asked before it is uploaded. */
  mountFrom?(digest: Digest): Promise<readonly string[]>
}

/** Where images are read by name. */
export interface ImageSource extends Pick<Repository, 'head' | 'resolve' | 'open'> {
  /** The name of a repository of a registry; absent for what is none. */
  readonly name?: string
}

/** A client for all registries; connections, tokens and credentials are shared. Closed by who opened it. */
export interface Registry {
  /** Slots for transfers: all pulls and pushes of this client share them. */
  readonly slots: Limit
  readonly retry: RetryPolicy
  repository(ref: Pick<ImageRef, 'registry' | 'repository'>, access?: Access): Repository
  close(): Promise<void>
}
