// Which paths a list of ignore patterns excludes: moby's PatternMatcher as a walk from the top down asks it, and the
// directories that need not be walked.
import { bytesOf } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import { trimSpace } from './characters.ts'
import {
  BrokenPattern,
  compileIgnorePattern,
  type IgnorePath,
  type IgnorePattern,
  ignorePath,
} from './ignore-pattern.ts'

/** What the patterns say about a path. */
export interface Verdict {
  readonly excluded: boolean
  /** The path is an excluded directory and nothing below it is brought back: it need not be walked. */
  readonly skip: boolean
  /** The pattern that decided, if any matched. */
  readonly by?: string
  /** Its index in the list. */
  readonly index?: number
}

/**
 * Decides about paths (byte strings, relative, cleaned). The last pattern that matches the path or a directory above it
 * wins; `!` patterns bring back. Quickest when asked in walking order. Throws ERR_PATTERN_INVALID.
 */
export type IgnoreMatcher = (path: string, isDirectory: boolean) => Verdict

export interface MatcherOptions {
  /**
   * Whether excluded directories are left out unseen by the rule of BuildKit's context transfer, which overlooks some
   * `!` patterns with two wildcards at the end (`!a/*` + `/**`).
   */
  readonly asTransfer: boolean
}

/** The matcher of these patterns. Throws ERR_PATTERN_INVALID, naming the pattern. */
export function ignoreMatcher(
  patterns: readonly string[],
  { asTransfer }: MatcherOptions = { asTransfer: false },
): IgnoreMatcher {
  const list = new PatternList(patterns)
  if (list.isEmpty) return () => nothing
  const above = new Ancestors(list, asTransfer)
  return (bytes, isDirectory) => {
    if (bytes === '' || bytes === '.') return nothing
    const parent = above.of(bytes)
    if (parent.hidden !== undefined) return { ...parent.hidden, skip: isDirectory }
    const path = ignorePath(bytes)
    const decision = list.decide(path, parent.matched)
    const skip = isDirectory && list.mayBeSkipped(path, decision, asTransfer)
    return list.verdict(decision, skip)
  }
}

const nothing: Verdict = { excluded: false, skip: false }

interface Decision {
  readonly excluded: boolean
  /** The pattern that changed the decision last. */
  readonly by: number
  /** Indices, ascending, of the patterns that matched the path or a directory above it when they were asked. */
  readonly matched: readonly number[]
}

/** Directories above the path asked about last. */
interface Above {
  /** Byte string with a slash at its end. */
  readonly prefix: string
  readonly matched: readonly number[]
  /** The verdict on everything below a directory that the transfer does not look into. */
  readonly hidden?: Verdict
}

class Ancestors {
  readonly #list: PatternList
  readonly #asTransfer: boolean
  readonly #stack: Above[] = []

  constructor(list: PatternList, asTransfer: boolean) {
    this.#list = list
    this.#asTransfer = asTransfer
  }

