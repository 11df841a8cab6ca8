// SSH mounts: a socket in the step at which the caller's agent answers. No key comes into the step, and none of the
// agent's can be changed from there.
import { mkdirSync } from 'node:fs'
import { errnoOf, SlipwayError } from '../../core/error.ts'
import type { ExecMount } from '../../graph/op.ts'
import type { Mount } from '../../sandbox/types.ts'
import { type Agent, type ServedAgent, serveAgent } from '../../ssh/agent.ts'
import type { UserNamespace } from '../../sys/user-namespace.ts'

/** The agent the caller calls `id`, or undefined. Throws ERR_SSH_KEY. */
export type FindAgent = (id: string) => Promise<Agent | undefined>

export type SshMount = Extract<ExecMount, { kind: 'ssh' }>

export interface PreparedSsh extends AsyncDisposable {
  /** What the sandbox is given for each whose agent is there. */
  readonly mounts: ReadonlyMap<SshMount, Mount>
  readonly warnings: readonly string[]
}

export interface SshPlace {
  /** A directory of the step's own. */
  readonly work: string
  readonly namespace: UserNamespace
}

/** Serves the agents of these mounts in the place until it is disposed of. Throws ERR_SSH_AGENT_MISSING, ERR_SSH_OWNER. */
export async function prepareSsh(
  find: FindAgent,
  mounts: readonly SshMount[],
  { work, namespace }: SshPlace,
): Promise<PreparedSsh> {
  const served: ServedAgent[] = []
  const prepared = new Map<SshMount, Mount>()
  const warnings: string[] = []
  const dispose = async (): Promise<void> => {
    for (const one of served) await one[Symbol.asyncDispose]()
  }
  const directory = `${work}/ssh`
  if (mounts.length > 0) mkdirSync(directory, { mode: 0o700 })
  try {
    for (const [index, mount] of mounts.entries()) {
      const { id, target, mode } = mount
      // Where there is one id, whoever a step's user is may use what that id may; a socket cannot be recorded as another's.
      const { uid, gid } = namespace.recordsOwners ? { uid: 0, gid: 0 } : mount
      const agent = await find(id)
      if (agent === undefined) {
        warnings.push(missing(mount))
        continue
      }
      const one = await serveAgent(agent, { directory, name: `agent-${index}`, mode, uid, gid }).catch(
        ownerFailure(mount),
      )
      served.push(one)
      prepared.set(mount, { kind: 'bind', source: one.path, target, readOnly: true })
    }
    return { mounts: prepared, warnings, [Symbol.asyncDispose]: dispose }
  } catch (thrown) {
    await dispose()
    throw thrown
  }
}

/** For a `catch`: chown(2) says EINVAL of an id that the user namespace does not have. */
function ownerFailure({ id, uid, gid }: SshMount): (thrown: unknown) => never {
  return (thrown) => {
    if (errnoOf(thrown) !== 'EINVAL') throw thrown
    throw new SlipwayError({
      code: 'ERR_SSH_OWNER',
      message: `serve SSH agent ${id}: no user ${uid} or no group ${gid} in this user namespace`,
      hint: 'more ids than /etc/subuid and /etc/subgid grant: use a smaller one, or add a line there; slipway doctor shows them',
      cause: thrown,
    })
  }
}

/** Differs: BuildKit says nothing of an agent that is not there and not required. */
function missing({ id, target, required }: SshMount): string {
  if (!required) return `there is no SSH agent ${id} and no ${target}: pass --ssh ${id}`
  throw new SlipwayError({
    code: 'ERR_SSH_AGENT_MISSING',
    message: `no SSH key ${JSON.stringify(id)} forwarded from the client`,
    hint: `pass it: --ssh ${id}=SOCKET or --ssh ${id}=KEYFILE${id === 'default' ? ', or --ssh default for the agent of SSH_AUTH_SOCK' : ''}`,
  })
}
