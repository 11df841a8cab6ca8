// The user's secrets: where `--secret` says they are, read when something asks for one by name.
import { type FileHandle, open } from 'node:fs/promises'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { ReadSecret } from '../fetch/secret.ts'
import type { FindSecret, FoundSecret } from '../ops/mounts/secret.ts'

/** One `--secret`: a file, or a variable of the environment. */
export interface SecretSource {
  readonly id: string
  readonly from: { readonly file: string } | { readonly variable: string }
}

/** Each is read once: a file may be a pipe. */
export interface Secrets {
  /** Byte for byte, for the processes of steps. */
  readonly find: FindSecret
  /** As text, for those who fetch. Throws ERR_SECRET_UNREADABLE also for a variable that is not set. */
  readonly read: ReadSecret
}

/** BuildKit's limit. */
const maxSecretBytes = 500 << 10

/** Reads from these sources. Throws ERR_SECRET_UNREADABLE for a file that cannot be read or is too large. */
export function openSecrets(
  sources: readonly SecretSource[],
  environment: Readonly<Record<string, string | undefined>>,
): Secrets {
  const known = new Map<string, Promise<FoundSecret>>()
  const find: FindSecret = (id) => {
    const found = known.get(id) ?? look(id, sources, environment)
    known.set(id, found)
    return found
  }
  return {
    find,
    async read(id) {
      if (!sources.some((source) => source.id === id)) return undefined
      const found = await find(id)
      if ('missing' in found) throw unreadable(id, found.missing)
      return found.value.toString('utf8').replace(/\r?\n$/, '')
    },
  }
}

async function look(
  id: string,
  sources: readonly SecretSource[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<FoundSecret> {
  const source = sources.findLast((one) => one.id === id)
  if (source === undefined) return { missing: `there is no --secret id=${id}` }
  if ('file' in source.from) return { value: await readSecretFile(id, source.from.file) }
  const { variable } = source.from
  const text = environment[variable]
  if (text === undefined) return { missing: `the environment variable ${variable} is not set` }
  const value = Buffer.from(text)
  if (value.length > maxSecretBytes) throw tooLarge(id)
  return { value }
}

async function readSecretFile(id: string, path: string): Promise<Buffer> {
  try {
    await using file = await open(path)
    return await readLimited(id, file)
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

async function readLimited(id: string, file: FileHandle): Promise<Buffer> {
  const buffer = Buffer.alloc(maxSecretBytes + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length)
    if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length))
    length += bytesRead
    if (length > maxSecretBytes) throw tooLarge(id)
  }
}

function tooLarge(id: string): SlipwayError {
  return unreadable(id, `larger than ${maxSecretBytes >> 10} KiB`)
}

function unreadable(id: string, reason: string, cause?: unknown): SlipwayError {
  return new SlipwayError({ code: 'ERR_SECRET_UNREADABLE', message: `read secret ${id}: ${reason}`, cause })
}
