// The typed tree of a Dockerfile: one variant per instruction, each part with the span it was written at.
// Words keep their raw text; variables are expanded by the plan, which knows the environment.
import type { Span } from '../core/span.ts'

/**
 * Raw text as written, quotes and `$` intact, continuations and comments already taken out. A word of a JSON
 * array is the decoded string, a flag's value has its quotes and escapes removed (as BuildKit does): both are
 * expanded like any other word.
 */
export interface Word {
  readonly text: string
  readonly span: Span
}

/** `--name` or `--name=value` before an instruction's arguments. */
export interface Flag {
  readonly name: string
  readonly value?: Word
  readonly span: Span
}

/** A here-document: `<<EOF`, `<<-"EOF"`, `3<<EOF`. */
export interface Heredoc {
  readonly name: string
  /** Whether variables in the body are expanded (no quotes in the delimiter). */
  readonly expand: boolean
  /** `<<-`: leading tabs are already removed from `content`. */
  readonly chomp: boolean
  readonly fileDescriptor?: number
  /** Whole lines with their line ends as in the file (CRLF stays). */
  readonly content: string
  /** `content` with the tabs that `<<-` takes away, when there are any: for the shell, and for configs, which get the whole text. */
  readonly raw?: string
  readonly span: Span
  readonly contentSpan: Span
}

/** The argument of RUN, CMD, ENTRYPOINT, HEALTHCHECK CMD and SHELL. */
export type Command =
  | { readonly form: 'exec'; readonly args: readonly string[]; readonly span: Span }
  | { readonly form: 'shell'; readonly text: string; readonly span: Span }

interface Common {
  /** The whole instruction including flags and here-documents. */
  readonly span: Span
  /** The instruction's name as written (`run`). */
  readonly keyword: Word
  readonly flags: readonly Flag[]
  /** Logical text after the name as history shows it: continuations joined, blanks trimmed. */
  readonly original: string
  /** The lines of the comment block above, without `#`; an empty `#` line starts a new block. */
  readonly comments?: readonly string[]
  /** Blank lines between the continued lines of this instruction. */
  readonly emptyContinuations?: readonly Span[]
  /** Names of instructions that begin a continued line, each with the escape character that continues into it. */
  readonly swallowed?: readonly { readonly name: Word; readonly joint: Span }[]
}

export interface From extends Common {
  readonly kind: 'FROM'
  readonly image: Word
  /** The stage's name as written. */
  readonly as?: Word
  /** The `AS` between image and name, as written. */
  readonly asKeyword?: Word
  readonly platform?: Word
  /** A comment block directly above that starts with the stage's name (`--call=targets`). */
  readonly description?: string
  /** Only where a mistake was reported: a stage begins here, and nothing is known of its base. */
  readonly unread?: UnreadFrom
}
/** What can be told of a stage whose FROM is wrong or missing. */
export interface UnreadFrom {
  /** Whether there is no FROM at all before the stage's first instruction. */
  readonly isMissing: boolean
  /** Lower-case words that may be the stage's name. */
  readonly names: readonly string[]
}
export interface KeyValue {
  readonly key: Word
  readonly value: Word
  readonly span: Span
}
export interface Arg extends Common {
  readonly kind: 'ARG'
  readonly pairs: readonly {
    readonly key: Word
    readonly value?: Word
    readonly span: Span
    readonly description?: string
  }[]
}
export interface Env extends Common {
  readonly kind: 'ENV'
  readonly pairs: readonly KeyValue[]
  /** `ENV key value` with a blank instead of `=`. */
  readonly legacy: boolean
}
export interface Label extends Common {
  readonly kind: 'LABEL'
  readonly pairs: readonly KeyValue[]
  readonly legacy: boolean
}
/** One comma-separated field of `RUN --mount=`. */
export interface MountField {
  /** As written; its case means nothing. */
  readonly key: Word
  /** Behind the first `=`; absent for a bare `ro`. */
  readonly value?: Word
  readonly span: Span
}
/** One `--mount=` as written. What its fields mean shows when variables have values: `readMount`. */
export interface MountFlag {
  readonly fields: readonly MountField[]
  /** The whole flag. */
  readonly span: Span
}
/** One `--device=`: a CDI device and whether the step may run without it. */
export interface Device {
  readonly name: Word
  readonly required: boolean
  /** The whole flag. */
  readonly span: Span
}
export interface Run extends Common {
  readonly kind: 'RUN'
  readonly command: Command
  readonly heredocs: readonly Heredoc[]
  readonly mounts: readonly MountFlag[]
  readonly network?: Word
  readonly security?: Word
  readonly devices: readonly Device[]
}
export type Source =
  | { readonly kind: 'path'; readonly word: Word }
  | { readonly kind: 'heredoc'; readonly heredoc: Heredoc }
