// Which words of COPY and ADD mean something on the network (field.md §1.5, §3).

/** An HTTP(S) URL that is not a git repository. */
export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && !isGitUrl(text)
}

/** `git://`, `ssh://`, `user@host:path`, or an HTTP(S) URL whose path ends in `.git`. */
export function isGitUrl(text: string): boolean {
  if (/^(?:git|ssh):\/\//.test(text) || /^[A-Za-z0-9._-]+@[^/:]+:/.test(text)) return true
  return /^https?:\/\/[^?#]*\.git(?:[?#]|$)/.test(text)
}
