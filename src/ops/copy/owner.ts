// COPY/ADD --chown and the owner of WORKDIR: `user[:group]` to numbers, names looked up in the image the
// files are copied into. Follows BuildKit's solver/llbsolver/ops/user_linux.go.
import { SlipwayError } from '../../core/error.ts'

export interface UserIds {
  readonly uid: number
  readonly gid: number
}

/** The content of a small regular file of the base, or undefined when there is none. */
export type ReadBaseFile = (path: string) => Promise<Buffer | undefined>

/** What to do about a name that is not found, told as an error: throw it, or return to have 0 taken. */
export type OnUnknownName = (error: SlipwayError) => void

/**
 * The ids of `owner`. A user by name brings its primary group, a user by number the group of the same number.
 * Differs: BuildKit silently takes 0 for a name it does not find; this throws ERR_OWNER_UNKNOWN unless told otherwise.
 */
export async function resolveOwner(
  owner: string,
  read: ReadBaseFile,
  onUnknown: OnUnknownName = (error) => {
    throw error
  },
): Promise<UserIds> {
  const colon = owner.indexOf(':')
  const user = colon === -1 ? owner : owner.slice(0, colon)
  const group = colon === -1 ? undefined : owner.slice(colon + 1)
  const userIds = async (): Promise<UserIds> => {
    // `:group` leaves the user 0, as in BuildKit.
    if (user === '' && group !== undefined) return { uid: 0, gid: 0 }
    const found = await findUser(user, read)
    if (found === undefined) onUnknown(unknown('user', user, owner))
    return found ?? { uid: 0, gid: 0 }
  }
  const ids = await userIds()
  if (group === undefined) return ids
  const gid = await findGroup(group, read)
  if (gid === undefined) onUnknown(unknown('group', group, owner))
  return { uid: ids.uid, gid: gid ?? 0 }
}

async function findUser(user: string, read: ReadBaseFile): Promise<UserIds | undefined> {
  const id = numericId(user)
  if (id !== undefined) return { uid: id, gid: id }
  for (const [name, , uid, gid] of await readTable('/etc/passwd', read)) {
    if (name !== user) continue
    const ids = { uid: numericId(uid ?? ''), gid: numericId(gid ?? '') }
    if (ids.uid !== undefined && ids.gid !== undefined) return { uid: ids.uid, gid: ids.gid }
  }
  return undefined
}

async function findGroup(group: string, read: ReadBaseFile): Promise<number | undefined> {
  const id = numericId(group)
  if (id !== undefined) return id
  for (const [name, , gid] of await readTable('/etc/group', read)) {
    if (name !== group) continue
    const found = numericId(gid ?? '')
    if (found !== undefined) return found
  }
  return undefined
}

/** `root` is 0 even in an image without /etc/passwd. */
function numericId(text: string): number | undefined {
  if (text === 'root') return 0
  if (!/^\+?[0-9]{1,10}$/.test(text)) return undefined
  const id = Number(text)
  // The largest id means "unchanged" to chown(2).
  return id < 0xffffffff ? id : undefined
}

async function readTable(path: string, read: ReadBaseFile): Promise<string[][]> {
  const content = await read(path)
  return content === undefined
    ? []
    : content
        .toString('utf8')
        .split('\n')
        .map((line) => line.trim().split(':'))
}

function unknown(kind: 'user' | 'group', name: string, owner: string): SlipwayError {
  const file = kind === 'user' ? '/etc/passwd' : '/etc/group'
  return new SlipwayError({
    code: 'ERR_OWNER_UNKNOWN',
    message: `unable to find ${kind} ${JSON.stringify(name)} of owner ${JSON.stringify(owner)}: no matching entry in ${file} of the image`,
    hint: `create the ${kind} in an earlier step, or write a number`,
  })
}
