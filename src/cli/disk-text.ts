// What `slipway du` and `slipway prune` print: docker's columns, and the line of a Dockerfile where there is one.
import type { ImageUsageRow, StepRow, Usage, UsageRow } from '../app/disk.ts'
import { printable } from '../progress/model.ts'
import { formatAge, formatSize, formatTable } from './table.ts'

/** `RECLAIMABLE` and the like, with their sums. */
export function usageTable({ rows, total }: Usage, nowMs: number): string {
  const cells = rows.map((row) => [
    shortId(row),
    String(isReclaimable(row)),
    `${formatSize(row.bytes)}${row.item.isShared ? '*' : ''}`,
    formatAge(new Date(row.item.lastUsedMs).toISOString(), nowMs),
    row.item.type,
    describe(row),
  ])
  const sum = (chosen: readonly UsageRow[]): string =>
    formatSize(chosen.reduce((bytes, row) => bytes + row.bytes, 0))
  return [
    formatTable(['ID', 'RECLAIMABLE', 'SIZE', 'LAST ACCESSED', 'TYPE', 'DESCRIPTION'], cells),
    `Shared:       ${sum(rows.filter(({ item }) => item.isShared))}\n`,
    `Private:      ${sum(rows.filter(({ item }) => !item.isShared))}\n`,
    `Reclaimable:  ${sum(rows.filter(isReclaimable))}\n`,
    `Total:        ${formatSize(total.bytes)} in ${total.inodes} files and directories\n`,
  ].join('')
}

/** Each item as docker's `du --verbose` lists it. */
export function usageDetails(rows: readonly UsageRow[], nowMs: number): string {
  return rows
    .map((row) => {
      const { id, parents, type, lastUsedMs, createdMs, isMutable, isShared, tookMs } = row.item
      const lines = [
        ['ID', id],
        ...(parents.length === 0 ? [] : [['Parent', parents.join(',')]]),
        ['Created at', new Date(createdMs).toISOString()],
        ['Mutable', String(isMutable)],
        ['Reclaimable', String(isReclaimable(row))],
        ['Shared', String(isShared)],
        ['Size', `${formatSize(row.bytes)} in ${row.inodes} files and directories`],
        ['Description', printable(describe(row))],
        ...(tookMs === undefined ? [] : [['Took', `${(tookMs / 1000).toFixed(1)}s`]]),
        ['Last used', formatAge(new Date(lastUsedMs).toISOString(), nowMs)],
        ['Type', type],
      ]
      return `${lines.map(([name, value]) => `${`${name}:`.padEnd(14)}${value}\n`).join('')}\n`
    })
    .join('')
}

/** One JSON object a line, with buildx's names where it has them. */
export function usageJson(rows: readonly UsageRow[]): string {
  return lines(
    rows.map(({ item, bytes, inodes }) => ({
      ID: item.id,
      Parents: item.parents,
      CreatedAt: new Date(item.createdMs).toISOString(),
      Mutable: item.isMutable,
      Reclaimable: isReclaimable({ item, bytes, inodes }),
      Shared: item.isShared,
      InUse: item.isInUse,
      Size: bytes,
      Inodes: inodes,
      Description: item.description,
      LastUsedAt: new Date(item.lastUsedMs).toISOString(),
      Type: item.type,
      ...(item.tookMs === undefined ? {} : { TookMs: item.tookMs }),
      ...(item.names.length === 0 ? {} : { Names: item.names }),
      ...(item.step === undefined ? {} : { Step: item.step }),
    })),
  )
}

/** `slipway du --by-step`. */
export function stepTable(rows: readonly StepRow[], nowMs: number): string {
  return formatTable(
    ['SIZE', 'FILES', 'RESULTS', 'TOOK', 'LAST ACCESSED', 'BUILD', 'LINE', 'STEP'],
    rows.map(({ step, bytes, inodes, records, tookMs, lastUsedMs }) => [
      formatSize(bytes),
      String(inodes),
      String(records),
      `${(tookMs / 1000).toFixed(1)}s`,
      formatAge(new Date(lastUsedMs).toISOString(), nowMs),
      step.build.split('\n')[0] ?? '',
      placeOf(step),
      step.title,
    ]),
  )
}

/** `slipway du --by-image`. */
export function imageTable(rows: readonly ImageUsageRow[]): string {
  return formatTable(
    ['IMAGE', 'SIZE', 'UNIQUE', 'SHARED', 'CACHE OF ITS LAYERS'],
    rows.map(({ names, digest, bytes, uniqueBytes, cacheBytes }) => [
      names.length === 0 ? digest.slice(0, 19) : names.join(', '),
      formatSize(bytes),
      formatSize(uniqueBytes),
      formatSize(bytes - uniqueBytes),
      formatSize(cacheBytes),
    ]),
  )
}

/** One JSON object a line. */
export function lines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('')
}

/** The short form of an item's id, with docker's mark of what changes. */
export function shortId({ item }: Pick<UsageRow, 'item'>): string {
  return `${item.id.replace(/^sha256:/, '').slice(0, 25)}${item.isMutable ? '*' : ''}`
}

function isReclaimable({ item }: UsageRow): boolean {
  return !item.isInUse && item.names.length === 0
}

function describe({ item }: UsageRow): string {
  const { step, description } = item
  return step?.line === undefined ? description : `${placeOf(step)} ${description}`
}

function placeOf({ file, line, stage, ordinal }: StepRow['step']): string {
  return line === undefined ? `${stage} ${ordinal}` : `${file?.split('/').at(-1)}:${line}`
}

/** What `slipway prune` took away; nothing when that was nothing. */
export function removedTable(rows: readonly UsageRow[], nowMs: number): string {
  if (rows.length === 0) return ''
  return formatTable(
    ['ID', 'SIZE', 'LAST ACCESSED', 'DESCRIPTION'],
    rows.map((row) => [
      shortId(row),
      formatSize(row.bytes),
      formatAge(new Date(row.item.lastUsedMs).toISOString(), nowMs),
      describe(row),
    ]),
  )
}
