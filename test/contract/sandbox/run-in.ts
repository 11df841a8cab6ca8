// Processes run in a sandbox by tests: those of every sandbox's contract, and others that need a step to look at.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Context } from '../../../src/core/context.ts'
import type { SlipwayError } from '../../../src/core/error.ts'
import type { Exit, ProcessSpec, Sandbox } from '../../../src/sandbox/types.ts'
import type { Layers } from '../../sandbox/busybox-root.ts'

export interface Ran {
  /** Without its usage. */
  readonly exit: Exit
  readonly usage: Exit['usage']
  readonly out: string
  readonly err: string
  readonly upper: string
}

export type Changes = Partial<Omit<ProcessSpec, 'root'>> & {
  readonly lower?: readonly string[]
  readonly script?: string
  readonly signal?: AbortSignal
}

/** What one part of the contract's tests is given. */
export interface SandboxUnderTest {
  /** Made before the first test, as the sandbox is. */
  readonly layers: Layers
  readonly box: Sandbox
  readonly lacks: readonly SandboxLack[]
  run(changes: Changes): Promise<Ran>
  /** Runs a shell script. */
  script(text: string, changes?: Changes): Promise<Ran>
  /** The error that a run ends with, which it must. */
  failure(changes: Changes): Promise<SlipwayError>
}

/** What an OCI runtime cannot do that slipway's own sandbox can. */
export type SandboxLack = 'ids above 2^31-1' | 'a passwd that is no file'

/** A context that records nothing. */
export function testContext(signal: AbortSignal = new AbortController().signal): Context {
  return { signal, emit: () => undefined, now: () => '2024-01-01T00:00:00Z', debug: () => undefined }
}

/** A process on a fresh upper directory: as a plain RUN on the busybox base has it, but for the changes. */
export function processIn(layers: Layers, { lower, script, signal: _, ...spec }: Changes): ProcessSpec {
  const { upper, work } = layers.writable()
  return {
    root: { lower: lower ?? [layers.base], upper, work },
    args: ['/bin/sh', '-c', script ?? 'true'],
    env: ['PATH=/bin'],
    cwd: '/',
    user: '',
    hostname: 'buildkitsandbox',
    network: 'default',
    security: 'sandbox',
    mounts: [],
    hosts: [],
    ...spec,
  }
}

/** Runs a process on a fresh upper directory; the default is a shell script on the busybox base. */
export async function runIn(layers: Layers, sandbox: Sandbox, changes: Changes): Promise<Ran> {
  const chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  const spec = processIn(layers, changes)
  const { upper, work } = spec.root
  const { usage, ...exit } = await sandbox.run(
    spec,
    { output: (stream, chunk) => chunks[stream].push(chunk) },
    testContext(changes.signal),
  )
  layers.done(work)
  const [out, err] = [Buffer.concat(chunks.stdout).toString(), Buffer.concat(chunks.stderr).toString()]
  return { exit, usage, out, err, upper }
}

/** How many `sleep` processes with such an argument run on the host. */
export function sleepers(pattern: string): number {
  let count = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = `/proc/${pid}/cmdline`
    if (existsSync(command) && new RegExp(`^(/bin/)?sleep\0(${pattern})\0$`).test(readQuietly(command)))
      count++
  }
  return count
}

// A process may end while it is looked at.
function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
