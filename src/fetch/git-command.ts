// Running git: nothing of the user's configuration, no prompt, no hook, no transport but those of the web, and never a secret
// in its arguments. What is run, and what its failures mean to a person, is left to git.ts and git-failure.ts.
import { spawn } from 'node:child_process'
import { errnoOf, SlipwayError } from '../core/error.ts'

/** What every git of one build is run with. */
export interface GitSettings {
  /** Of the caller: only PATH and the proxy variables are passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where git runs that has no repository: a directory of ours. */
  readonly directory: string
  /** Certificates that are trusted besides the system's. */
  readonly extraCaFile?: string
  /** The agent that ssh may use. */
  readonly agentSocket?: string
  /** Within so many seconds a host must begin to speak SSH. */
  readonly sshConnectSeconds?: number
  /** After so long without a sign of life git is stopped. */
  readonly silenceMs?: number
}

export interface GitRun {
  readonly cwd?: string
  /** For configuration that must not be seen in the list of processes. */
  readonly config?: readonly (readonly [name: string, value: string])[]
  /** `file` is for repositories of our own alone. */
  readonly protocols?: 'web' | 'file'
  readonly signal: AbortSignal
  /** Each line of what git says meanwhile. */
  onLine?(line: string): void
}

/** How a git ended that did not do what it should. */
export interface GitEnd {
  readonly code: number | null
  readonly stderr: string
  readonly isSilent: boolean
}

export type GitResult = { readonly ok: true; readonly stdout: string } | ({ readonly ok: false } & GitEnd)

const defaultSilenceMs = 120_000
const maxOutputBytes = 16 << 20
const keptErrorBytes = 8 << 10

/** Runs git with these arguments. Throws ERR_GIT_MISSING, and what the signal was aborted with. */
export function runGit(settings: GitSettings, args: readonly string[], run: GitRun): Promise<GitResult> {
  const { signal } = run
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    // Files and directories of a checkout get the same modes whoever builds.
    const child = spawn('/bin/sh', ['-c', 'umask 022; exec git "$@"', 'git', ...args], {
      cwd: run.cwd ?? settings.directory,
      env: environmentOf(settings, run),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: helpers that git starts end with it.
      detached: true,
    })
    child.once('error', (cause) => reject(errnoOf(cause) === 'ENOENT' ? missing(cause) : notStarted(cause)))
    // Then it may have no streams either.
    if (child.pid === undefined) return
    const kill = (): void => {
      if (child.pid === undefined) return
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch (thrown) {
        if (errnoOf(thrown) !== 'ESRCH') throw thrown
      }
    }
    let isSilent = false
    const silenceMs = settings.silenceMs ?? defaultSilenceMs
    const silence = setTimeout(() => {
      isSilent = true
      kill()
    }, silenceMs)
    const stdout: Buffer[] = []
    let received = 0
    let stderr = ''
    let line = ''
    child.stdout.on('data', (chunk: Buffer) => {
      silence.refresh()
      received += chunk.byteLength
      if (received > maxOutputBytes) kill()
      else stdout.push(chunk)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      silence.refresh()
      stderr = (stderr + text).slice(-keptErrorBytes)
      const lines = (line + text).split(/[\r\n]/)
      line = (lines.pop() ?? '').slice(-keptErrorBytes)
      for (const one of lines) if (one !== '') run.onLine?.(one)
    })
    signal.addEventListener('abort', kill, { once: true })
    const done = (): void => {
      clearTimeout(silence)
      signal.removeEventListener('abort', kill)
    }
    child.once('close', (code) => {
      done()
      if (signal.aborted) reject(signal.reason)
      else if (code === 127 && /git: not found|exec: git/.test(stderr)) reject(missing(undefined))
      else if (code === 0) resolve({ ok: true, stdout: Buffer.concat(stdout).toString('utf8') })
      else resolve({ ok: false, code, stderr, isSilent })
    })
  })
}

function missing(cause: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_GIT_MISSING',
    message: 'run git: there is no git on this machine',
    hint: 'install git; git repositories are fetched with it',
    cause,
  })
}

function notStarted(cause: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_GIT_FAILED',
    message: `run git: it could not be started: ${errnoOf(cause) ?? String(cause)}`,
    cause,
  })
}

const proxyVariables = ['http_proxy', 'https_proxy', 'no_proxy', 'all_proxy']

function environmentOf(settings: GitSettings, run: GitRun): Record<string, string> {
  const { environment, directory, agentSocket } = settings
  const passed = ['PATH', ...proxyVariables, ...proxyVariables.map((name) => name.toUpperCase())]
  const own = passed.flatMap((name) => {
    const value = environment[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  const config = [...configOf(settings), ...(run.config ?? [])]
  return {
    ...Object.fromEntries(own),
    LC_ALL: 'C',
    HOME: directory,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CEILING_DIRECTORIES: directory,
    // Also for submodules, whose addresses the repository chooses: neither local paths nor `ext::command`.
    GIT_ALLOW_PROTOCOL: run.protocols === 'file' ? 'file' : 'http:https:git:ssh',
    GIT_SSH_COMMAND: sshCommand(settings),
    GIT_SSH_VARIANT: 'ssh',
    ...(agentSocket === undefined ? {} : { SSH_AUTH_SOCK: agentSocket }),
    GIT_CONFIG_COUNT: String(config.length),
    ...Object.fromEntries(
      config.flatMap(([name, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, name],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  }
}

function configOf({ extraCaFile }: GitSettings): (readonly [string, string])[] {
  return [
    ['core.hooksPath', '/dev/null'],
    ['core.fsmonitor', 'false'],
    ['credential.helper', ''],
    ['gc.auto', '0'],
    ['maintenance.auto', 'false'],
    ['init.defaultBranch', 'master'],
    // Times of this machine, which would make two builds of a commit differ.
    ['core.logAllRefUpdates', 'false'],
    ['advice.detachedHead', 'false'],
    ['submodule.recurse', 'false'],
    ['fetch.recurseSubmodules', 'false'],
    // Less than this for a minute is no transfer.
    ['http.lowSpeedLimit', '1024'],
    ['http.lowSpeedTime', '60'],
    ...(extraCaFile === undefined
      ? []
      : ([
          ['http.sslCAInfo', extraCaFile],
          ['http.sslCAPath', '/etc/ssl/certs'],
        ] as const)),
  ]
}

/** Only the agent's keys, never those in the user's directory; a host's key is believed once and must stay the same. */
function sshCommand({ directory, sshConnectSeconds = 30 }: GitSettings): string {
  const options = [
    'BatchMode=yes',
    'IdentityFile=none',
    'StrictHostKeyChecking=accept-new',
    `UserKnownHostsFile="${directory}/known_hosts"`,
    `ConnectTimeout=${sshConnectSeconds}`,
    'ServerAliveInterval=15',
    'ServerAliveCountMax=4',
  ]
  return ['ssh -F /dev/null', ...options.map((option) => `-o ${shellWord(option)}`)].join(' ')
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
