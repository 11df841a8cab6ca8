// What a build leaves behind for the next one of its name to be compared with, and for `slipway explain`. JSON, versioned.
import { type Digest, digestOf, isDigest } from '../core/digest.ts'
import type { MissReason } from '../core/event.ts'
import type { OpRef } from '../graph/op.ts'
import type { FileList } from '../solve/types.ts'
import type { Described } from './step.ts'

/** How a step ended. `none`: it was not reached. */
export type Outcome = 'ran' | 'cached' | 'failed' | 'none'

export interface PastStep extends Omit<Described, 'inputs'> {
  readonly ref: OpRef
  /** Indexes of steps. */
  readonly inputs: readonly number[]
  /** How the step is defined, all the way down. */
  readonly definition: Digest | null
  /** What the key had for each input, as far as that is known. */
  readonly key: readonly (Digest | null)[]
  readonly outcome: Outcome
  readonly by?: 'definition' | 'content' | 'implied'
  readonly from?: string
  readonly tookMs?: number
  readonly reasons?: readonly MissReason[]
  /** Of an earlier build: the last one had no use for its stage. */
  readonly isOlder?: true
}

export interface PastBuild {
  /** As `SolveOptions` has it. */
  readonly build: string
  readonly failed: boolean
  readonly steps: readonly PastStep[]
}

/** Where builds are remembered. Nothing here fails a build: what cannot be read is not known, what cannot be written is lost. */
export interface PastStore {
  read(build: string): PastBuild | undefined
  /** Whether the last build of this name left `mark`; it then counts as the last one again. */
  confirm(build: string, mark: Digest): boolean
  write(past: PastBuild, mark: Digest | undefined): void
  files(content: Digest): FileList | undefined
  keepFiles(content: Digest, files: FileList): void
}

const version = 1

/** The text of a past build's file: a line about it, a line of JSON. */
export function encodePast(past: PastBuild, mark: Digest | undefined): string {
  const body = JSON.stringify(past)
  return `${JSON.stringify({ version, mark: mark ?? null, body: digestOf(body) })}\n${body}\n`
}

/** The past build in a file's text; undefined when it is damaged or of another version. */
export function decodePast(text: string): PastBuild | undefined {
  const end = text.indexOf('\n')
  const head = parse(text.slice(0, end))
  const body = text.slice(end + 1, -1)
  if (head?.version !== version || head.body !== digestOf(body)) return undefined
  return parse(body) as PastBuild | undefined
}

/** The mark in the beginning of a file's text. */
export function markOf(beginning: string): Digest | undefined {
  const head = parse(beginning.split('\n', 1)[0] ?? '')
  return head?.version === version && isDigest(head.mark) ? head.mark : undefined
}

/** How much of a file's text `markOf` needs, at most. */
export const headLength = 256

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    // Torn by a power cut, or somebody else's: not known.
    return undefined
  }
}
