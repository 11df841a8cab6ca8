// What a comparison with another builder is made of; the cases are in the files beside this one.

/** One build; both builders see the very same files. `base` is busybox with the accounts root, daemon, app (also in extra). */
export interface PeerCase {
  readonly dockerfile: string
  readonly files?: Readonly<Record<string, string>>
  /** A shell script that runs in the context before the builds. */
  readonly prepare?: string
  readonly args?: readonly string[]
  /** Files on which newer BuildKit and slipway agree against dockerd 20.10; each use says how. Left out of the comparison. */
  readonly apart?: RegExp
  /** Images the build can name, made by slipway and loaded into the peer: Dockerfiles by reference. */
  readonly images?: Readonly<Record<string, string>>
}

export type PeerCases = Readonly<Record<string, PeerCase>>
