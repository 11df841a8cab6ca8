// Layers and trees for tests: random layer directories, what overlayfs makes of them, and what a directory holds.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { isOpaqueMark } from '../../src/layer/layer-xattrs.ts'
import type { Native } from '../../src/sys/native.ts'
import { scanTreeSync } from '../../src/sys/scan.ts'

/** Everything a directory holds, comparable: path to a line of metadata and content. Names of one file share a group. */
export function describeTree(
  directory: string,
  native: Native,
  options: { readonly times?: boolean; readonly raw?: boolean } = {},
): Record<string, string> {
  const groups = new Map<string, string>()
  const lines: Record<string, string> = {}
  for (const entry of scanTreeSync(directory, { native, xattrs: true })) {
    const { path, type, mode, uid, gid } = entry
    const words = [type, mode.toString(8), `${uid}:${gid}`]
    if (type === 'file') {
      words.push(
        readFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(path, 'latin1')])).toString(
          'latin1',
        ),
      )
    }
    if (entry.linkTarget !== undefined) words.push(`-> ${entry.linkTarget}`)
    if (type === 'char' || type === 'block') words.push(`${entry.rdevMajor},${entry.rdevMinor}`)
    if (options.times !== false && !(type === 'char' && entry.rdevMajor === 0))
      words.push(String(entry.mtimeNs))
    if (type !== 'directory' && entry.nlink > 1 && !(type === 'char' && entry.rdevMajor === 0)) {
      const inode = String(entry.ino)
      if (!groups.has(inode)) groups.set(inode, path)
      words.push(`= ${groups.get(inode)}`)
    }
    for (const [name, value] of [...(entry.xattrs ?? [])].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
      if (/^trusted\.overlay\.(?!opaque)/.test(name)) continue
      if (options.raw !== true && name.startsWith('trusted.')) continue
      words.push(`${name}=${Buffer.from(value).toString('hex')}`)
    }
    if (options.raw === true && isOpaqueMark(entry.xattrs ?? [], native.userNamespace())) words.push('opaque')
    lines[path] = words.join(' ')
  }
  return lines
}

/** What overlayfs shows for these layer directories (bottom first), written to stdout by `command` with the mount as its working directory. */
export function onOverlay(layers: readonly string[], scratch: string, command: string): Buffer {
  const lower = [...layers].reverse().join(':')
  const script = `set -e; mkdir -p "${scratch}/m" "${scratch}/e"; mount -t overlay overlay -o "lowerdir=${lower}:${scratch}/e,index=off,redirect_dir=off,metacopy=off,xino=off" "${scratch}/m"; cd "${scratch}/m"; ${command}`
  return execFileSync('unshare', ['-m', 'sh', '-c', script], { maxBuffer: 1 << 28 })
}

/** Mounts `layers` writable, runs a shell script inside and leaves the changes in `upper`. */
export function changeOnOverlay(
  layers: readonly string[],
  upper: string,
  scratch: string,
  script: string,
): void {
  const lower = [...layers].reverse().join(':')
  const mount = `set -e; mkdir -p "${scratch}/m" "${scratch}/w" "${scratch}/e" "${upper}"; mount -t overlay overlay -o "lowerdir=${lower === '' ? `${scratch}/e` : lower},upperdir=${upper},workdir=${scratch}/w,index=off,redirect_dir=off,metacopy=off,xino=off" "${scratch}/m"; cd "${scratch}/m"; `
  execFileSync('unshare', ['-m', 'bash', '-c', mount + script], {
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}
