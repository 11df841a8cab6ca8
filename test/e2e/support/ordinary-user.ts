// An ordinary user made for a test, with or without ranges of ids, and slipway as that user runs it: from a copy of
// dist/, because the repository may be where only root can look.
import { spawnSync } from 'node:child_process'
import { chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type Finished, missing, repository, tool } from './slipway.ts'

export interface OrdinaryUser {
  readonly uid: number
  readonly gid: number
  /** Belongs to the user; removed with it. */
  readonly home: string
  /** The user's own slipway. */
  readonly executable: string
  slipway(...args: readonly string[]): Finished
  /** Runs slipway and fails the test unless it exits 0. */
  ok(...args: readonly string[]): Finished
  /** Runs a shell script as the user; $SLIPWAY is the program. */
  shell(script: string): Finished
  /** A directory in the home, by file names. */
  context(name: string, files: Readonly<Record<string, string | Buffer>>): string
  [Symbol.dispose](): void
}

/** Why no such user can be made here, or undefined. */
export function whyNoUser(): string | undefined {
  if (process.getuid?.() !== 0) return 'root'
  const program = missing('useradd', 'userdel', 'newuidmap', 'unshare')
  if (program !== undefined) return program
  const nobody = { uid: 65534, gid: 65534 } as const
  if (spawnSync('test', ['-x', tmpdir()], nobody).status !== 0)
    return `a directory for temporary files that everybody may enter (TMPDIR is ${tmpdir()})`
  const asked = spawnSync('unshare', ['-Urm', 'true'], nobody)
  return asked.status === 0 ? undefined : 'user namespaces'
}

/** Makes a user; `ranges`: with the lines in /etc/subuid and /etc/subgid that useradd writes. */
export function ordinaryUser(options: { readonly ranges: boolean }): OrdinaryUser {
  const home = mkdtempSync(join(tmpdir(), 'slipway-user-'))
  const name = basename(home).toLowerCase().replace('slipway-user-', 'slipway-')
  const ids = options.ranges ? ['-K', 'SUB_UID_COUNT=65536', '-K', 'SUB_GID_COUNT=65536'] : ['-r']
  tool('useradd', ['-M', '-d', home, '-s', '/bin/sh', '-U', ...ids, name])
  const [uid = -1, gid = -1] = [tool('id', ['-u', name]), tool('id', ['-g', name])].map(Number)
  const dist = join(home, 'dist')
  mkdirSync(dist)
  for (const file of readdirSync(join(repository, 'dist')).filter((file) => file.startsWith('slipway')))
    cpSync(join(repository, 'dist', file), join(dist, file))
  chownSync(home, uid, gid)
  const executable = join(dist, 'slipway')
  const env = { PATH: process.env.PATH, HOME: home, USER: name, NO_COLOR: '1', SLIPWAY: executable }
  const run = (program: string, args: readonly string[]): Finished => {
    const spawned = spawnSync(program, args, {
      uid,
      gid,
      env,
      cwd: home,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    return { status: spawned.status, signal: spawned.signal, stdout: spawned.stdout, stderr: spawned.stderr }
  }
  return {
    uid,
    gid,
    home,
    executable,
    slipway: (...args) => run(executable, args),
    shell: (script) => run('sh', ['-c', script]),
    ok(...args) {
      const result = run(executable, args)
      if (result.status === 0) return result
      throw new Error(
        `slipway ${args.join(' ')}: ${result.status ?? result.signal}\n${result.stdout}\n${result.stderr}`,
      )
    },
    context(directory, files) {
      const path = join(home, directory)
      for (const [file, content] of Object.entries(files)) {
        mkdirSync(dirname(join(path, file)), { recursive: true })
        writeFileSync(join(path, file), content)
      }
      tool('chown', ['-R', `${uid}:${gid}`, path])
      return path
    },
    [Symbol.dispose]() {
      try {
        rmSync(home, { recursive: true, force: true })
      } finally {
        // By force: a process of a test that failed may still be running.
        tool('userdel', ['-f', name])
      }
    },
  }
}
