// dist/slipway becomes node: arguments, environment, standard streams, signals and exit codes are the
// program's own, with and without a start-up snapshot.
import { execFileSync, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dist } from '../sys/native.ts'

const launcher = join(dist, 'slipway')

/** A program that shows what it was started with, bundled as .config/build.mjs bundles slipway. */
const program = `
const { startupSnapshot } = require('node:v8')
const frozen = Boolean(startupSnapshot.isBuildingSnapshot())
function start(argv) {
  if (argv[0] === 'exit') process.exit(Number(argv[1]))
  if (argv[0] === 'wait') {
    process.on('SIGTERM', () => process.exit(143))
    setInterval(() => undefined, 1000)
    process.stdout.write('ready')
    return
  }
  if (argv[0] === 'cat') return process.stdin.pipe(process.stdout)
  if (argv[0] === 'addon') {
    const addon = require('node:module').createRequire(argv[1])(argv[1])
    console.log(typeof addon.scanTree)
    return
  }
  const { HOME, SECRET, NODE_EXTRA_CA_CERTS, SLIPWAY_EXTRA_CA_CERTS, SLIPWAY_DIST, PATH } = process.env
  const env = { HOME, SECRET, NODE_EXTRA_CA_CERTS, SLIPWAY_EXTRA_CA_CERTS, SLIPWAY_DIST, PATH }
  const fds = require('node:fs').readdirSync('/proc/self/fd').map(Number).filter((fd) => fd < 3).length
  console.log(JSON.stringify({ frozen, argv, env, cwd: process.cwd(), execArgv: process.execArgv, fds, tty: Boolean(process.stdout.isTTY) }))
}
if (frozen) startupSnapshot.setDeserializeMainFunction(() => start(process.argv.slice(1)))
else start(process.argv.slice(2))
`

let base = ''
let plain = ''
let frozen = ''

