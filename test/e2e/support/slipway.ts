// The built program under test, with a state directory of its own.
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'

export { missing } from '../../support/missing.ts'

export const repository = resolve(import.meta.dirname, '../../..')
export const executable = join(repository, 'dist/slipway')

export interface Finished {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Workspace {
  /** Scratch space, removed with the workspace. */
  readonly directory: string
  readonly root: string
  readonly env: NodeJS.ProcessEnv
  /** Runs slipway to its end. */
  slipway(...args: readonly string[]): Finished
  /** Runs slipway and fails the test unless it exits 0. */
  ok(...args: readonly string[]): Finished
  /** Starts slipway without waiting. */
  start(...args: readonly string[]): {
    readonly pid: number
    kill(signal: NodeJS.Signals): void
    readonly stderr: () => string
    ended: Promise<Finished>
  }
  /** A build context: files by name, directories made as needed. */
  context(name: string, files: Readonly<Record<string, string | Buffer>>): string
  [Symbol.dispose](): void
}

/** A fresh workspace; `env` is added to the environment of every slipway in it. */
export function workspace(env: NodeJS.ProcessEnv = {}): Workspace {
  if (!existsSync(executable)) throw new Error(`${executable} is missing: npm run build`)
  const directory = mkdtempSync(join(tmpdir(), 'slipway-e2e-'))
  const root = env.SLIPWAY_ROOT ?? join(directory, 'state')
  const environment = {
    ...process.env,
    SLIPWAY_ROOT: root,
    DOCKER_CONFIG: join(directory, 'docker'),
    NO_COLOR: '1',
    ...env,
  }
  const run = (args: readonly string[]): Finished => {
    const result = spawnSync(executable, args, {
      env: environment,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      cwd: directory,
    })
    return { status: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr }
  }
  return {
    directory,
    root,
    env: environment,
    slipway: (...args) => run(args),
    ok(...args) {
      const result = run(args)
      if (result.status !== 0) {
        throw new Error(
          `slipway ${args.join(' ')}: exit ${result.status ?? result.signal}\n${result.stdout}\n${result.stderr}`,
        )
      }
      return result
    },
    start(...args) {
      const child = spawn(executable, args, {
        env: environment,
        cwd: directory,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const { stderr, ended } = watch(child)
      return { pid: child.pid ?? -1, kill: (signal) => void child.kill(signal), stderr, ended }
    },
    context(name, files) {
      const path = join(directory, name)
      for (const [file, content] of Object.entries(files)) {
        mkdirSync(dirname(join(path, file)), { recursive: true })
        writeFileSync(join(path, file), content)
      }
      return path
    },
    [Symbol.dispose]() {
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Runs another program to its end without blocking this one. */
export async function finish(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Finished> {
  return watch(spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })).ended
}

/** What a process has said so far, and how it ends. */
export function watch(child: ChildProcessByStdio<Writable | null, Readable, Readable>): {
  readonly stderr: () => string
  readonly ended: Promise<Finished>
} {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const ended = new Promise<Finished>((done, fail) => {
    child.on('error', fail)
    child.on('close', (status, signal) => done({ status, signal, stdout, stderr }))
  })
  return { stderr: () => stderr, ended }
}

/** Runs another program; fails the test unless it exits 0. */
export function tool(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const result = spawnSync(program, args, { env, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (result.error) throw result.error
  if (result.status !== 0) {
    throw new Error(
      `${program} ${args.join(' ')}: exit ${result.status ?? result.signal}\n${result.stdout}\n${result.stderr}`,
    )
  }
  return result.stdout
}

/** Waits until `condition` holds; fails after `timeoutMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}
