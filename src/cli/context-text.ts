// The answers of `slipway context ls` as text.
import type { ContextListing, Judged, PathReason } from '../app/context-list.ts'
import { formatSize } from './table.ts'

/** One path a line, directories with a slash at their end; with sizes, and then the sum, if asked for. */
export function listingText(listing: ContextListing, withSizes: boolean): string {
  const names = listing.entries.map(({ path, type }) => shown(type === 'directory' ? `${path}/` : path))
  if (!withSizes) return names.map((name) => `${name}\n`).join('')
  const sizes = listing.entries.map(({ sizeBytes }) => formatSize(sizeBytes))
  const width = Math.max(8, ...sizes.map((size) => size.length))
  const lines = names.map((name, index) => `${sizes[index]?.padStart(width)}  ${name}\n`)
  const { files, directories, sizeBytes } = listing
  const sum = `${count(files, 'file', 'files')}, ${count(directories, 'directory', 'directories')}`
  return `${lines.join('')}${formatSize(sizeBytes).padStart(width)}  in ${sum}\n`
}

/** Whether the path is in the context and which pattern decided, then the same of the directories above it. */
export function reasonText(reason: PathReason, ignoreFile: string | undefined): string {
  const { steps } = reason
  const width = Math.max(...steps.map(({ path }) => shown(path).length))
  const lines = steps.map((step) => {
    const verdict = step.ignored ? 'ignored ' : 'included'
    return `  ${shown(step.path).padEnd(width)}  ${verdict}  ${place(step, ignoreFile) ?? ''}`.trimEnd()
  })
  return `${[headline(reason, ignoreFile), ...(steps.length > 1 ? lines : [])].join('\n')}\n`
}

function headline(reason: PathReason, ignoreFile: string | undefined): string {
  const name = shown(reason.path === '' ? '.' : reason.path)
  const last = reason.steps.at(-1)
  if (last === undefined) return `${name} is in the context: it is the context`
  const by = place(last, ignoreFile)
  const why =
    by ?? (ignoreFile === undefined ? 'there is no ignore file' : `no pattern of ${ignoreFile} matches it`)
  if (!reason.exists) {
    return `${name} does not exist; it would be ${last.ignored ? 'ignored' : 'in the context'}: ${why}`
  }
  if (!last.ignored) return `${name} is ${reason.visible ? '' : 'not '}in the context: ${why}`
  const still = reason.visible ? '; it is there only for what is brought back in it' : ''
  return `${name} is ignored: ${why}${still}`
}

function place({ by }: Judged, ignoreFile: string | undefined): string | undefined {
  return by && `${ignoreFile}:${by.line}: ${shown(by.pattern)}`
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`
}

/** A name as one line that cannot drive a terminal. */
function shown(name: string): string {
  return /[\x00-\x1f\x7f-\x9f]/.test(name) ? JSON.stringify(name).replaceAll(/[\x7f-\x9f]/g, escaped) : name
}

function escaped(character: string): string {
  return `\\u00${character.charCodeAt(0).toString(16)}`
}
