// The records of the cache as items, and what base images left unpacked for them.
import { decodeEntry } from '../cache/entry.ts'
import { type Digest, digestOfHex, hexOf } from '../core/digest.ts'
import type { CacheRecord, LayerRef } from '../solve/types.ts'
import { blobPart } from '../store/leases.ts'
import type { Draft } from './draft.ts'
import { type BaseLayer, type MadeOf, neededParts } from './needs.ts'
import { lookAt, namesIn, readIfThere, sizeOfFile } from './stored-parts.ts'
import { addSizes, type Size } from './types.ts'

interface StoredRecord {
  readonly record: CacheRecord
  readonly path: string
  readonly usedMs: number
  readonly size: Size
}

interface StoredAlias {
  readonly path: string
  readonly size: Size
}

/** An item for each record and each layer of their base images, one for the aliases that lead nowhere, one for the slots. */
export function recordDrafts(directory: string, madeOf: MadeOf): readonly Draft[] {
  const { records, aliases, unread } = readEntries(`${directory}/records`)
  const bases = new Map<string, { readonly layer: BaseLayer; usedMs: number }>()
  const drafts: Draft[] = []
  for (const { record, path, usedMs, size } of records.values()) {
    const own = aliases.get(record.id) ?? []
    aliases.delete(record.id)
    const layers = neededParts(record.result.layers, madeOf, (layer) => {
      const known = bases.get(layer.snapshot)
      if (known === undefined) bases.set(layer.snapshot, { layer, usedMs })
      else known.usedMs = Math.max(known.usedMs, usedMs)
    })
    drafts.push({
      id: record.id,
      type: record.key.op.kind === 'git' ? 'source.git.checkout' : 'regular',
      description: describe(record),
      ...(record.step === undefined ? {} : { step: record.step }),
      ...(record.tookMs === undefined ? {} : { tookMs: record.tookMs }),
      parents: record.key.inputs.filter((id) => records.has(id)),
      layers,
      own: addSizes([size, ...own.map((alias) => alias.size)]),
      createdMs: Date.parse(record.created) || usedMs,
      usedMs,
      // Aliases first: one that leads nowhere is found by the next collection, a record without is merely looked up in vain.
      removal: { kind: 'files', paths: [...own.map((alias) => alias.path), path] },
    })
  }
  for (const { layer, usedMs } of bases.values()) drafts.push(baseDraft(layer, madeOf, usedMs))
  // One that was written since its record was looked for in vain is not lost.
  const dangling = [...aliases].filter(([id]) => lookAt(recordPath(directory, id as Digest)) === undefined)
  const lost = [...dangling.flatMap(([, entries]) => entries), ...unread]
  if (lost.length > 0) drafts.push(lostDraft(lost))
  return [...drafts, ...slotDrafts(`${directory}/slots`)]
}

/** The layers of every record. */
export function keptResults(directory: string): readonly (readonly LayerRef[])[] {
  const { records } = readEntries(`${directory}/records`)
  return [...records.values()].map(({ record }) => record.result.layers)
}

function readEntries(top: string): {
  readonly records: Map<string, StoredRecord>
  /** By the record they lead to. */
  readonly aliases: Map<string, StoredAlias[]>
  readonly unread: StoredAlias[]
} {
  const records = new Map<string, StoredRecord>()
  const aliases = new Map<string, StoredAlias[]>()
  const unread: StoredAlias[] = []
  for (const bucket of namesIn(top)) {
    for (const name of namesIn(`${top}/${bucket}`)) {
      const hex = /^([0-9a-f]{64})\.json$/.exec(name)?.[1]
      if (hex === undefined) continue
      const path = `${top}/${bucket}/${name}`
      const found = lookAt(path)
      const text = readIfThere(path)
      if (found === undefined || text === undefined) continue
      const size = sizeOfFile(found)
      const entry = decodeEntry(text, digestOfHex(hex))
      if (entry === undefined) unread.push({ path, size })
      else if ('record' in entry) {
        records.set(entry.record.id, { record: entry.record, path, usedMs: found.mtimeMs, size })
      } else aliases.set(entry.alias, [...(aliases.get(entry.alias) ?? []), { path, size }])
    }
  }
  return { records, aliases, unread }
}

function describe({ step, key }: CacheRecord): string {
  return step?.title ?? `${key.op.kind} step`
}

function baseDraft({ blob, snapshot }: BaseLayer, madeOf: MadeOf, usedMs: number): Draft {
  const archive = blobPart(blob.descriptor.digest)
  return {
    id: blob.descriptor.digest,
    type: 'regular',
    description: `layer of ${blob.source}`,
    layers: [[archive, ...madeOf(archive), snapshot]],
    own: { bytes: 0, inodes: 0 },
    createdMs: usedMs,
    usedMs,
    removal: { kind: 'parts' },
  }
}

/** Entries that no build finds any more: their records are gone, or a power cut or another version wrote them. */
function lostDraft(lost: readonly StoredAlias[]): Draft {
  return {
    id: 'records',
    type: 'regular',
    description: `${lost.length} entries of the cache that lead nowhere`,
    layers: [],
    own: addSizes(lost.map(({ size }) => size)),
    createdMs: 0,
    usedMs: 0,
    removal: { kind: 'files', paths: lost.map(({ path }) => path) },
  }
}

/** What steps were keyed by the last time: without it a miss has no reason to tell, and nothing else is lost. */
function slotDrafts(top: string): readonly Draft[] {
  const slots = namesIn(top).flatMap((name) => {
    const found = lookAt(`${top}/${name}`)
    return found === undefined ? [] : [{ path: `${top}/${name}`, found }]
  })
  if (slots.length === 0) return []
  const times = slots.map(({ found }) => found.mtimeMs)
  return [
    {
      id: 'slots',
      type: 'internal',
      description: `what ${slots.length} steps were keyed by the last time`,
      layers: [],
      own: addSizes(slots.map(({ found }) => sizeOfFile(found))),
      createdMs: times.reduce((a, b) => Math.min(a, b)),
      usedMs: times.reduce((a, b) => Math.max(a, b)),
      removal: { kind: 'files', paths: slots.map(({ path }) => path) },
    },
  ]
}

/** The name of a record's file. */
function recordPath(directory: string, id: Digest): string {
  return `${directory}/records/${hexOf(id).slice(0, 2)}/${hexOf(id)}.json`
}