beforeAll(() => {
  if (!existsSync(launcher)) throw new Error('run `make -C native` first')
  base = mkdtempSync(join(tmpdir(), 'slipway-launch-'))
  plain = join(base, 'plain')
  frozen = join(base, 'frozen')
  for (const directory of [plain, frozen]) {
    mkdirSync(directory)
    cpSync(launcher, join(directory, 'slipway'))
    writeFileSync(join(directory, 'slipway.cjs'), program)
  }
  const env = { PATH: process.env.PATH ?? '', SECRET: 'of the build' }
  const blob = [
    '--no-rehash-snapshot',
    '--snapshot-blob',
    join(frozen, 'slipway.blob'),
    '--build-snapshot',
    join(frozen, 'slipway.cjs'),
  ]
  execFileSync('node', blob, { env, stdio: 'ignore' })
  stamp(frozen)
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

function stamp(directory: string): void {
  const env = { PATH: process.env.PATH ?? '', SLIPWAY_LAUNCHER: 'stamp' }
  writeFileSync(join(directory, 'slipway.stamp'), execFileSync(join(directory, 'slipway'), { env }))
}

interface Shown {
  frozen: boolean
  argv: string[]
  env: Record<string, string>
  cwd: string
  fds: number
  tty: boolean
}

const environment = { PATH: process.env.PATH ?? '', HOME: '/home/x' }

function run(
  path: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): SpawnSyncReturns<string> {
  return spawnSync(path, args, { env: environment, ...options, encoding: 'utf8' })
}

function show(path: string, args: string[] = [], options: Parameters<typeof run>[2] = {}): Shown {
  const { stdout, stderr } = run(path, args, options)
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Shown
}

describe.each(['plain', 'frozen'] as const)('%s', (kind) => {
  const path = (): string => join(kind === 'frozen' ? frozen : plain, 'slipway')

  test('arguments are exactly those given', () => {
    for (const args of [
      [],
      ['--version'],
      ['--', '-x'],
      ['build', '--snapshot-blob', '', 'ä b', '-e', '1'],
      ['--inspect-brk'],
    ]) {
      expect(show(path(), args)).toMatchObject({ argv: args, frozen: kind === 'frozen' })
    }
  })

  test('the environment is that of the moment', () => {
    const shown = show(path(), [], { env: { ...environment, SECRET: 'now' }, cwd: '/usr' })
    expect(shown.env).toEqual({ ...environment, SECRET: 'now', SLIPWAY_DIST: join(base, kind) })
    expect(shown.cwd).toBe('/usr')
    expect(show(path()).env.SECRET).toBeUndefined()
  })

  test('extra certificates are renamed', () => {
    const env = { ...environment, NODE_EXTRA_CA_CERTS: '/etc/ca.pem' }
    expect(show(path(), [], { env }).env).toMatchObject({ SLIPWAY_EXTRA_CA_CERTS: '/etc/ca.pem' })
    expect(show(path(), [], { env }).env).not.toHaveProperty('NODE_EXTRA_CA_CERTS')
  })

  test('exit codes, standard input, the addon', () => {
    expect(run(path(), ['exit', '37']).status).toBe(37)
    const input = 'x'.repeat(300_000)
    const echoed = spawnSync(path(), ['cat'], { env: environment, input, encoding: 'utf8' })
    expect(echoed.stdout).toBe(input)
    expect(run(path(), ['addon', join(dist, 'slipway.node')]).stdout).toBe('function\n')
  })

  test('signals reach the program, there is no process in between', async () => {
    for (const [signal, code, by] of [
      ['SIGTERM', 143, null],
      ['SIGKILL', null, 'SIGKILL'],
    ] as const) {
      const child = spawn(path(), ['wait'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
      if (child.stdout !== null) await once(child.stdout, 'data')
      child.kill(signal)
      expect(await once(child, 'exit')).toEqual([code, by])
    }
  })

  test('closed standard streams are opened, a terminal is one', () => {
    const closed = run('sh', ['-c', `exec ${path()} exit 9 <&- >&- 2>&-`])
    expect(closed.status).toBe(9)
    const shown = JSON.parse(run('sh', ['-c', `exec ${path()} show <&-`]).stdout) as Shown
    expect(shown.fds).toBe(3)
    const inTerminal = run('script', ['-qec', path(), '/dev/null'])
    expect(inTerminal.stdout).toContain('"tty":true')
  })
})

describe('choosing', () => {
  test('a link to the launcher finds the same files', () => {
    const link = join(base, 'link')
    symlinkSync(join(frozen, 'slipway'), link)
    expect(show(link)).toMatchObject({ frozen: true, env: { SLIPWAY_DIST: frozen } })
  })

  test('node options, another node or another stamp mean the plain bundle', () => {
    const path = join(frozen, 'slipway')
    const options = { env: { ...environment, NODE_OPTIONS: '--max-old-space-size=512' } }
    expect(show(path, ['a'], options)).toMatchObject({ frozen: false, argv: ['a'] })
    const copy = join(base, 'other-node')
    cpSync(process.execPath, copy)
    expect(show(path, [], { env: { ...environment, SLIPWAY_NODE: copy } }).frozen).toBe(false)
    writeFileSync(join(frozen, 'slipway.stamp'), '')
    expect(show(path).frozen).toBe(false)
    stamp(frozen)
    expect(show(path).frozen).toBe(true)
  })

  test('a missing node is one line and a hint', () => {
    const path = join(plain, 'slipway')
    const missing = run(path, [], { env: { PATH: '/nonexistent::/dev' } })
    expect(missing.status).toBe(1)
    expect(missing.stderr).toBe(
      'ERROR: Node.js was not found\n  help: slipway runs on Node.js 20.19 or newer; put it on PATH or name it in SLIPWAY_NODE\n',
    )
    const named = run(path, [], { env: { ...environment, SLIPWAY_NODE: '/etc/passwd' } })
    expect(named.stderr).toContain('ERROR: SLIPWAY_NODE does not name a program: /etc/passwd\n')
  })
})
