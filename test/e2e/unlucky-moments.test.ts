// What happens at a moment that nobody planned for: an interruption while something is asked for, streams that nobody
// feeds or reads yet, a bug's exception. The program ends with one message and the right status, and loses nothing.
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type WebServer, webServer } from '../support/web-server.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import {
  executable,
  missing,
  repository,
  until,
  type Workspace,
  watch,
  workspace,
} from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`unlucky moments (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const startPiped = (...args: readonly string[]) => {
    const child = spawn(executable, args, { env: ws.env, cwd: ws.directory, stdio: ['pipe', 'pipe', 'pipe'] })
    return { child, ...watch(child) }
  }

  it('a program that is run waits for what comes later, and for a reader that is slow', async () => {
    const script =
      '(sleep 1; echo typed) | "$0" run base cat; "$0" run base sh -c "seq 1 300000" | (sleep 1; md5sum)'
    const { stdout, stderr } = spawnSync('sh', ['-c', script, executable], { env: ws.env, encoding: 'utf8' })
    const { stdout: expected } = spawnSync('sh', ['-c', 'seq 1 300000 | md5sum'], { encoding: 'utf8' })
    expect({ stdout, stderr }).toEqual({ stdout: `typed\n${expected}`, stderr: '' })
  })

  it.each([
    ['an interrupted build', ['build', '--progress=plain', '-o', 'type=tar,dest=-', '-']],
    ['a command that is interrupted when it has done its work', ['inspect', ...Array(1500).fill('base')]],
  ])('%s waits for no reader that takes nothing', async (_what, args) => {
    const child = spawn(executable, args, {
      env: ws.env,
      cwd: ws.directory,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    child.stdin.end('FROM base\n')
    const ended = new Promise((done) => child.once('exit', done))
    // Little is taken until somebody asks for it.
    await new Promise((done) => child.stdout.once('readable', done))
    await sleep(500)
    child.kill('SIGINT')
    expect(await ended).toBe(130)
    child.stdout.destroy()
  })

  it('an interrupted import of caches waits for nobody who might yet send them', async () => {
    const root = join(ws.directory, 'fresh')
    const env = { ...ws.env, SLIPWAY_ROOT: root }
    const child = spawn(executable, ['cache', 'import', '-'], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    const { ended } = watch(child)
    child.stdin.write('nothing of an archive')
    // What is done right before standard input is read.
    await until('the store to be there', () => existsSync(join(root, 'store-v1', 'oci-layout')))
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ status: 143, stderr: 'ERROR: interrupted\n' })
    child.stdin.destroy()
  })

  describe('while a server is asked', () => {
    let silent: WebServer
    beforeAll(async () => {
      silent = await webServer()
      silent.fallback = () => undefined
    })
    afterAll(() => silent?.[Symbol.asyncDispose]())

    const context = (): string =>
      ws.context('asking', {
        Dockerfile: `FROM ${silent.url.slice('http://'.length)}/image:1\nADD ${silent.url}/a ${silent.url}/b /\n`,
        'Dockerfile.add': `FROM base\nADD ${silent.url}/a ${silent.url}/b /\n`,
      })

    it.each(['Dockerfile', 'Dockerfile.add'])(
      'who interrupts the build is told of no mistake in the %s',
      async (file) => {
        const asked = silent.requests.length
        const directory = context()
        const { child, ended } = startPiped(
          ...['build', '--progress=plain', '-f', join(directory, file), directory],
        )
        await until('the server to be asked', () => silent.requests.length > asked)
        child.kill('SIGINT')
        const { status, stderr } = await ended
        expect(status).toBe(130)
        expect(stderr).toMatch(/\nERROR: build interrupted\n$/)
        expect(stderr).toMatch(/^#\d+ CANCELED$/m)
        expect(stderr).not.toMatch(/error\[|aborted/)
      },
    )

    it('a credential helper does not outlive who has not waited for it', async () => {
      const server = await webServer()
      server.fallback = (_request, response) => {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end()
      }
      const host = server.url.slice('http://'.length)
      const pidFile = join(ws.directory, 'helper.pid')
      const bin = ws.context('bin', {
        'docker-credential-slow': `#!/bin/sh\necho $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 100\n`,
        'config.json': JSON.stringify({ credHelpers: { [host]: 'slow' } }),
      })
      chmodSync(join(bin, 'docker-credential-slow'), 0o755)
      const env = { ...ws.env, DOCKER_CONFIG: bin, PATH: `${bin}:${ws.env.PATH}` }
      const child = spawn(executable, ['pull', `${host}/a:1`], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      const { ended } = watch(child)
      await until('the helper to run', () => existsSync(pidFile))
      const pid = readFileSync(pidFile, 'utf8').trim()
      child.kill('SIGINT')
      expect((await ended).status).toBe(130)
      await until('the helper to be gone', () => !existsSync(`/proc/${pid}/exe`))
      await server[Symbol.asyncDispose]()
    })

    it('who gave the build a time is told of that, and of no mistake', async () => {
      const { ended } = startPiped(
        'build',
        '--build-timeout=300ms',
        '-f',
        join(context(), 'Dockerfile.add'),
        context(),
      )
      const { status, stderr } = await ended
      expect(status).toBe(1)
      expect(stderr).not.toContain('error[')
      expect(stderr).toMatch(/\nERROR: failed to build: .*300ms/)
    })
  })

  it('who may open too few files is told of that, once', () => {
    const limit = 'ulimit -n $0; exec "$@"'
    const context = ws.context('few', { Dockerfile: 'FROM base\nRUN true\n' })
    for (const of of [context, 'http://127.0.0.1:1/a.git']) {
      for (let files = 18; files <= 40; files += 2) {
        const args = ['-c', limit, String(files), executable, 'build', '-q', '--no-cache', of]
        const { status, stderr } = spawnSync('sh', args, { env: ws.env, encoding: 'utf8' })
        if (status === 0) break
        expect(stderr.match(/^ERROR: /gm), stderr).toHaveLength(1)
        expect(stderr).not.toMatch(/bug|npm run build/)
      }
    }
  })

  /** The program with a few lines before its own. */
  const withBefore = (text: string): SpawnSyncReturns<string> => {
    const before = join(ws.context('before', { 'before.cjs': text }), 'before.cjs')
    const program = join(repository, 'dist/slipway.cjs')
    return spawnSync(process.execPath, ['--require', before, program, 'images'], {
      env: { ...ws.env, SLIPWAY_DIST: join(repository, 'dist') },
      encoding: 'utf8',
    })
  }
  const bug = 'this looks like a bug in slipway; SLIPWAY_DEBUG=1 prints where it happened'

  it.each([
    ['an exception', 'setImmediate(() => { throw new Error("nobody expected") })'],
    ['a rejection', 'Promise.reject(new Error("nobody expected"))'],
  ])('%s that nobody handles is told as every failure is', (_what, text) => {
    const { status, stderr } = withBefore(`process.once('newListener', () => { ${text} })`)
    expect({ status, stderr }).toEqual({ status: 1, stderr: `ERROR: nobody expected\n  help: ${bug}\n` })
  })

  it('to have nothing to wait for any more is no success', () => {
    const { status, stderr } = withBefore('process.stdout.write = () => true')
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `ERROR: slipway stopped before it was done\n  help: ${bug}\n`,
    })
  })
})
