// `slipway prune`: takes away what nobody needs, with docker buildx prune's flags.
import type { UsageRow } from '../../app/disk.ts'
import { parseSize } from '../../core/go-values.ts'
import { collect, type DockerCommand, expectArguments, usageError } from '../command.ts'
import { removedTable, usageDetails, usageJson } from '../disk-text.ts'
import type { CommandPage } from '../page.ts'
import { formatSize } from '../table.ts'
import { transferCommand } from '../transfer.ts'

interface Flags {
  readonly all?: boolean
  readonly filter?: readonly string[]
  readonly force?: boolean
  readonly verbose?: boolean
  readonly json?: boolean
  readonly keepStorage?: string
  readonly reservedSpace?: string
  readonly maxUsedSpace?: string
  readonly minFreeSpace?: string
  readonly maxInodes?: string
  readonly minFreeInodes?: string
}

export const pruneCommand: CommandPage = {
  summary: 'Remove what no image with a name needs',
  define(command, finish) {
    defineFlags(command)
    command.action(async (words: string[], flags: Flags) => {
      expectArguments(command, words, 0)
      const bounds = boundsFrom(flags)
      if (flags.keepStorage !== undefined) {
        process.stderr.write('warning: --keep-storage is now called --reserved-space\n')
      }
      if (!flags.force && !(await isConfirmed(flags.all === true))) {
        process.stdout.write('Total:\t0B\n')
        return finish(0)
      }
      finish(await run(flags, bounds))
    })
  },
}

function defineFlags(command: DockerCommand): void {
  command
    .usage('[OPTIONS]')
    .argument('[none...]')
    .option('-a, --all', 'also the cache of images that have names, logs and what failed steps left')
    .option(
      '--filter <filter>',
      'only these (repeatable): until=24h, type=…, id=…, parents=…, description=…, inuse, shared, private, mutable, immutable; also with != and ~=',
      collect,
    )
    .option('-f, --force', 'do not ask')
    .option('--verbose', 'everything that is known of each item')
    .option('--json', 'one JSON object a line')
    .option('--reserved-space <bytes>', 'so much of the cache always stays')
    .option('--max-used-space <bytes>', 'so much of the cache may stay')
    .option('--min-free-space <bytes>', 'go on until so much of the disk is free')
    .option('--max-inodes <count>', 'so many files and directories of the cache may stay')
    .option('--min-free-inodes <count>', 'go on until the file system can take so many more files')
    .option('--keep-storage <bytes>', 'old name of --reserved-space')
}

function boundsFrom(flags: Flags): Record<string, number> {
  const sizes = {
    reservedBytes: size('--reserved-space', flags.reservedSpace ?? flags.keepStorage),
    maxUsedBytes: size('--max-used-space', flags.maxUsedSpace),
    minFreeBytes: size('--min-free-space', flags.minFreeSpace),
    maxInodes: count('--max-inodes', flags.maxInodes),
    minFreeInodes: count('--min-free-inodes', flags.minFreeInodes),
  }
  return Object.fromEntries(
    Object.entries(sizes).flatMap(([key, value]) => (value === 0 ? [] : [[key, value]])),
  )
}

function size(flag: string, text: string | undefined): number {
  const bytes = text === undefined ? 0 : parseSize(text)
  if (bytes === undefined) throw usageError(flag, text ?? '', 'a size: 512mb, 10GB')
  return bytes
}

function count(flag: string, text = '0'): number {
  if (!/^\d{1,15}$/.test(text)) throw usageError(flag, text, 'a number')
  return Number(text)
}

/** docker's question; anything but a yes, also the end of the input, is a no. */
async function isConfirmed(all: boolean): Promise<boolean> {
  const what = all ? 'all build cache' : 'all dangling build cache'
  process.stdout.write(`WARNING! This will remove ${what}. Are you sure you want to continue? [y/N] `)
  const { createInterface } = await import('node:readline')
  const lines = createInterface({ input: process.stdin })
  try {
    for await (const line of lines) return ['y', 'yes'].includes(line.trim().toLowerCase())
    return false
  } finally {
    lines.close()
  }
}

function run(flags: Flags, bounds: Record<string, number>): Promise<number> {
  return transferCommand({}, async (_images, host, { signal }) => {
    const { prune } = await import('../../app/disk.ts')
    const nowMs = Date.now()
    const rows: UsageRow[] = []
    const request = {
      filters: flags.filter ?? [],
      all: flags.all === true,
      bounds,
      onRemoved: (row: UsageRow) => void rows.push(row),
    }
    const { freed } = await prune(host, request, { nowMs, signal })
    if (flags.json) return { text: usageJson(rows) }
    const list = flags.verbose ? usageDetails(rows, nowMs) : removedTable(rows, nowMs)
    return { text: `${list}Total:\t${formatSize(freed.bytes)}\n` }
  })
}
