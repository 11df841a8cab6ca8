// The caller's SSH agents: where `--ssh` says they are, opened when a step or git asks for one.
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { errnoOf, SlipwayError } from '../core/error.ts'
import type { Agent } from '../ssh/agent.ts'
import type { Native } from '../sys/native.ts'
import { openTemporary } from '../sys/temporary.ts'

/** One `--ssh`: the socket of an agent, or files of private keys. */
export interface AgentSource {
  readonly id: string
  readonly from: { readonly socket: string } | { readonly keys: readonly string[] }
}

export interface SshAgents extends AsyncDisposable {
  /** The agent called `id`; undefined when there is none. Throws ERR_SSH_KEY. */
  find(id: string): Promise<Agent | undefined>
  /** The path of a socket at which it answers programs of this machine, until this is disposed of. */
  socket(id: string): Promise<string | undefined>
}

/** A key of this many bytes is none. */
const maxKeyBytes = 64 << 10

/** The agents of these sources; of two with one id the last one. */
export function openAgents(sources: readonly AgentSource[], native: Native): SshAgents {
  const found = new Map<string, Promise<Agent | undefined>>()
  const closing: (() => PromiseLike<void>)[] = []
  const find = (id: string): Promise<Agent | undefined> => {
    const agent = found.get(id) ?? agentOf(sources.findLast((source) => source.id === id))
    found.set(id, agent)
    return agent
  }
  return {
    find,
    async socket(id) {
      const source = sources.findLast((one) => one.id === id)
      if (source !== undefined && 'socket' in source.from) return source.from.socket
      const agent = await find(id)
      if (agent === undefined) return undefined
      const { serveAgent } = await import('../ssh/agent.ts')
      // Not in the state directory, whose path may be longer than that of a socket.
      const temporary = openTemporary(tmpdir(), 'slipway-ssh-', native)
      closing.push(async () => temporary[Symbol.dispose]())
      const directory = temporary.path
      const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
      const served = await serveAgent(agent, { directory, name: 'agent', mode: 0o600, ...owner })
      closing.push(() => served[Symbol.asyncDispose]())
      return served.path
    },
    async [Symbol.asyncDispose]() {
      for (const close of closing.reverse()) await close()
    },
  }
}

async function agentOf(source: AgentSource | undefined): Promise<Agent | undefined> {
  if (source === undefined) return undefined
  const { keyAgent, socketAgent } = await import('../ssh/agent.ts')
  if ('socket' in source.from) return socketAgent(source.from.socket)
  const { parsePrivateKey } = await import('../ssh/private-key.ts')
  const keys = source.from.keys.map(async (path) => ({
    key: parsePrivateKey(await readKey(path), path),
    comment: path,
  }))
  return keyAgent(await Promise.all(keys))
}

async function readKey(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxKeyBytes + 1), 0, maxKeyBytes + 1, 0)
    if (bytesRead > maxKeyBytes) throw unreadable(path, 'it is too large for a key')
    return buffer.toString('utf8', 0, bytesRead)
  } catch (thrown) {
    if (thrown instanceof SlipwayError) throw thrown
    throw unreadable(path, errnoOf(thrown) ?? String(thrown))
  }
}

function unreadable(path: string, reason: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_SSH_KEY', message: `read SSH key ${path}: ${reason}` })
}
