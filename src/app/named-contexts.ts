// `--build-context name=source`: what each means to the plan, and where the local ones are.
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { errnoOf, redact, SlipwayError } from '../core/error.ts'
import { parseIgnoreFile } from '../dockerfile/ignore-file.ts'
import type { NamedContext } from '../plan/types.ts'
import { decodeText } from './decode-text.ts'
import { fetchedSource } from './fetched-context.ts'
import { readRegular } from './input.ts'

export interface NamedContexts {
  readonly plan: Readonly<Record<string, NamedContext>>
  /** Absolute paths of the local ones. */
  readonly directories: Readonly<Record<string, string>>
}

const imageSchemes = ['docker-image://', 'container-image://']
const maxIgnoreFileBytes = 16 << 20

/** Throws ERR_CONTEXT_MISSING, ERR_CONTEXT_UNSUPPORTED and ERR_PATTERN_INVALID, naming the context. */
export function namedContexts(sources: Readonly<Record<string, string>>): NamedContexts {
  const plan: Record<string, NamedContext> = {}
  const directories: Record<string, string> = {}
  for (const [name, source] of Object.entries(sources)) {
    const scheme = imageSchemes.find((s) => source.startsWith(s))
    if (scheme !== undefined) {
      plan[name] = { kind: 'image', reference: source.slice(scheme.length) }
      continue
    }
    // Differs: BuildKit takes `github.com/…` for a repository and then fails; here it is the directory of that name.
    const fetched = source.startsWith('github.com/') ? undefined : fetchedSource(source)
    if (fetched !== undefined) {
      plan[name] = fetched
      continue
    }
    if (/^[a-z][a-z0-9+.-]*:/i.test(source)) {
      throw new SlipwayError({
        code: 'ERR_CONTEXT_UNSUPPORTED',
        message: `open context ${name}: ${redact(source)} is not supported yet`,
        hint: 'give a directory, docker-image://REFERENCE, a git repository or a URL',
      })
    }
    const directory = resolve(source)
    checkDirectory(name, directory)
    plan[name] = { kind: 'local', ignore: ignoreOf(name, directory) }
    directories[name] = directory
  }
  return { plan, directories }
}

function ignoreOf(name: string, directory: string): readonly string[] {
  const path = join(directory, '.dockerignore')
  const bytes = readRegular(path, maxIgnoreFileBytes, 'ignore file', directory)
  if (bytes === undefined) return []
  const { value, diagnostics } = parseIgnoreFile(decodeText(bytes, 'ignore file', path))
  const wrong = diagnostics.find(({ severity }) => severity === 'error')
  if (wrong === undefined) return value.map(({ pattern }) => pattern)
  throw new SlipwayError({ code: 'ERR_PATTERN_INVALID', message: `open context ${name}: ${wrong.message}` })
}

function checkDirectory(name: string, directory: string): void {
  try {
    if (statSync(directory).isDirectory()) return
  } catch (cause) {
    throw new SlipwayError({
      code: 'ERR_CONTEXT_MISSING',
      message: `open context ${name}: ${directory}: ${errnoOf(cause) === 'ENOENT' ? 'no such directory' : errnoOf(cause)}`,
      cause,
    })
  }
  throw new SlipwayError({
    code: 'ERR_CONTEXT_MISSING',
    message: `open context ${name}: ${directory}: not a directory`,
  })
}
