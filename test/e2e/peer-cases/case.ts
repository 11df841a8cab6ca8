// What a comparison with another builder is made of; the cases are in the files beside this one.

/** One build; all builders see the very same files. `base` is busybox with the accounts root, daemon, app (also in extra). */
export interface PeerCase {
  readonly dockerfile: string
  readonly files?: Readonly<Record<string, string | Buffer>>
  /** A shell script that runs in the context before the builds. */
  readonly prepare?: string
  /** Flags of `docker build` and `slipway build`. */
  readonly args?: readonly string[]
  /** Files on which newer BuildKit and slipway agree against dockerd 20.10; each use says how. Left out of the comparison with that one. */
  readonly apart?: RegExp
  /** Files on which slipway differs from the newest BuildKit on purpose; each use says why. Left out of the comparison with that one. */
  readonly differs?: RegExp
  /** Directories whose times are not compared: BuildKit may give one the time at which it received or made what is in it. */
  readonly received?: RegExp
  /** Images the build can name, made by slipway and given to the peer: Dockerfiles by reference. */
  readonly images?: Readonly<Record<string, string>>
}

export type PeerCases = Readonly<Record<string, PeerCase>>

/** Cases with one subject. */
export interface PeerGroup {
  readonly cases: PeerCases
  /** Whether the file trees that `-o type=tar` writes are compared, too. */
  readonly hasTrees?: true
  /** Whether every builder must refuse: nothing is kept. */
  readonly isRefused?: true
  /** Whether dockerd 20.10 is too old for the syntax. */
  readonly isNewer?: true
  /** Whether only dockerd is asked: a buildkitd gets the base as a named context, which goes before stages of its name. */
  readonly isOlder?: true
  /** Whether what comes out depends on the machine (its kernel, its programs): no results are kept of such cases. */
  readonly isLocal?: true
}

/** A directory that got the whole context: BuildKit, which is sent no time of the context's root, gives it the transfer's. */
export function contextRoot(path: string): RegExp {
  return new RegExp(`^${path}$`)
}
