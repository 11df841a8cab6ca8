// What the solver asks of the outside: a cache of records and one driver per op kind.
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { MissReason } from '../core/event.ts'
import type { Graph, Op, OpNote, OpRef } from '../graph/op.ts'

/** A layer a result is made of, bottom first; a name only: nothing is pulled, unpacked or opened by having one. */
export type LayerRef =
  | {
      /** A committed upper directory in the snapshot store. */
      readonly kind: 'snapshot'
      readonly id: string
      readonly created: string
    }
  | {
      /** A layer of a base image; `source` is the reference it can be fetched from. */
      readonly kind: 'blob'
      readonly descriptor: Descriptor
      readonly diffId: Digest
      readonly source: string
      /** Of a step's layer that a remote cache has: when it was made. Such a cache may forget it at any time. */
      readonly created?: string
    }
  | {
      /** A layer made here that is in the store as its plain archive and was never a directory. */
      readonly kind: 'archive'
      readonly descriptor: Descriptor
      readonly diffId: Digest
      readonly created: string
    }
  | { readonly kind: 'directory'; readonly name: string; readonly ignore: readonly string[] }

export interface Result {
  /** The key that first made it; equal ids mean equal content. */
  readonly id: Digest
  readonly layers: readonly LayerRef[]
}

/** An op without its inputs. */
export type OpBody = Omit<Op, 'inputs'>

/** What decides whether an op may be skipped; stored whole, so that a later miss can be explained field by field. */
export interface CacheKey {
  readonly version: 1
  readonly op: OpBody
  readonly inputs: readonly Digest[]
}

export interface CacheRecord {
  readonly id: Digest
  readonly key: CacheKey
  readonly result: Result
  readonly created: string
  /** How long its step ran. */
  readonly tookMs?: number
  /** Who made it. */
  readonly step?: RecordStep
  /** Found in a remote cache by how it is defined: `key` has no inputs, because nobody looked at them. */
  readonly imported?: true
}

/** Which line of which build made a record, for people: no key depends on it. */
export interface RecordStep {
  /** As `SolveOptions` has it. */
  readonly build: string
  readonly stage: string
  readonly ordinal: number
  /** The instruction, at most 500 characters of it. */
  readonly title: string
  readonly file?: string
  /** Counted from 1. */
  readonly line?: number
}

export interface Cache {
  /** The record under a key's digest or an alias of it; undefined also when its layers are gone or the record is damaged. */
  get(id: Digest): Promise<CacheRecord | undefined>
  /** Visible to this process at once and to others soon; durable after `flush`. Aliases are further ids that find it. */
  put(record: CacheRecord, aliases: readonly Digest[]): Promise<void>
  alias(id: Digest, record: CacheRecord): Promise<void>
  /** Runs `body` while no other process runs one for the same id (flock; released by the kernel when a process dies). */
  exclusive<T>(id: Digest, signal: AbortSignal, body: () => Promise<T>): Promise<T>
  /** Everything put so far survives a power cut. */
  flush(): Promise<void>
}

/** What a remote cache may ask of the solve that asks it. */
export interface SolveView {
  readonly graph: Graph
  readonly drivers: Drivers
  readonly cx: Context
  /** What is known of an op before anything runs; undefined where only its inputs' results can tell. */
  definitionOf(ref: OpRef): Promise<Definition | undefined>
  /** As the driver's, each asked for once. */
  contentOf(ref: OpRef, index: number, input: Result): Promise<Digest | undefined>
  /** The result of an op, which is made if need be. */
  result(ref: OpRef): Promise<Result>
}

/** Results that are elsewhere. */
export interface RemoteCache {
  /** Called once, before anything else. */
  attach(view: SolveView): void
  /** The layers of an op's result, none of which need be here; `inputs` once they are known. What cannot be read or trusted is not there. */
  find(ref: OpRef, inputs?: readonly Result[]): Promise<readonly LayerRef[] | undefined>
  /** Hears the result of every op that has one, as soon as it has; with its inputs' where it took those to find out. */
  learn(ref: OpRef, result: Result, inputs?: readonly Result[]): void
}

/** What a driver is told beside the op itself. */
export interface RunNote extends OpNote {
  /** No other op reads the layers that are made: only an image is made of them. */
  readonly isLast?: true
}

/** How one op kind is done. */
export interface OpDriver<O extends Op = Op> {
  /** Present when inputs are judged by content, not by how they were made: a digest of what `op` reads of input `index`, or undefined to use the input's id. */
  contentOf?(op: O, index: number, input: Result, cx: Context): Promise<Digest | undefined>
  /** What `contentOf` covers of a local directory, path by path; undefined for other inputs. */
  filesOf?(op: O, index: number, input: Result, cx: Context): Promise<FileList | undefined>
  /** True for ops that have no record of their own (local directories, merges, images): cheap, always re-done. */
  readonly uncached?: true
  run(op: O, inputs: readonly Result[], note: RunNote, cx: Context): Promise<readonly LayerRef[]>
}

/** Files by path, each with a text that is another one when the file is. Neither contains NUL. */
export type FileList = ReadonlyMap<string, string>

/** k1 of an op; `forced` when it or anything below it must run again, so that k1 must not be looked up. */
export interface Definition {
  readonly id: Digest
  readonly forced: boolean
}

/** What a solve knows of its ops, for whoever explains it. */
export interface ExplainView {
  readonly graph: Graph
  readonly root: OpRef
  readonly cx: Context
  definitionOf(ref: OpRef): Promise<Definition | undefined>
  /** What an op read of a local directory; undefined for other inputs, and where nothing was read. */
  contentOf(ref: OpRef, index: number): Promise<Digest | undefined>
  filesOf(ref: OpRef, index: number): Promise<FileList | undefined>
}

/** Knows earlier builds. */
export interface Explainer {
  /** Why `ref` misses, never empty; asked before it runs, when all its inputs are done. */
  why(ref: OpRef, key: CacheKey): Promise<readonly MissReason[]>
  /** A record was found for `ref`, or made. */
  used(ref: OpRef, record: CacheRecord): void
}

export type Drivers = { readonly [K in Op['kind']]: OpDriver<Extract<Op, { kind: K }>> }
