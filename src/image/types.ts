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

/** Every member of a ContainerConfig, in the order docker and BuildKit write them. */
export const containerMembers = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
  'Healthcheck',
  'OnBuild',
  'Shell',
] as const satisfies readonly (keyof ContainerConfig)[]

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

/** One instruction's history entry before the build: times are added when the image is assembled. */
export interface PlannedHistory {
  readonly created_by: string
  readonly comment?: string
  /** RFC 3339; only with a pinned epoch, else assembling fills it in. */
  readonly created?: string
  readonly author?: string
  /** Whether the instruction made a layer: the n-th `true` owns the n-th layer above the base image's. */
  readonly layer: boolean
}

/** What a plan knows of the image it builds: everything but the new layers. */
export interface PlannedImage {
  /** How many layers at the bottom of the result belong to the base image; equals `config.rootfs.diff_ids.length`. */
  readonly baseLayers: number
  /** The base image's config with the instructions applied: its diff ids kept, without `created` and `history`. */
  readonly config: ImageConfig
  /** The base image's history as it came; it may name fewer or more layers than `baseLayers`. */
  readonly baseHistory: readonly History[]
  /** New entries in order. The `layer` ones are as many as the layers above the base image's. */
  readonly history: readonly PlannedHistory[]
}
