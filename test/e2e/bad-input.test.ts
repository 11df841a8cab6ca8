// What goes wrong is said once, clearly, with its place; the exit status is not 0 and nothing is left behind.
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { freePort } from './support/registry.ts'
import { executable, type Finished, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')
const nobody = { uid: 65534, gid: 65534 }
const isForAll = process.getuid?.() === 0 && spawnSync('test', ['-x', executable], nobody).status === 0

describe.skipIf(lacking !== undefined)(`bad input (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let turn = 0
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const build = (dockerfile: string, files: Record<string, string> = {}, ...flags: string[]): Finished => {
    const context = ws.context(`bad-${turn++}`, { Dockerfile: dockerfile, ...files })
    return ws.slipway('build', '--progress=plain', ...flags, context)
  }
  const clean = (): void => {
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    expect(readdirSync(join(ws.root, 'store-v1/ingest'))).toEqual([])
    expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
  }

  it.each<[string, string, RegExp[]]>([
    [
      'unknown instruction',
      'FROM base\nRNU true\n',
      [/unknown instruction: RNU/, /Dockerfile:2:1/, /did you mean RUN/i],
    ],
    [
      'unknown flag',
      'FROM base\nCOPY --frm=x a b\n',
      [/unknown flag: --frm/, /Dockerfile:2:6/, /did you mean .*from/i],
    ],
    [
      'missing stage',
      'FROM base AS build\nFROM base\nCOPY --from=biuld /a /b\n',
      [/UnknownStage/, /biuld/, /Dockerfile:3/, / 1 \| .*\n.* -----/, /did you mean the stage build\?/],
    ],
    [
      'images and steps that are wrong, all at once',
      'FROM bas:lates AS one\nFROM bace\nCOPY --from=oen /a /b\nCOPY --from=one /a /b\nEXPOSE eighty\n',
      [/1:6\n/, /2:6\n/, /3:13\n/, /5:8\n/, /failed to build: 4 errors/],
    ],
    [
      'circular stages',
      'FROM base AS a\nCOPY --from=b /x /x\nFROM base AS b\nCOPY --from=a /x /x\n',
      [/Dockerfile:2/],
    ],
    [
      'every mistake at once',
      'FROM base\nRNU a\nCOPY\nLABEL\nEXPOSE eighty\n',
      [/Dockerfile:2/, /Dockerfile:3/, /Dockerfile:4/, /Dockerfile:5/, /InvalidPort/],
    ],
    ['empty file', '', [/empty/]],
    ['no FROM', 'RUN true\n', [/FROM|build stage/]],
    [
      'ADD of a URL where nobody answers',
      'FROM base\nADD http://127.0.0.1:1/x /x\n',
      [/http:\/\/127\.0\.0\.1:1\/x/, /connection refused/, /Dockerfile:2/],
    ],
    [
      'RUN --mount of an agent that is required',
      'FROM base\nRUN --mount=type=ssh,required true\n',
      [/no SSH key "default" forwarded/, /--ssh default/, /Dockerfile:2/],
    ],
  ])('%s', (_name, dockerfile, patterns) => {
    const result = build(dockerfile)
    expect(result.status).toBe(1)
    for (const pattern of patterns) expect(result.stderr).toMatch(pattern)
    expect(result.stderr).not.toMatch(/^ {4}at /m)
  })

  it('a failing RUN: its exit code, its last lines, its place', () => {
    const result = build('FROM base\nRUN echo before; echo "last words" >&2; exit 42\nRUN echo never\n')
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('last words')
    expect(result.stderr).toContain('exit code: 42')
    expect(result.stderr).toContain('   2 | >>> RUN echo before')
    expect(result.stderr).not.toMatch(/#\d+ [\d.]+ never/)
    clean()
  })

  it('a program that is not there', () => {
    const result = build('FROM base\nRUN ["/no/such/program"]\n')
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(/\/no\/such\/program/)
    expect(result.stderr).toMatch(/no such file|not found/)
    clean()
  })

  it('a user that is not there', () => {
    const result = build('FROM base\nUSER nobody-here\nRUN true\n')
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('unable to find user nobody-here')
    clean()
  })

  it('a missing file, with what is near it', () => {
    const result = build('FROM base\nCOPY ap.js /app/\n', { 'app.js': '' })
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(/ap\.js.*not found/)
    expect(result.stderr).toContain('Dockerfile:2')
    expect(result.stderr).toContain('app.js')
    clean()
  })

  it('a file that .dockerignore hides', () => {
    const result = build('FROM base\nCOPY secret /\n', { secret: 'x', '.dockerignore': 'secret\n' })
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('.dockerignore')
    clean()
  })

  it('a file that the ignore file of the Dockerfile or of a named context hides: which one, and its line', () => {
    const files = {
      f: 'x',
      '.dockerignore': 'something else\n',
      'a.Dockerfile': 'FROM base\nCOPY f /\n',
      'a.Dockerfile.dockerignore': '# a comment\n\ng\n[a-f]\n',
    }
    const context = ws.context('own-ignore', files)
    const own = ws.slipway('build', '--progress=plain', '-f', join(context, 'a.Dockerfile'), context)
    expect(own.status).toBe(1)
    expect(own.stderr).toContain('help: "/f" exists, but a.Dockerfile.dockerignore:4 ("[a-f]") excludes it')
    expect(own.stderr).toContain('help: a.Dockerfile.dockerignore:4: the pattern [a-f] excludes it')
    const why = ws.slipway('context', 'ls', '--why', 'f', '-f', join(context, 'a.Dockerfile'), context)
    expect(why.stdout).toBe('f is ignored: a.Dockerfile.dockerignore:4: [a-f]\n')
    const named = ws.context('named-ignore', { f: 'x', '.dockerignore': 'a\nf\n!g\n' })
    const other = build('FROM base\nCOPY --from=src f /\n', {}, '--build-context', `src=${named}`)
    expect(other.status).toBe(1)
    expect(other.stderr).toContain(`"/f" exists, but ${named}/.dockerignore:2 ("f") excludes it`)
    clean()
  })

  it('a link that leads out of the context', () => {
    const context = ws.context('out', { Dockerfile: 'FROM base\nCOPY link/passwd /stolen\n' })
    symlinkSync('/etc', join(context, 'link'))
    const result = ws.slipway('build', '--progress=plain', context)
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(/not found/)
    clean()
  })

  it('no Dockerfile, no context, an unknown target', () => {
    const context = ws.context('empty', { other: '' })
    expect(ws.slipway('build', context)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/Dockerfile/),
    })
    expect(ws.slipway('build', join(ws.directory, 'nowhere'))).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/nowhere/),
    })
    const target = build('FROM base AS build\n', {}, '--target', 'biuld')
    expect(target.status).toBe(1)
    expect(target.stderr).toMatch(/target stage "?biuld"? could not be found/)
  })

  it('a registry that is down, an image that is not there', async () => {
    const port = await freePort()
    const result = build(`FROM 127.0.0.1:${port}/x:1\n`)
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(/127\.0\.0\.1:\d+\/x:1/)
    expect(result.stderr).toMatch(/refused/)
    expect(ws.slipway('push', 'no-such-image')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/no-such-image/),
    })
    clean()
  })

  it('outputs that cannot be written are refused before anything runs', () => {
    const result = build('FROM base\nRUN echo ran\n', {}, '-o', `type=oci,dest=${ws.directory}/none/x.tar`)
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('none')
    expect(result.stderr).not.toMatch(/#\d+ [\d.]+ ran/)
    expect(build('FROM base\n', {}, '-o', 'type=zip,dest=x')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/zip/),
    })
    expect(build('FROM base\n', {}, '-o', 'type=oci,dest=x,colour=red')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/colour/),
    })
  })

  describe.skipIf(!isForAll)(
    'what an ordinary user may not read (needs root, and dist/ where all may read)',
    () => {
      const files = {
        Dockerfile: 'FROM scratch\nCOPY . /\n',
        '.dockerignore': 'x\n',
        'd/secret': 'x',
        f: 'x',
      }
      const asNobody = (context: string, ...args: readonly string[]): Finished => {
        const { status, signal, stdout, stderr } = spawnSync(executable, [...args, context], {
          ...nobody,
          cwd: '/',
          encoding: 'utf8',
          env: { ...process.env, SLIPWAY_ROOT: join(context, 'none'), NO_COLOR: '1' },
        })
        return { status, signal, stdout, stderr }
      }
      const forAll = (context: string): void => {
        for (let at = context; at !== tmpdir(); at = dirname(at)) chmodSync(at, 0o755)
      }

      it.each([
        ['d', ['context', 'ls'], 'read "d": permission denied'],
        ['.dockerignore', ['context', 'ls'], '/.dockerignore: permission denied'],
        ['.dockerignore', ['build', '--check'], '/.dockerignore: permission denied'],
        ['Dockerfile', ['build', '--check'], '/Dockerfile: permission denied'],
        ['Dockerfile', ['build', '--call=outline'], '/Dockerfile: permission denied'],
        ['', ['context', 'ls'], 'permission denied'],
      ])('%j is named by %j', (name, args, message) => {
        const context = ws.context(`unreadable-${turn++}`, files)
        forAll(context)
        chmodSync(join(context, name), 0)
        const result = asNobody(context, ...args)
        expect(result.status).toBe(1)
        expect(result.stderr).toContain(message)
        expect(result.stderr).toMatch(/^ERROR: [^\n]*\n(?: {2}help: [^\n]*\n)?$/)
        expect(result.stdout).toBe('')
        chmodSync(join(context, name), 0o700)
      })

      it("is in nobody's way where it is only listed, or ignored", () => {
        const context = ws.context(`unreadable-${turn++}`, files)
        forAll(context)
        chmodSync(join(context, 'f'), 0)
        expect(asNobody(context, 'context', 'ls').stdout).toBe('.dockerignore\nDockerfile\nd/\nd/secret\nf\n')
        chmodSync(join(context, 'd'), 0)
        writeFileSync(join(context, '.dockerignore'), 'd\n')
        expect(asNobody(context, 'context', 'ls')).toMatchObject({
          status: 0,
          stderr: '',
          stdout: '.dockerignore\nDockerfile\nf\n',
        })
        chmodSync(join(context, 'd'), 0o700)
      })
    },
  )

  it('a corrupted blob is found, named and not used', () => {
    using own = workspace()
    imageFromTar(own, 'base', busyboxTar())
    const blobs = join(own.root, 'store-v1/blobs/sha256')
    const largest = readdirSync(blobs)
      .map((name) => join(blobs, name))
      .sort()[0]
    if (largest === undefined) throw new Error('the store has no blobs')
    chmodSync(largest, 0o600)
    writeFileSync(largest, 'garbage')
    const verified = own.slipway('store', 'verify')
    expect(verified.status).toBe(1)
    expect(verified.stdout).toContain(largest.slice(-64))
  })
})
