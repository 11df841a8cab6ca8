// What /etc/passwd, /etc/subuid and /etc/subgid say (subuid(5)), from their texts.

/** The name of a user, or the number itself. */
export function userName(passwd: string, uid: number): string {
  const line = passwd.split('\n').find((text) => text.split(':')[2] === String(uid))
  return line?.split(':')[0] ?? String(uid)
}

/** How many ids the lines for a user, by name or by number, grant together. */
export function grantedIds(file: string, name: string, uid: number): number {
  return rangesIn(file)
    .filter(({ owner }) => owner === name || owner === String(uid))
    .reduce((sum, { count }) => sum + count, 0)
}

/** Behind all ranges of all files, and where useradd begins at the earliest. */
export function firstFreeId(files: readonly string[]): number {
  const ends = files.flatMap(rangesIn).map(({ start, count }) => start + count)
  return Math.max(100_000, ...ends)
}

interface Range {
  readonly owner: string
  readonly start: number
  readonly count: number
}

function rangesIn(file: string): Range[] {
  return file.split('\n').flatMap((line) => {
    const match = /^([^:]+):(\d+):(\d+)/.exec(line)
    return match === null ? [] : [{ owner: match[1] ?? '', start: Number(match[2]), count: Number(match[3]) }]
  })
}
