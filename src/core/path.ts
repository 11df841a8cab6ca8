// Paths below a root as words: always `/`, no leading or trailing slash, empty for the root itself. Nothing is looked
// up, so they may be byte strings too.

/** `path` as a clean path relative to the root. `..` stops at the root, as in a chroot. */
export function cleanPath(path: string): string {
  if (!needsCleaning.test(path)) return path
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

const needsCleaning = /^\/|\/\/|\/$|(?:^|\/)\.\.?(?:\/|$)/

/** The directory part of a clean path; empty when it is the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** The last component of a clean path. */
export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The clean path of `name` inside a directory. */
export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}
