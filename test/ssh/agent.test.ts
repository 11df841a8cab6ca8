import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Agent, serveAgent, socketAgent } from '../../src/ssh/agent.ts'

/** An agent that answers with what it was asked, and remembers it. */
function echo(): { agent: Agent; asked: number[] } {
  const asked: number[] = []
  const ask = async (message: Buffer): Promise<Buffer> => {
    asked.push(message[0] ?? 0)
    return Buffer.from(message)
  }
  return { agent: { open: () => ({ ask, close: () => undefined }) }, asked }
}

function frame(...bytes: readonly number[]): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, Buffer.from(bytes)])
}

/** Sends chunks and resolves with what came back by the time `wanted` bytes did, or the connection ended. */
function talk(path: string, chunks: readonly Buffer[], wanted: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path)
    let got = Buffer.alloc(0)
    const end = (): void => {
      socket.destroy()
      resolve(got)
    }
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk])
      if (got.length >= wanted) end()
    })
    socket.on('close', end)
    socket.on('error', reject)
    for (const chunk of chunks) socket.write(chunk)
  })
}

describe('serveAgent', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'slipway-agent-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const serve = (agent: Agent) => serveAgent(agent, { directory, name: 'a', mode: 0o660, ...owner })

  it('passes on questions for keys and signatures, and nothing that changes any', async () => {
    const { agent, asked } = echo()
    await using served = await serve(agent)
    const all = [11, 13, 27, 17, 18, 19, 20, 21, 22, 23, 25, 26, 1, 9, 0, 255]
    const answers = await talk(
      served.path,
      all.map((type) => frame(type)),
      5 * all.length,
    )
    expect(asked).toEqual([11, 13, 27])
    expect(
      answers.equals(Buffer.concat([frame(11), frame(13), frame(27), ...all.slice(3).map(() => frame(5))])),
    ).toBe(true)
  })

  it('takes messages in pieces and several at once', async () => {
    await using served = await serve(echo().agent)
    const both = Buffer.concat([frame(11, 1, 2), frame(13, 3)])
    const pieces = [...both].map((byte) => Buffer.from([byte]))
    expect((await talk(served.path, pieces, both.length)).equals(both)).toBe(true)
  })

  it.each([
    ['no length', [0, 0, 0, 0]],
    ['more than an agent takes', [0, 5, 0, 0]],
    ['four gigabytes', [255, 255, 255, 255]],
  ])('ends a conversation whose message has %s', async (_what, bytes) => {
    await using served = await serve(echo().agent)
    expect(await talk(served.path, [Buffer.from(bytes)], 1)).toHaveLength(0)
    expect(await talk(served.path, [frame(11)], 5)).toHaveLength(5)
  })

  it('says that it failed when the agent does', async () => {
    const failing: Agent = {
      open: () => ({ ask: () => Promise.reject(new Error('gone')), close: () => undefined }),
    }
    await using served = await serve(failing)
    expect((await talk(served.path, [frame(11)], 5)).equals(frame(5))).toBe(true)
    const upstream = socketAgent(join(directory, 'nobody'))
    await using other = await serveAgent(upstream, { directory, name: 'b', mode: 0o600, ...owner })
    expect((await talk(other.path, [frame(11)], 5)).equals(frame(5))).toBe(true)
  })

  it('forwards to another socket, each client to a connection of its own', async () => {
    let connections = 0
    const server = createServer((client) => {
      connections++
      client.on('error', () => undefined)
      client.pipe(client)
    })
    await new Promise<void>((resolve) => server.listen(join(directory, 'real'), resolve))
    {
      await using served = await serve(socketAgent(join(directory, 'real')))
      const answers = await Promise.all([1, 2, 3].map((n) => talk(served.path, [frame(11, n)], 6)))
      expect(answers.map((answer) => answer[5])).toEqual([1, 2, 3])
      expect(connections).toBe(3)
    }
    await new Promise((resolve) => server.close(resolve))
  })

  it('has the mode it is given, below a directory of any length, and is gone afterwards', async () => {
    const deep = join(directory, 'd'.repeat(100), 'e'.repeat(100))
    mkdirSync(deep, { recursive: true })
    const { agent } = echo()
    const served = await serveAgent(agent, { directory: deep, name: 'a', mode: 0o640, ...owner })
    const stat = statSync(served.path)
    expect([stat.isSocket(), stat.mode & 0o777]).toEqual([true, 0o640])
    await served[Symbol.asyncDispose]()
    expect(statSync(served.path, { throwIfNoEntry: false })).toBeUndefined()
  })
})
