// Secret mounts: values of the user as files on a private tmpfs and as variables of one process. They are in no op, key,
// event or message; where they come from is the app's business.
import { isUtf8 } from 'node:buffer'
import { SlipwayError } from '../../core/error.ts'
import type { ExecMount } from '../../graph/op.ts'
import type { Mount } from '../../sandbox/types.ts'

/** A secret byte for byte, or why there is none. */
export type FoundSecret = { readonly value: Buffer } | { readonly missing: string }

/** The secret of that name; the same answer however often it is asked. */
export type FindSecret = (id: string) => Promise<FoundSecret>

/** What a process gets of a secret. */
export interface SecretShare {
  readonly mounts: readonly Mount[]
  /** `NAME=value`. */
  readonly env: readonly string[]
  readonly value?: Buffer
  /** What a person has to know: the process will not find what the Dockerfile names. */
  readonly warning?: string
}

/** Throws ERR_SECRET_MISSING for a required one that is not there, ERR_SECRET_INVALID for one that cannot be a variable. */
export async function secretShare(
  mount: Extract<ExecMount, { kind: 'secret' }>,
  find: FindSecret,
): Promise<SecretShare> {
  const found = await find(mount.id)
  if ('missing' in found) return missingShare(mount, found.missing)
  const { value } = found
  const { target, env, mode, uid, gid } = mount
  return {
    mounts: target === undefined ? [] : [{ kind: 'file', target, content: value, mode, uid, gid }],
    env: env === undefined ? [] : [`${env}=${variableOf(mount.id, value)}`],
    value,
  }
}

function missingShare(
  { id, required, target, env }: Extract<ExecMount, { kind: 'secret' }>,
  reason: string,
): SecretShare {
  if (required) {
    throw new SlipwayError({
      code: 'ERR_SECRET_MISSING',
      message: `secret ${id}: not found: ${reason}`,
      hint: `pass it: --secret id=${id},src=FILE or --secret id=${id},env=VARIABLE`,
    })
  }
  const consequences = [
    ...(target === undefined ? [] : [`there is no ${target}`]),
    ...(env === undefined ? [] : [`${env} is empty`]),
  ]
  // Differs: BuildKit says nothing, and a step that tests for the file does something else than was meant.
  return {
    mounts: [],
    env: env === undefined ? [] : [`${env}=`],
    warning: `secret ${id} is missing, ${consequences.join(' and ')}: ${reason}`,
  }
}

function variableOf(id: string, value: Buffer): string {
  if (!value.includes(0) && isUtf8(value)) return value.toString('utf8')
  throw new SlipwayError({
    code: 'ERR_SECRET_INVALID',
    message: `secret ${id}: it is no text, which a variable has to be`,
    hint: 'mount it as a file: leave env= out',
  })
}