interface Transfer extends Common {
  readonly sources: readonly Source[]
  readonly destination: Word
  readonly chown?: Word
  readonly chmod?: Word
  readonly link: boolean
  readonly parents: boolean
  readonly exclude: readonly Word[]
}
export interface Copy extends Transfer {
  readonly kind: 'COPY'
  readonly from?: Word
}
export interface Add extends Transfer {
  readonly kind: 'ADD'
  readonly checksum?: Word
  readonly keepGitDir?: boolean
  readonly unpack?: boolean
}
/** The three words that take the rest of the line: blanks and quotes inside are theirs. */
export interface Workdir extends Common {
  readonly kind: 'WORKDIR'
  readonly path: Word
}
export interface User extends Common {
  readonly kind: 'USER'
  readonly user: Word
}
export interface Expose extends Common {
  readonly kind: 'EXPOSE'
  readonly ports: readonly Word[]
}
export interface Volume extends Common {
  readonly kind: 'VOLUME'
  readonly paths: readonly Word[]
}
export interface Stopsignal extends Common {
  readonly kind: 'STOPSIGNAL'
  readonly signal: Word
}
export interface Cmd extends Common {
  readonly kind: 'CMD'
  readonly command: Command
}
export interface Entrypoint extends Common {
  readonly kind: 'ENTRYPOINT'
  readonly command: Command
}
export interface Shell extends Common {
  readonly kind: 'SHELL'
  readonly args: readonly string[]
}
export interface Healthcheck extends Common {
  readonly kind: 'HEALTHCHECK'
  /** Absent for `HEALTHCHECK NONE`. */
  readonly command?: Command
  /** Nanoseconds; absent or 0 inherits. */
  readonly interval?: number
  readonly timeout?: number
  readonly startPeriod?: number
  readonly startInterval?: number
  readonly retries?: number
}
export interface Onbuild extends Common {
  readonly kind: 'ONBUILD'
  readonly trigger: Instruction
  /** The trigger's text as the image config stores it. */
  readonly text: string
}
export interface Maintainer extends Common {
  readonly kind: 'MAINTAINER'
  readonly name: Word
}

/** Every instruction, told apart by `kind` (the upper-case name). */
export type Instruction =
  | From
  | Arg
  | Env
  | Label
  | Run
  | Copy
  | Add
  | Workdir
  | User
  | Expose
  | Volume
  | Stopsignal
  | Cmd
  | Entrypoint
  | Shell
  | Healthcheck
  | Onbuild
  | Maintainer

export interface Directive {
  readonly name: string
  readonly value: string
  /** The whole comment. */
  readonly span: Span
  readonly valueSpan: Span
}

/** A comment where a directive could stand, that is one but for its name. */
export interface MisspeltDirective {
  readonly name: string
  readonly meant: string
  /** Of the name. */
  readonly span: Span
}

export interface Dockerfile {
  readonly file: string
  /** `\` or a backtick. */
  readonly escape: string
  readonly directives: readonly Directive[]
  /** Comments that would have been directives at the top of the file. */
  readonly lateDirectives?: readonly Directive[]
  readonly misspeltDirectives?: readonly MisspeltDirective[]
  readonly instructions: readonly Instruction[]
  /** Those that are wrong and left out. */
  readonly unread?: readonly Unread[]
}

/** An instruction of which only this could be understood. */
export interface Unread {
  /** Upper-case; of a misspelt one, what was perhaps meant. */
  readonly name: string
  readonly keyword: Word
  readonly span: Span
  /** Lower-case words that may name stages it uses. */
  readonly mentions: readonly string[]
}

/** One FROM and what follows it up to the next. */
export interface Stage {
  readonly index: number
  /** Lower-cased. */
  readonly name?: string
  readonly from: From
  readonly instructions: readonly Exclude<Instruction, From>[]
  readonly span: Span
  /** What its unread instructions mention: stages of these names may be needed. */
  readonly mentions?: readonly string[]
}

export interface Stages {
  /** ARGs before the first FROM. */
  readonly global: readonly Arg[]
  readonly stages: readonly Stage[]
  readonly escape: string
}
