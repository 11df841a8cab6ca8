// Lexical paths of instructions, as BuildKit joins and cleans them. Always `/`; nothing is looked up.
import { cleanPath } from '../core/path.ts'

/** WORKDIR's new value: an absolute path stays as written, a relative one is joined to the current directory, nothing changes nothing. */
export function joinWorkdir(current: string, path: string): string {
  if (path === '') return current === '' ? '/' : current
  return path.startsWith('/') ? path : cleanAbsolute(`${current}/${path}`)
}

/** An absolute path without `.`, `..`, double or trailing slashes; `..` stops at the root. */
export function cleanAbsolute(path: string): string {
  return `/${cleanPath(path)}`
}

/** Go's `path.Clean`: a relative path stays one, with the `..` that lead out of it; nothing is `.`. */
export function cleanWritten(path: string): string {
  if (path.startsWith('/')) return cleanAbsolute(path)
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/') || '.'
}

/** COPY's destination: absolute and clean, ending in `/` when the words mean a directory (`dir/`, `dir/.`, `.`, nothing). */
export function destinationOf(workdir: string, path: string): string {
  const isDirectory = /(?:^|\/)\.?$/.test(path)
  const clean = cleanAbsolute(path.startsWith('/') ? path : `${workdir}/${path}`)
  return isDirectory && clean !== '/' ? `${clean}/` : clean
}

/** A COPY source relative to the root it is taken from: clean, `..` never leaves that root, `.` is the root itself. */
export function sourceOf(path: string): string {
  const clean = cleanAbsolute(path).slice(1)
  return clean === '' ? '.' : clean
}

/** As `sourceOf` for `--parents`, where a `/./` marks the directory the copied parents start below. */
export function sourceWithPivot(path: string): string {
  const pivot = path.indexOf('/./')
  if (pivot === -1) return sourceOf(path)
  return `${sourceOf(path.slice(0, pivot))}/./${sourceOf(path.slice(pivot + 3))}`
}

/** The pattern that matches a file of this very name. */
export function globOfName(name: string): string {
  return /[*?[]/.test(name) ? name.replace(/[*?[\\]/g, '[$&]') : name
}
