// The user's secrets: where `--secret` says they are, read when something asks for one by name.
import { readFile, stat } from 'node:fs/promises'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { ReadSecret } from '../fetch/secret.ts'

/** One `--secret`: a file, or a variable of the environment. */
export interface SecretSource {
  readonly id: string
  readonly from: { readonly file: string } | { readonly variable: string }
}

/** BuildKit's limit. */
const maxSecretBytes = 500 << 10

/** Reads from these sources. Throws ERR_SECRET_UNREADABLE for what the user named and is not there. */
export function openSecrets(
  sources: readonly SecretSource[],
  environment: Readonly<Record<string, string | undefined>>,
): ReadSecret {
  return async (id) => {
    const source = sources.findLast((one) => one.id === id)
    if (source === undefined) return undefined
    const text =
      'file' in source.from ? await readSecretFile(id, source.from.file) : environment[source.from.variable]
    if (text === undefined) {
      const variable = 'variable' in source.from ? source.from.variable : ''
      throw unreadable(id, `the environment variable ${variable} is not set`)
    }
    return text.replace(/\r?\n$/, '')
  }
}

async function readSecretFile(id: string, path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > maxSecretBytes) throw unreadable(id, `larger than ${maxSecretBytes >> 10} KiB`)
    return await readFile(path, 'utf8')
  } catch (thrown) {
    if (thrown instanceof SlipwayError) throw thrown
    const errno = errnoOf(thrown)
    throw unreadable(
      id,
      `${path}: ${errno === 'ENOENT' ? 'no such file' : (errno ?? String(thrown))}`,
      thrown,
    )
  }
}

function unreadable(id: string, reason: string, cause?: unknown): SlipwayError {
  return new SlipwayError({ code: 'ERR_SECRET_UNREADABLE', message: `read secret ${id}: ${reason}`, cause })
}
