// What `--call` answers, as JSON: BuildKit's shapes (frontend/subrequests), so that what reads docker's answers reads
// these. What slipway adds stands beside BuildKit's own members.
import type { DiagnosticData } from '../../core/diagnostic-data.ts'
import type { SourceFile, Span } from '../../core/span.ts'
import { lineCounter } from '../../core/span.ts'

/** The methods there are; `check` is the users' name for `lint`. */
export const methods = ['lint', 'outline', 'targets', 'subrequests.describe'] as const
export type Method = (typeof methods)[number]

/** `line` from 1, `character` from 0 in UTF-16 units. */
export interface PositionJson {
  readonly line: number
  readonly character: number
}
export interface LocationJson {
  readonly ranges: readonly { readonly start: PositionJson; readonly end: PositionJson }[]
}

export interface LintJson {
  readonly warnings: readonly {
    readonly ruleName: string
    readonly description: string
    readonly url?: string
    readonly detail: string
    readonly location?: LocationJson
    /** The finding whole, with its notes and hint. */
    readonly diagnostic?: DiagnosticData
  }[]
  /** `data` is the file's text in Base64. */
  readonly sources: readonly {
    readonly filename: string
    readonly language: 'Dockerfile'
    readonly data: string
  }[]
  /** The first of `errors`. */
  readonly buildError?: { readonly message: string; readonly location?: LocationJson }
  /** Why a build of this file would fail. */
  readonly errors?: readonly DiagnosticData[]
}

export interface OutlineJson {
  readonly name?: string
  readonly description?: string
  readonly args?: readonly {
    readonly name: string
    readonly description?: string
    readonly value?: string
    readonly location: LocationJson
  }[]
  readonly secrets?: readonly NeedJson[]
  readonly ssh?: readonly NeedJson[]
  readonly cache?: readonly { readonly ID: string; readonly location: LocationJson }[]
  /** Base64. */
  readonly sources: readonly string[]
}
export interface NeedJson {
  readonly name: string
  readonly required?: true
  readonly location: LocationJson
}

export interface TargetsJson {
  readonly targets: readonly {
    readonly name?: string
    readonly default?: true
    readonly description?: string
    readonly base: string
    readonly platform?: string
    readonly location: LocationJson
  }[]
  /** Base64. */
  readonly sources: readonly string[]
}

export interface RequestJson {
  readonly name: string
  readonly version: string
  readonly type: 'rpc'
  readonly description: string
  readonly opts: readonly { readonly name: string; readonly description: string }[]
  readonly inputs: null
  readonly metadata: readonly { readonly name: string; readonly description: string }[]
  readonly refs: null
}

/** Tells spans in a file as BuildKit writes places, with the columns it leaves out. */
export function locationsIn({ text }: SourceFile): (span: Span) => LocationJson {
  const count = lineCounter(text)
  const at = (offset: number): PositionJson => {
    const { line, column } = count(offset)
    return { line, character: column - 1 }
  }
  return ({ start, end }) => ({ ranges: [{ start: at(start), end: at(end) }] })
}

/** `text` in Base64, as JSON carries bytes. */
export function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}
