// What a build container is (terms of the OCI runtime-spec), independent of what starts it.
import type { Context } from '../core/context.ts'
import type { Resources, Usage } from './resources.ts'

export interface RootFs {
  /** Layer directories, bottom first; empty for scratch. */
  readonly lower: readonly string[]
  readonly upper: string
  readonly work: string
}

export type Mount =
  | { readonly kind: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | {
      readonly kind: 'tmpfs'
      readonly target: string
      readonly sizeBytes?: number
      /** Absent: that of the directory it is mounted on; 1777 where there is none. */
      readonly mode?: number
      readonly readOnly?: boolean
    }
  /** A file or directory of a file system made of layers. What is written there is thrown away; the layers stay as they are. */
  | {
      readonly kind: 'layers'
      /** Layer directories, bottom first. */
      readonly lower: readonly string[]
      /** A path in them; links on the way lead to nowhere outside. */
      readonly source: string
      readonly target: string
      readonly readOnly: boolean
    }
  /** A small file on a private tmpfs, bound read-only. */
  | {
      readonly kind: 'file'
      readonly target: string
      readonly content: string | Uint8Array
      readonly mode: number
      readonly uid?: number
      readonly gid?: number
    }

/** A resource limit of the process; -1 is none. */
export interface Rlimit {
  /** As `docker --ulimit` names it: `nofile` for RLIMIT_NOFILE. */
  readonly name: RlimitName
  readonly soft: number
  readonly hard: number
}

export type RlimitName =
  | 'core'
  | 'cpu'
  | 'data'
  | 'fsize'
  | 'locks'
  | 'memlock'
  | 'msgqueue'
  | 'nice'
  | 'nofile'
  | 'nproc'
  | 'rss'
  | 'rtprio'
  | 'rttime'
  | 'sigpending'
  | 'stack'

export interface NetworkNamespace {
  /** The namespace's file (runtime-spec, linux.namespaces). */
  readonly path: string
  /** A resolv.conf of the namespace's own, used as it is where it exists. */
  readonly resolvConf?: string
  /** Servers that answer in it when the host's are on the host's loopback; public ones if absent. */
  readonly nameservers?: readonly string[]
}

export interface ProcessSpec {
  readonly root: RootFs
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  /** `user[:group]`, names or numbers; looked up inside the root. Empty: 0:0. */
  readonly user: string
  readonly hostname: string
  readonly network: 'default' | 'host' | 'none'
  /** What `default` means; absent, the host's network. */
  readonly networkNamespace?: NetworkNamespace
  readonly security: 'sandbox' | 'insecure'
  readonly mounts: readonly Mount[]
  /** Extra lines for /etc/hosts. */
  readonly hosts: readonly { readonly name: string; readonly ip: string }[]
  readonly shmSizeBytes?: number
  /** In the place of the limits that every process has (rlimits.ts). */
  readonly rlimits?: readonly Rlimit[]
  /** Limits for all its processes together. */
  readonly resources?: Resources
  /** The cgroup, as a path from the root of every hierarchy, below which it gets one of its own. */
  readonly cgroupParent?: string
}

export interface ProcessIo {
  /** Bytes as the process wrote them, in order per stream. */
  output(stream: 'stdout' | 'stderr', chunk: Buffer): void
  /** Asked after every output; nothing more is read of that stream until what it answers resolves, so that a fast process waits for a slow reader. */
  drained?(): Promise<void> | undefined
  /** `inherit` gives the process the caller's stdin, stdout and stderr (slipway run); `output` is then not called. */
  readonly stdio?: 'pipe' | 'inherit'
}

/** How the process ended. `code` is 128+signal when a signal ended it, as a shell says it. */
export interface Exit {
  readonly code: number
  readonly signal?: number
  /** What everything it ran used; absent where the sandbox cannot tell. */
  readonly usage?: Usage
  /** The kernel killed a process of it because memory was limited. */
  readonly outOfMemory?: true
}

export interface Sandbox {
  /** Resolves with any exit; throws SlipwayError when the process could not be started (ERR_SANDBOX_*). Nothing of it is left running or mounted afterwards. */
  run(spec: ProcessSpec, io: ProcessIo, cx: Context): Promise<Exit>
}
