// BuildKit's CopyIgnoredFile.
import { bytesOf } from '../../../core/byte-string.ts'
import type { Diagnostic } from '../../../core/diagnostic.ts'
import { cleanPath } from '../../../core/path.ts'
import type { Span } from '../../../core/span.ts'
import { ignoreMatcher } from '../../ignore-matcher.ts'
import { cleanPath as cleanGoPath } from '../../ignore-pattern.ts'
import { type Rule, warningOf } from '../rule.ts'

/** No COPY of what .dockerignore keeps out of the context. */
export const copyIgnoredFile: Rule = {
  name: 'CopyIgnoredFile',
  description: 'Attempting to Copy file that is excluded by .dockerignore',
  origin: 'buildkit',
  url: 'https://docs.docker.com/go/dockerfile/rule/copy-ignored-file/',
}

/** Asks about one source path, expanded. */
export type IgnoredSourceCheck = (kind: 'COPY' | 'ADD', path: string, span: Span) => Diagnostic[]

/** The check for a context with these patterns, which stand at `places`; they are only compiled when there is something to ask. */
export function ignoredSourceCheck(
  patterns: readonly string[],
  places: readonly string[] = [],
): IgnoredSourceCheck {
  // What a `!` brings back below an excluded directory cannot be told without walking it.
  if (patterns.length === 0 || patterns.some((pattern) => pattern.startsWith('!'))) return () => []
  const rootPattern = patterns.findIndex((pattern) => ['*', '**', '**/*'].includes(cleanGoPath(pattern)))
  let matcher: ReturnType<typeof ignoreMatcher> | undefined
  return (kind, path, span) => {
    // Differs: BuildKit takes a path with a leading slash for one that no pattern can mean.
    const relative = cleanPath(path)
    matcher ??= ignoreMatcher(patterns)
    const index = relative === '' ? rootPattern : (matcher(bytesOf(relative), false).index ?? -1)
    const by = patterns[index]
    if (by === undefined) return []
    // BuildKit's words name .dockerignore even where the file is the Dockerfile's own; the hint says which it was.
    const where = places[index] === undefined ? '' : `${places[index]}: `
    const verb = kind === 'ADD' ? 'Add' : 'Copy'
    const message = `Attempting to ${verb} file ${JSON.stringify(cleanGoPath(path))} that is excluded by .dockerignore`
    return [warningOf(copyIgnoredFile, { span, message, hint: `${where}the pattern ${by} excludes it` })]
  }
}
