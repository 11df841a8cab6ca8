// The op kinds of a build graph. Words and identity rules follow BuildKit's LLB: an op is a pinned,
// serialisable value whose digest is its identity; what must not change identity lives in OpNote.
import type { Digest } from '../core/digest.ts'
import type { Platform } from '../core/platform.ts'
import type { SourceFile, Span } from '../core/span.ts'

/** The digest of an op's canonical JSON. */
export type OpRef = Digest

/** The layers of a registry or store image; the manifest digest is resolved before planning. */
export interface ImageOp {
  readonly kind: 'image'
  readonly inputs: readonly []
  readonly manifest: Digest
  readonly platform: Platform
}

/** A directory of the caller (`context`, or a named context). Never cached: only what is read from it counts. */
export interface LocalOp {
  readonly kind: 'local'
  readonly inputs: readonly []
  readonly name: string
  /** `.dockerignore` lines as parsed, in order; they decide which files exist. */
  readonly ignore: readonly string[]
}

/** A file of the web, known by its content: alone in a directory, mode 0600. Where it can be had stands in the note; if nowhere, it is in the store. */
export interface HttpOp {
  readonly kind: 'http'
  readonly inputs: readonly []
  /** `sha256:…`, `sha384:…` or `sha512:…`. */
  readonly checksum: string
  readonly filename: string
  /** The files of the archive that it is in place of itself. What is no archive stays as it is. */
  readonly unpack?: true
  /** The file's time, seconds since 1970; absent: what its server says whenever it is fetched. */
  readonly modified?: number
}

/** The files of a git commit. Where it can be had stands in the note: commits are the same everywhere. */
export interface GitOp {
  readonly kind: 'git'
  readonly inputs: readonly []
  /** 40 or 64 hex digits. */
  readonly commit: string
  /** Clean; empty for the whole tree. */
  readonly subdir: string
  readonly submodules: boolean
  /** The files' times: those of the checkout, or the commit's. */
  readonly mtime: 'checkout' | 'commit'
  /** What the `.git` that stays is made of; absent: there is none. */
  readonly gitDir?: { readonly remote: string; readonly ref?: string; readonly tag?: string }
}

export type NetworkMode = 'default' | 'host' | 'none'

/** A process run on a root file system; the result is that file system with the process's changes. */
export interface ExecOp {
  readonly kind: 'exec'
  readonly inputs: readonly OpRef[]
  /** Index into `inputs` of the root file system, or null for an empty one. */
  readonly root: number | null
  readonly args: readonly string[]
  /** `NAME=value`, complete: the process sees these, `OpNote.unkeyed.env` and HOME, nothing else. */
  readonly env: readonly string[]
  readonly cwd: string
  /** `user[:group]` as USER wrote it, looked up inside the root; empty is root. */
  readonly user: string
  readonly network: NetworkMode
  readonly security: 'sandbox' | 'insecure'
  readonly hostname: string
  readonly mounts: readonly ExecMount[]
  /** `--ulimit`; absent when there is none. */
  readonly ulimits?: readonly Ulimit[]
}

/** A resource limit in docker's words; -1 is none. */
export interface Ulimit {
  readonly name: UlimitName
  readonly soft: number
  readonly hard: number
}

export type UlimitName = (typeof ulimitNames)[number]

/** What docker has names for. */
export const ulimitNames = [
  ...(['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc'] as const),
  ...(['rss', 'rtprio', 'rttime', 'sigpending', 'stack'] as const),
] as const

/**
 * What a process finds at a path of its root without it being part of the result. Targets are absolute and clean,
 * no two mounts of an op have the same; they are sorted, so that mounting them in order hides none. Sources are absolute paths inside the file system of an input.
 */
export type ExecMount =
  /** A small read-only file (a heredoc script). */
  | {
      readonly kind: 'file'
      readonly target: string
      readonly mode: number
      readonly content: string
    }
  /** A file or directory of an input. What the process writes there is thrown away. */
  | {
      readonly kind: 'bind'
      readonly target: string
      /** Index into `inputs`. */
      readonly input: number
      readonly source: string
      readonly readonly: boolean
    }
  /** A directory that outlives the build, found again by `id`. */
  | {
      readonly kind: 'cache'
      readonly target: string
      /** With its namespace: `<BUILDKIT_CACHE_MOUNT_NS>/<id>`. */
      readonly id: string
      /** What a second process at the same time gets: the same directory, another one, or the same one later. */
      readonly sharing: 'shared' | 'private' | 'locked'
      /** What a new directory starts as: files of an input, or empty. An owner that is absent is the process's user. */
      readonly start:
        | { readonly input: number; readonly source: string }
        | { readonly mode: number; readonly uid?: number; readonly gid?: number }
      readonly readonly: boolean
    }
  | {
      readonly kind: 'tmpfs'
      readonly target: string
      readonly sizeBytes?: number
      readonly readonly: boolean
    }
  /** A secret by name, never by value; at least one of `target` and `env` is there. */
  | {
      readonly kind: 'secret'
      readonly id: string
      readonly target?: string
      readonly env?: string
      /** Whether the process must not run without it. */
      readonly required: boolean
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }
  /** A socket that answers as the caller's SSH agent. */
  | {
      readonly kind: 'ssh'
      readonly id: string
      readonly target: string
      readonly required: boolean
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }

