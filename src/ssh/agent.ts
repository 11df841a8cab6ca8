// SSH agents (draft-ietf-sshm-ssh-agent) as steps may use them: asked for their keys and for signatures, never changed.
// One is a socket of the caller, another is made of key files; both are served on a socket of their own.
import { chmodSync, chownSync, closeSync, constants, openSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { SshKey } from './private-key.ts'
import { SshReader, sshString, sshUint32 } from './wire.ts'

/** Something that answers as an agent does. */
export interface Agent {
  open(): AgentSession
}

/** One client's conversation. */
export interface AgentSession {
  /** The answer to a message; both without their length. Rejects when there is none. */
  ask(message: Buffer): Promise<Buffer>
  close(): void
}

const messages = {
  failure: 5,
  identities: 11,
  identitiesAnswer: 12,
  sign: 13,
  signResponse: 14,
  extension: 27,
} as const

/** What a client may ask. As in BuildKit nothing that adds, removes or locks keys. */
const allowed: ReadonlySet<number> = new Set([messages.identities, messages.sign, messages.extension])

const failure = Buffer.from([messages.failure])

/** OpenSSH's own limit of a message. */
const maxMessageBytes = 256 << 10
/** At the same time: more are no use to an honest step. */
const maxConnections = 64

/** The agent that listens at `socket`. */
export function socketAgent(socket: string): Agent {
  return {
    open() {
      const upstream = connect(socket).on('error', () => undefined)
      const frames = framesOf(upstream)
      return {
        async ask(message) {
          upstream.write(framed(message))
          const { value } = await frames.next()
          if (value === undefined) throw new Error('the agent has gone')
          return value
        },
        close: () => void upstream.destroy(),
      }
    },
  }
}

/** An agent that holds these keys, in their order. */
export function keyAgent(keys: readonly { readonly key: SshKey; readonly comment: string }[]): Agent {
  const list = Buffer.concat([
    Buffer.from([messages.identitiesAnswer]),
    sshUint32(keys.length),
    ...keys.flatMap(({ key, comment }) => [sshString(key.blob), sshString(comment)]),
  ])
  const answer = (message: Buffer): Buffer => {
    const request = new SshReader(message)
    const type = request.byte()
    if (type === messages.identities) return list
    if (type !== messages.sign) return failure
    const blob = request.string()
    const data = request.string()
    const flags = request.uint32()
    const found = keys.find(({ key }) => key.blob.equals(blob))
    if (found === undefined) return failure
    return Buffer.concat([Buffer.from([messages.signResponse]), sshString(found.key.sign(data, flags))])
  }
  return { open: () => ({ ask: async (message) => answer(message), close: () => undefined }) }
}

export interface ServeOptions {
  /** An existing directory that nobody else writes to. */
  readonly directory: string
  /** A file name. */
  readonly name: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export interface ServedAgent extends AsyncDisposable {
  /** Of the socket. */
  readonly path: string
}

/** Serves `agent` on a socket until it is disposed of. */
export async function serveAgent(agent: Agent, options: ServeOptions): Promise<ServedAgent> {
  const { directory, name, mode, uid, gid } = options
  const path = `${directory}/${name}`
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    clients.add(client)
    client.on('close', () => clients.delete(client)).on('error', () => undefined)
    void converse(client, agent)
  })
  server.maxConnections = maxConnections
  // The path of a socket may have 107 bytes, that of a state directory more.
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  const close = async (): Promise<void> => {
    for (const client of clients) client.destroy()
    await new Promise((resolve) => server.close(resolve))
    closeSync(fd)
  }
  try {
    await listen(server, `/proc/self/fd/${fd}/${name}`)
    chmodSync(path, mode & 0o777)
    chownSync(path, uid, gid)
  } catch (thrown) {
    await close()
    throw thrown
  }
  return { path, [Symbol.asyncDispose]: close }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      // A client that cannot be accepted (no descriptors left) goes without.
      server.on('error', () => undefined)
      resolve()
    })
  })
}

/** Answers one client, message after message. Whatever is wrong with it ends the conversation, and nothing else. */
async function converse(client: Socket, agent: Agent): Promise<void> {
  const session = agent.open()
  try {
    for await (const message of framesOf(client)) {
      const isAllowed = allowed.has(message[0] ?? 0)
      const answer = isAllowed ? await session.ask(message).catch(() => failure) : failure
      if (!client.write(framed(answer))) await drained(client)
    }
  } finally {
    session.close()
    client.destroy()
  }
}

function drained(client: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      client.off('drain', done).off('close', done)
      resolve()
    }
    client.on('drain', done).on('close', done)
  })
}

function framed(message: Buffer): Buffer {
  return sshString(message)
}

/** The messages of a connection; ends with it, and where it is none. */
async function* framesOf(socket: Socket): AsyncGenerator<Buffer, void, undefined> {
  let held: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of socket) {
      held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer])
      while (held.length >= 4) {
        const length = held.readUInt32BE()
        if (length === 0 || length > maxMessageBytes) return
        if (held.length < 4 + length) break
        yield held.subarray(4, 4 + length)
        held = held.subarray(4 + length)
      }
    }
  } catch {
    // A connection that breaks has ended.
  }
}