  of(path: string): Above {
    while (!path.startsWith(this.#top().prefix)) this.#stack.pop()
    for (;;) {
      const top = this.#top()
      const slash = path.indexOf('/', top.prefix.length)
      if (slash === -1) return top
      this.#stack.push(this.#below(top, path.slice(0, slash)))
    }
  }

  #top(): Above {
    return this.#stack.at(-1) ?? { prefix: '', matched: [] }
  }

  #below({ hidden, matched }: Above, directory: string): Above {
    const prefix = `${directory}/`
    if (hidden !== undefined) return { prefix, matched, hidden }
    const decision = this.#list.decide(ignorePath(directory), matched)
    const isHidden = this.#asTransfer && decision.excluded && this.#list.overlooks(directory)
    return {
      prefix,
      matched: decision.matched,
      ...(isHidden ? { hidden: this.#list.verdict(decision, false) } : {}),
    }
  }
}

class PatternList {
  readonly #patterns: readonly IgnorePattern[]
  /** Where each stands in the list that was given. */
  readonly #indices: readonly number[]
  /** Patterns without wildcards are looked up, the others tried. */
  readonly #exact = new Map<string, number[]>()
  readonly #others: number[] = []
  /** The `!` patterns; the last may be the only one that matters. */
  readonly #negated: readonly number[]
  /** What the paths begin with that `!` patterns match, as the transfer sees it; undefined where it cannot tell. */
  readonly #starts: readonly string[] | undefined
  readonly #verdicts = new Map<number, Verdict>()
  #broken: boolean | undefined

  constructor(texts: readonly string[]) {
    const written = texts.flatMap((text, index) => {
      const trimmed = trimSpace(text)
      return trimmed === '' ? [] : [{ pattern: compile(text, trimmed), index }]
    })
    this.#patterns = written.map(({ pattern }) => pattern)
    this.#indices = written.map(({ index }) => index)
    for (const [at, { exact }] of this.#patterns.entries()) {
      const same = exact === undefined ? this.#others : this.#exact.get(exact)
      if (same !== undefined) same.push(at)
      else if (exact !== undefined) this.#exact.set(exact, [at])
    }
    this.#negated = [...this.#patterns.keys()].filter((at) => this.#patterns[at]?.negated)
    const starts = this.#negated.map((at) => startOf(this.#patterns[at]?.text.slice(1) ?? ''))
    this.#starts = starts.some((start) => /[*[\]?^\\]/.test(start)) ? undefined : starts
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0
  }

  /** There are as many verdicts as patterns, not as paths. */
  verdict({ excluded, by }: Decision, skip: boolean): Verdict {
    const key = by * 4 + (excluded ? 2 : 0) + (skip ? 1 : 0)
    const known = this.#verdicts.get(key)
    if (known !== undefined) return known
    const [pattern, index] = [this.#patterns[by], this.#indices[by]]
    const how = pattern === undefined || index === undefined ? {} : { by: pattern.text, index }
    const verdict = { excluded, skip, ...how }
    this.#verdicts.set(key, verdict)
    return verdict
  }

  /** moby's MatchesUsingParentResults; `inherited` are the patterns that matched above. */
  decide(path: IgnorePath, inherited: readonly number[]): Decision {
    const hits = this.#exact.get(path.bytes) ?? []
    const lastNegated = this.#negated.at(-1) ?? -1
    const matched: number[] = []
    let excluded = false
    let by = -1
    for (let [i, h, o] = [0, 0, 0]; ; ) {
      const at = Math.min(inherited[i] ?? Infinity, hits[h] ?? Infinity, this.#others[o] ?? Infinity)
      const pattern = this.#patterns[at]
      if (pattern === undefined) return { excluded, by, matched }
      // Nothing can change the decision any more.
      if (excluded && at > lastNegated) return { excluded, by, matched: [...matched, ...inherited.slice(i)] }
      const isInherited = inherited[i] === at
      const isHit = hits[h] === at
      if (isInherited) i++
      if (isHit) h++
      if (this.#others[o] === at) o++
      // A pattern that could only repeat what is decided already is not asked, and so does not count further down.
      if (!isInherited && (pattern.negated !== excluded || !(isHit || asked(pattern, path)))) continue
      matched.push(at)
      if (excluded === pattern.negated) by = at
      excluded = !pattern.negated
    }
  }

  /** Whether nothing below this directory is brought back, or the transfer does not see it. */
  mayBeSkipped(path: IgnorePath, { excluded, matched }: Decision, asTransfer: boolean): boolean {
    if (!excluded) return false
    if (this.#negated.length === 0 || (asTransfer && this.overlooks(path.bytes))) return true
    // Further down a pattern may be asked that is not asked here, and then throw.
    this.#broken ??= this.#patterns.some((pattern) => pattern.isBroken())
    if (this.#broken) return false
    const last = matched.at(-1) ?? -1
    return !this.#negated.some((at) => at > last && this.#patterns[at]?.mayMatchBelow(path))
  }

  /** Whether BuildKit's transfer does not look into this directory once it is excluded. */
  overlooks(directory: string): boolean {
    return this.#starts?.every((start) => !`${start}/`.startsWith(`${directory}/`)) ?? false
  }
}

/** A pattern without what its end leaves open; a byte string. */
function startOf(pattern: string): string {
  return bytesOf(pattern.replace(/\/\*\*$/, '').replace(/\/\*$/, ''))
}

function compile(text: string, trimmed: string): IgnorePattern {
  const pattern = compileIgnorePattern(trimmed)
  if (typeof pattern === 'string') throw invalid(text, pattern)
  return pattern
}

function asked(pattern: IgnorePattern, path: IgnorePath): boolean {
  try {
    return pattern.matches(path)
  } catch (thrown) {
    if (thrown instanceof BrokenPattern) throw invalid(pattern.text, thrown.message)
    throw thrown
  }
}

function invalid(pattern: string, why: string): SlipwayError {
  const message = `invalid pattern ${JSON.stringify(pattern)}: ${why}`
  return new SlipwayError({ code: 'ERR_PATTERN_INVALID', message })
}
