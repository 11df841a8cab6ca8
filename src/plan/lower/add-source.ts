// What the sources of an ADD are: files of the build context, files on the web, git repositories; and whether
// the flags that are about remote sources fit them.
import type { Diagnostic } from '../../core/diagnostic.ts'
import { type GitReference, isCommitPrefix, isHttpUrl, readGitReference } from '../../core/git-reference.ts'
import type { Add, Word } from '../../dockerfile/ast.ts'
import { warningOf } from '../../dockerfile/lint/rule.ts'
import { ignoredFlag } from '../../dockerfile/lint/tree/ignored-flag.ts'
import type { SourcePath } from './transfer.ts'

/** A source of ADD, with what the instruction's flags add to it. */
export type AddSource =
  | { readonly kind: 'local'; readonly path: SourcePath }
  | {
      readonly kind: 'http'
      readonly url: string
      readonly word: Word
      /** Of the file's content: `sha256:…`, `sha384:…`, `sha512:…`. */
      readonly checksum?: string
    }
  | { readonly kind: 'git'; readonly reference: GitReference; readonly path: SourcePath }

type Report = (diagnostic: Diagnostic) => void

/** The sources of an ADD; those that are wrong are reported and left out. `checksum` is expanded, '' without one. */
export function addSources(
  instruction: Add,
  paths: readonly SourcePath[],
  checksum: string,
  report: Report,
): AddSource[] {
  const sources = paths.flatMap((path) => sourceOf(path, report) ?? [])
  const flags: FlagContext = { instruction, checksum, report }
  if (checksum !== '' && !takesChecksum(sources, paths.length, flags)) return []
  if (instruction.keepGitDir !== undefined) reportPointless(sources, flags)
  return sources.flatMap((source) => withFlags(source, flags) ?? [])
}

function sourceOf(path: SourcePath, report: Report): AddSource | undefined {
  const { text, word } = path
  const read = readGitReference(text)
  if (read.kind === 'wrong') {
    report({ code: 'InvalidGitReference', severity: 'error', message: read.message, span: word.span })
    return undefined
  }
  if (read.kind === 'git' && !read.reference.isAmbiguous)
    return { kind: 'git', reference: read.reference, path }
  if (/^(?:git|ssh):\/\//i.test(text)) {
    // Differs: BuildKit then looks for a local file of that name.
    report({
      code: 'InvalidGitReference',
      severity: 'error',
      message: `invalid URL of a git repository: ${text}`,
      span: word.span,
      hint: 'put a slash behind the host, or leave the scheme out: user@host:path',
    })
    return undefined
  }
  return isHttpUrl(text) ? { kind: 'http', url: text, word } : { kind: 'local', path }
}

interface FlagContext {
  readonly instruction: Add
  readonly checksum: string
  readonly report: Report
}

/** Differs: BuildKit lets `github.com/a/b` pass for a repository here, and then copies the local file of that name unverified. */
function takesChecksum(sources: readonly AddSource[], written: number, flags: FlagContext): boolean {
  const { instruction, report } = flags
  const isSingle = written === 1
  if (isSingle && sources.every((source) => source.kind !== 'local')) return true
  report({
    code: isSingle ? 'ChecksumNotRemote' : 'ChecksumOfSeveral',
    severity: 'error',
    message: isSingle
      ? 'checksum requires HTTP(S) or Git sources'
      : "checksum can't be specified for multiple sources",
    span: flagSpan(instruction, 'checksum'),
    ...(isSingle ? {} : { hint: 'write an ADD of its own for each source that has a checksum' }),
  })
  return false
}

function reportPointless(sources: readonly AddSource[], { instruction, report }: FlagContext): void {
  if (sources.some((source) => source.kind === 'git')) return
  const message = 'flag --keep-git-dir has no effect: no source is a git repository'
  report(warningOf(ignoredFlag, { message, span: flagSpan(instruction, 'keep-git-dir') }))
}

function withFlags(source: AddSource, flags: FlagContext): AddSource | undefined {
  const { checksum } = flags
  if (source.kind === 'git') return gitWithFlags(source, flags)
  if (source.kind === 'local' || checksum === '') return source
  const mistake = digestMistake(checksum)
  if (mistake === undefined) return { ...source, checksum }
  const hint = 'write the digest of the file: sha256:<64 hex digits>'
  fail(flags, 'checksum', { code: 'InvalidChecksum', message: `${mistake}: ${checksum}`, hint })
  return undefined
}

function gitWithFlags(
  source: Extract<AddSource, { kind: 'git' }>,
  flags: FlagContext,
): AddSource | undefined {
  const { checksum, instruction } = flags
  const { reference } = source
  if (checksum !== '' && !isCommitPrefix(checksum)) {
    const message = `invalid checksum ${checksum} for Git URL, expected hex commit hash`
    fail(flags, 'checksum', { code: 'InvalidChecksum', message })
    return undefined
  }
  if (checksum !== '' && reference.checksum !== undefined && reference.checksum !== checksum) {
    const message = `checksum mismatch ${JSON.stringify(checksum)} != ${JSON.stringify(reference.checksum)}`
    fail(flags, 'checksum', { code: 'InvalidChecksum', message }, source.path.word)
    return undefined
  }
  const { keepGitDir } = instruction
  if (keepGitDir !== undefined && reference.keepGitDir !== undefined && keepGitDir !== reference.keepGitDir) {
    const message = 'inconsistent keep-git-dir configuration'
    fail(flags, 'keep-git-dir', { code: 'InconsistentKeepGitDir', message }, source.path.word)
    return undefined
  }
  return {
    ...source,
    reference: {
      ...reference,
      ...(checksum === '' ? {} : { checksum }),
      ...(keepGitDir === undefined ? {} : { keepGitDir }),
    },
  }
}

/** What is wrong with a digest, in the words of go-digest. */
function digestMistake(text: string): string | undefined {
  const [, algorithm = '', hex = ''] = /^([a-z0-9]+(?:[.+_-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)$/.exec(text) ?? []
  if (algorithm === '') return 'invalid checksum digest format'
  const length = Object.hasOwn(digestLengths, algorithm) ? digestLengths[algorithm] : undefined
  if (length === undefined) return 'unsupported digest algorithm'
  if (hex.length !== length) return 'invalid checksum digest length'
  return /^[a-f0-9]+$/.test(hex) ? undefined : 'invalid checksum digest format'
}

const digestLengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 }

function fail(
  { instruction, report }: FlagContext,
  flag: string,
  what: Pick<Diagnostic, 'code' | 'message' | 'hint'>,
  other?: Word,
): void {
  const notes =
    other === undefined ? {} : { notes: [{ span: other.span, text: 'the source says otherwise' }] }
  report({ ...what, severity: 'error', span: flagSpan(instruction, flag), ...notes })
}

function flagSpan(instruction: Add, name: string) {
  const flag = instruction.flags.find((candidate) => candidate.name === name)
  return flag?.value?.span ?? flag?.span ?? instruction.span
}
