// What decides whether builds work on this machine, as plain values. Gathering them is gather.ts's business, what they
// mean verdict.ts's.

export interface Facts {
  /** `6.1.0-18-amd64`. */
  readonly kernel: string
  readonly caller: {
    readonly uid: number
    /** As /etc/passwd has it; the number where it does not. */
    readonly name: string
    /** May mount without any user namespace. */
    readonly isRoot: boolean
    /** Set-uid programs like newuidmap have no effect. */
    readonly noNewPrivileges: boolean
  }
  /** Which kind of container this runs in, if it shows. */
  readonly container?: string
  /** By name; undefined where the kernel does not have it. */
  readonly sysctls: Readonly<Record<SysctlName, number | undefined>>
  /** What the launcher met: `ok`, why it failed, or undefined where there was no need to enter anything. */
  readonly namespace: string | undefined
  /** How many users and groups there are in this process's namespace. */
  readonly ids: { readonly users: number; readonly groups: number }
  readonly subordinate: {
    /** Ids that the files grant the caller. */
    readonly users: number
    readonly groups: number
    /** The first id that no line of the files grants anybody. */
    readonly free: number
    readonly newuidmap: Program
    readonly newgidmap: Program
  }
  /** The state directory. */
  readonly state: string
  /** How a trial container ended there (undefined is well), and whether steps get copies there. Absent when it was not tried. */
  readonly trial?: { readonly failure: string | undefined; readonly copies: boolean }
  readonly cgroups: 'delegated' | 'not delegated' | 'version 1' | 'none'
  /** What gives RUN a network of its own: a program's name, or why there is none. */
  readonly network: { readonly program: string } | { readonly lacks: string }
}

export const sysctlNames = [
  'user.max_user_namespaces',
  'kernel.unprivileged_userns_clone',
  'kernel.apparmor_restrict_unprivileged_userns',
] as const
export type SysctlName = (typeof sysctlNames)[number]

/** `powerless`: there, but neither set-uid nor with capabilities. */
export type Program = 'ready' | 'powerless' | 'missing'