/** The indexes into `inputs` that an op's mounts name. */
export function mountInputs(mounts: readonly ExecMount[]): number[] {
  return mounts.flatMap((mount) => {
    if (mount.kind === 'bind') return [mount.input]
    return mount.kind === 'cache' && 'input' in mount.start ? [mount.start.input] : []
  })
}

/** File changes on top of `base`; the result is base plus one layer. */
export interface FileOp {
  readonly kind: 'file'
  readonly inputs: readonly OpRef[]
  readonly base: number | null
  readonly actions: readonly FileAction[]
  /** SOURCE_DATE_EPOCH as RFC 3339: the time of what the actions make new. Without it that is when they run. */
  readonly epoch?: string
}

/** `name`, `name:name`, `1000`, `1000:1000`; names are looked up in the base's /etc/passwd and /etc/group. */
export type Owner = string

export type FileAction =
  | {
      /** WORKDIR: the directory and its missing parents. Existing directories keep their metadata. */
      readonly kind: 'mkdir'
      readonly path: string
      readonly mode: number
      readonly owner?: Owner
    }
  | {
      readonly kind: 'mkfile'
      /** Absolute; a trailing `/` never occurs here. Missing parents are made (`parentMode` or 0755, `owner`). */
      readonly path: string
      /** The file's name inside `path`, should that exist as a directory (`COPY <<EOF /etc`). */
      readonly name?: string
      readonly mode: number
      readonly parentMode?: number
      readonly owner?: Owner
      readonly content: string
    }
  | {
      readonly kind: 'copy'
      /** Index into `inputs`. */
      readonly from: number
      /** Patterns relative to the source root, expanded and cleaned; `.` is the root itself. */
      readonly sources: readonly string[]
      /** Absolute. With a trailing `/` it is a directory; without, it is one if several files are copied or it exists as one. */
      readonly destination: string
      readonly owner?: Owner
      /** Octal (`755`) or symbolic (`u=rwX,go=rX`). */
      readonly mode?: string
      readonly exclude: readonly string[]
      readonly parents: boolean
      /** ADD: extract a source file that is an archive. */
      readonly unpack: boolean
      /** Only for messages: `COPY` or `ADD`. */
      readonly instruction: string
    }

/** The layers of all inputs on top of each other (COPY --link). */
export interface MergeOp {
  readonly kind: 'merge'
  readonly inputs: readonly OpRef[]
}

export type Op = ImageOp | LocalOp | HttpOp | GitOp | ExecOp | FileOp | MergeOp
export type OpOf<K extends Op['kind']> = Extract<Op, { kind: K }>

/** Where a step stands, stable while its text changes: finds the previous key of the same step. */
export interface Slot {
  /** Stage name or index. */
  readonly stage: string
  readonly ordinal: number
}

/** What must not change an op's identity. */
export interface OpNote {
  readonly slot: Slot
  /** BuildKit's `[stage 2/5]` or `[internal]`. */
  readonly label: string
  /** The instruction as written on one line: `RUN apt-get update`. */
  readonly title: string
  readonly span?: Span
  /** `--no-cache`: run although a record exists. */
  readonly force?: true
  /** For an exec op: what its programs are made for, where that is not the machine that builds. */
  readonly platform?: Platform
  /** `NAME=value` of the ARGs that the step may have its values from, of an image its variables: what explanations call them by. */
  readonly args?: readonly string[]
  /** For an image op: the reference it was asked by, and the index that stands for. */
  readonly reference?: string
  readonly index?: Digest
  /** Where the content of an http or git op can be had: as written, credentials and all; `ref` is where the commit was found. */
  readonly remote?: { readonly url: string; readonly ref?: string; readonly fetchByCommit?: true }
  /** Reaches the process without being part of its key (proxies, --add-host). */
  readonly unkeyed?: {
    readonly env?: readonly string[]
    readonly hosts?: readonly { readonly name: string; readonly ip: string }[]
  }
}

/** A fully pinned build: survives JSON, needs nothing else to be solved. */
export interface Graph {
  readonly version: 1
  readonly ops: Readonly<Record<OpRef, Op>>
  readonly notes: Readonly<Record<OpRef, OpNote>>
  readonly files: readonly SourceFile[]
}
