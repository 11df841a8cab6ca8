// Network namespaces for steps, each connected by a program of its own. A step has one to itself; one that ended
// leaves it to the next, so that a build of many steps starts few programs.
import { readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../core/context.ts'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { type HelperEnd, spawnHelper } from '../sys/helper-process.ts'
import type { Native } from '../sys/native.ts'
import type { NetworkProgram } from './network-program.ts'
import { quotedLine } from './quoted-line.ts'
import { encodeNetworkRequest } from './run-request.ts'
import type { NetworkNamespace, Sandbox } from './types.ts'

export interface NetworkPool extends AsyncDisposable {
  /** A namespace that nobody else has. Throws ERR_NETWORK_FAILED when it cannot be connected. */
  take(cx: Context): Promise<NetworkLease>
}

export interface NetworkLease {
  readonly namespace: NetworkNamespace
  /** Gives it back; one that a step may have reconfigured is not used again. */
  release(isChanged: boolean): void
}

interface Connected {
  readonly namespace: NetworkNamespace
  isAlive(): boolean
  end(): Promise<void>
}

/** The pool of one build; nothing is started before it is asked for, everything ends with the pool or this process. */
export function openNetworkPool(native: Native, program: NetworkProgram): NetworkPool {
  const all = new Set<Connected>()
  const idle: Connected[] = []
  const discard = (connected: Connected): void => {
    all.delete(connected)
    void connected.end()
  }
  return {
    async take(cx) {
      let connected = idle.pop()
      while (connected !== undefined && !connected.isAlive()) connected = idle.pop()
      connected ??= await connect(native, program, cx)
      const taken = connected
      all.add(taken)
      return {
        namespace: taken.namespace,
        release(isChanged) {
          if (isChanged || !taken.isAlive()) discard(taken)
          else idle.push(taken)
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...all].map((connected) => connected.end()))
    },
  }
}

/** The sandbox with every `default` network replaced by a namespace of the pool. */
export function isolatedSandbox(sandbox: Sandbox, pool: NetworkPool): Sandbox {
  return {
    async run(spec, io, cx) {
      if (spec.network !== 'default') return await sandbox.run(spec, io, cx)
      const lease = await pool.take(cx)
      try {
        return await sandbox.run({ ...spec, networkNamespace: lease.namespace }, io, cx)
      } finally {
        lease.release(spec.security === 'insecure')
      }
    },
  }
}

const connectMs = 20_000

async function connect(native: Native, program: NetworkProgram, cx: Context): Promise<Connected> {
  const killed = new AbortController()
  let code: unknown
  const helper = spawnHelper(native, 'run', {
    signal: killed.signal,
    stdio: ['ignore', 'pipe', 'pipe'],
    onStatus(line) {
      if (line.exit !== undefined) code = (line.exit as { readonly code?: number }).code
    },
  })
  const { pid } = helper.child
  const namespace = `/proc/${pid}/ns/net`
  const command = [program.program, ...program.args.map((arg) => (arg === '@' ? namespace : arg))]
  helper.request.end(encodeNetworkRequest(command))
  let end: HelperEnd | undefined
  let said = ''
  for (const stream of [helper.child.stdout, helper.child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('latin1')).slice(-4096)
    })
  }
  const ended = helper.ended.then(
    (value) => {
      end = value
    },
    (thrown: unknown) => thrown,
  )
  const kill = async (): Promise<void> => {
    killed.abort()
    await ended
  }
  const giveUpAt = performance.now() + connectMs
  // Whatever the program, a default route is the last thing that it sets.
  while (!hasDefaultRoute(pid)) {
    const isLate = performance.now() > giveUpAt
    if (end !== undefined || isLate || cx.signal.aborted) {
      if (end === undefined) killed.abort()
      const thrown = await ended
      cx.signal.throwIfAborted()
      const died = code === undefined ? 'it died' : `it ended with exit code ${code}`
      const reason = isLate ? 'it set no route' : (end?.failure?.text ?? died)
      throw thrown ?? networkError(program, reason, said)
    }
    await sleep(2)
  }
  const { nameservers } = program
  return {
    namespace: { path: namespace, ...(nameservers === undefined ? {} : { nameservers }) },
    isAlive: () => end === undefined,
    end: kill,
  }
}

function networkError(program: NetworkProgram, reason: string, stderr: string): SlipwayError {
  const said = quotedLine(stderr)
  return new SlipwayError({
    code: 'ERR_NETWORK_FAILED',
    message: `connect network with ${program.program}: ${reason}${said === '' ? '' : `: ${said}`}`,
    hint: "use the host's network: --network=host",
  })
}

/** Whether this machine has no network but its loopback. */
export function isOffline(): boolean {
  const v4 = readRoutes('/proc/self/net/route').filter(
    ([device, destination]) => destination && device !== 'Iface',
  )
  const v6 = readRoutes('/proc/self/net/ipv6_route').filter(
    (fields) => fields.length > 1 && fields.at(-1) !== 'lo',
  )
  return v4.length + v6.length === 0
}

function hasDefaultRoute(pid: number): boolean {
  // The helper starts in the namespace of this process, which has routes.
  const own = namespaceOf(pid)
  if (own === undefined || own === namespaceOf('self')) return false
  const v4 = readRoutes(`/proc/${pid}/net/route`).some(([, destination]) => destination === '00000000')
  const v6 = readRoutes(`/proc/${pid}/net/ipv6_route`).some(
    (fields) => /^0{32}$/.test(fields[0] ?? '') && fields[1] === '00' && fields.at(-1) !== 'lo',
  )
  return v4 || v6
}

function namespaceOf(process: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${process}/ns/net`)
  } catch (thrown) {
    if (isGone(thrown)) return undefined
    throw thrown
  }
}

function isGone(thrown: unknown): boolean {
  return ['ENOENT', 'ESRCH', 'EINVAL'].includes(errnoOf(thrown) ?? '')
}

/** Lines as their fields; none when the process or the protocol is not there. */
function readRoutes(path: string): string[][] {
  try {
    return readFileSync(path, 'latin1')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
  } catch (thrown) {
    if (isGone(thrown)) return []
    throw thrown
  }
}
