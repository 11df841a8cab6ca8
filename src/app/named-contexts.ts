// `--build-context name=source`: what each means to the plan, and where the local ones are.
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Diagnostic, Outcome } from '../core/diagnostic.ts'
import { errnoOf, redact, SlipwayError } from '../core/error.ts'
import { familiarReference, parseReference } from '../core/reference.ts'
import type { SourceFile } from '../core/span.ts'
import { parseIgnoreFile } from '../dockerfile/ignore-file.ts'
import type { Graph } from '../graph/op.ts'
import type { NamedContext } from '../plan/types.ts'
import { decodeText } from './decode-text.ts'
import { fetchedSource } from './fetched-context.ts'
import { readRegular } from './input.ts'
import { findLayoutImage, isLayoutName } from './layout-images.ts'

export interface NamedContexts {
  readonly plan: Readonly<Record<string, NamedContext>>
  /** Absolute paths of the local ones. */
  readonly directories: Readonly<Record<string, string>>
  /** Directories of OCI layouts by the references of images in them. */
  readonly layouts: Readonly<Record<string, string>>
  /** The ignore files of local ones, by the name of the context; they are called by the path that leads to them from here. */
  readonly ignoreFiles: Readonly<Record<string, SourceFile>>
  /** What is wrong or doubtful in the ignore files of those that the graph reads. */
  mistakes(graph: Graph): readonly Diagnostic[]
}

const imageSchemes = ['docker-image://', 'container-image://']
const maxIgnoreFileBytes = 16 << 20

/** Throws ERR_CONTEXT_* and ERR_LAYOUT_*, naming the context. */
export async function namedContexts(
  sources: Readonly<Record<string, string>>,
): Promise<Outcome<NamedContexts>> {
  const plan: Record<string, NamedContext> = {}
  const directories: Record<string, string> = {}
  const layouts: Record<string, string> = {}
  const diagnostics: Diagnostic[] = []
  const ignoreFiles: Record<string, SourceFile> = {}
  const inIgnoreFiles: Record<string, readonly Diagnostic[]> = {}
  for (const [typed, source] of Object.entries(sources)) {
    const name = nameOf(typed)
    if (name === 'scratch' || name === 'context') {
      // Differs: BuildKit does not say so.
      const message = `build context ${name} has no effect: the name means something else`
      diagnostics.push({ code: 'IgnoredBuildContext', severity: 'warning', message })
      continue
    }
    const scheme = imageSchemes.find((s) => source.startsWith(s))
    if (scheme !== undefined) {
      plan[name] = { kind: 'image', reference: source.slice(scheme.length) }
      continue
    }
    if (isLayoutName(source)) {
      const found = await findLayoutImage(name, source)
      const { reference, directory } = found.value
      diagnostics.push(...found.diagnostics)
      plan[name] = { kind: 'image', reference }
      layouts[reference] = directory
      continue
    }
    // Differs: BuildKit takes `github.com/…` for a repository and then fails; here it is the directory of that name.
    const fetched = source.startsWith('github.com/') ? undefined : fetchedSource(source)
    if (fetched !== undefined) {
      plan[name] = fetched
      continue
    }
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source) || source.startsWith('target:')) {
      throw new SlipwayError({
        code: 'ERR_CONTEXT_UNSUPPORTED',
        message: `open context ${name}: unsupported context source ${redact(source)}`,
        hint: 'give a directory, docker-image://REFERENCE, oci-layout://DIRECTORY[:TAG|@DIGEST], a git repository or a URL',
      })
    }
    const directory = resolve(source)
    checkDirectory(name, directory)
    const ignoreFile = readIgnoreFile(source, directory)
    if (ignoreFile !== undefined) ignoreFiles[name] = ignoreFile
    const read = parseIgnoreFile(ignoreFile?.text ?? '', ignoreFile?.name)
    plan[name] = { kind: 'local', ignore: read.value.map(({ pattern }) => pattern) }
    directories[name] = directory
    inIgnoreFiles[name] = read.diagnostics
  }
  const mistakes = ({ ops }: Graph) =>
    Object.values(ops).flatMap((op) => (op.kind === 'local' ? (inIgnoreFiles[op.name] ?? []) : []))
  return { value: { plan, directories, layouts, ignoreFiles, mistakes }, diagnostics }
}

/** As the names of images are compared: `alpine:latest` and `docker.io/library/alpine` are `alpine`. */
function nameOf(typed: string): string {
  try {
    return familiarReference(parseReference(typed)).replace(/:latest$/, '')
  } catch (thrown) {
    if (!(thrown instanceof SlipwayError)) throw thrown
    throw new SlipwayError({
      code: 'ERR_CONTEXT_INVALID',
      message: `invalid context name ${JSON.stringify(typed)}: ${thrown.message}`,
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
      cause: thrown,
    })
  }
}

function readIgnoreFile(source: string, directory: string): SourceFile | undefined {
  const path = join(directory, '.dockerignore')
  const bytes = readRegular(path, maxIgnoreFileBytes, 'ignore file', directory)
  if (bytes === undefined) return undefined
  // Unlike the main context's, which is `.dockerignore`: messages must tell them from each other.
  const name = `${source.replace(/\/+$/, '')}/.dockerignore`
  return { name, text: decodeText(bytes, 'ignore file', path) }
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
