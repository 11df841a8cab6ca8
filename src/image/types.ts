// OCI image values as plain JSON (image-spec: manifest.md, image-index.md, config.md), with docker's
// additions to the config (Healthcheck, OnBuild, Shell) that every builder writes.
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'

export interface Manifest {
  readonly schemaVersion: 2
  readonly mediaType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Index {
  readonly schemaVersion: 2
  readonly mediaType?: string
  readonly manifests: readonly Descriptor[]
  readonly annotations?: Readonly<Record<string, string>>
}

export interface History {
  readonly created?: string
  readonly created_by?: string
  readonly author?: string
  readonly comment?: string
  readonly empty_layer?: boolean
}

export interface Healthcheck {
  readonly Test?: readonly string[]
  /** Nanoseconds. */
  readonly Interval?: number
  readonly Timeout?: number
  readonly StartPeriod?: number
  readonly StartInterval?: number
  readonly Retries?: number
}

/** The `config` member: how a container of this image is started. */
export interface ContainerConfig {
  readonly User?: string
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[] | null
  readonly Cmd?: readonly string[] | null
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>
  readonly WorkingDir?: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly StopSignal?: string
  readonly Healthcheck?: Healthcheck
  readonly OnBuild?: readonly string[] | null
  readonly Shell?: readonly string[]
  readonly ArgsEscaped?: boolean
}

/** The image config; members slipway does not know are kept as they came from the base. */
export interface ImageConfig {
  readonly created?: string
  readonly author?: string
  readonly architecture: string
  readonly os: string
  readonly variant?: string
  readonly config?: ContainerConfig
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] }
  readonly history?: readonly History[]
  readonly [unknown: string]: unknown
}

/** One layer of a finished image: its uncompressed identity and where its bytes are. */
export interface ImageLayer {
  readonly diffId: Digest
  /** As stored: a base layer keeps its registry form, a built one is a plain tar. */
  readonly descriptor: Descriptor
  /** RFC 3339; when the step that made it ended. Base layers have none. */
  readonly created?: string
}

/** A finished single-platform image before it is written anywhere. */
export interface Image {
  readonly config: ImageConfig
  readonly layers: readonly ImageLayer[]
}
