// The program as a person meets it: help, mistakes on the command line, standard input and output, progress on
// pipes and terminals, and what the image commands print.
import { type SpawnSyncOptions, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import {
  executable,
  type Finished,
  missing,
  tool,
  until,
  type Workspace,
  workspace,
} from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`the command line (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let app: string
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
    app = ws.context('app', {
      Dockerfile:
        'FROM base\nRUN echo hello from the step\nCOPY file /file\nRUN echo more >> /file\nCMD ["cat", "/file"]\n',
      file: 'content\n',
    })
    ws.ok('build', '-q', '-t', 'app:1', app)
  })
  afterAll(() => ws?.[Symbol.dispose]())

  /** Runs slipway with more say about its surroundings. */
  const spawned = (args: readonly string[], options: SpawnSyncOptions = {}): Finished => {
    const result = spawnSync(executable, args, {
      env: ws.env,
      cwd: ws.directory,
      ...options,
      encoding: 'utf8',
    })
    return { status: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr }
  }
  const failing = (): string =>
    ws.context('failing', { Dockerfile: 'FROM base\nRUN echo before; sleep 0.2; exit 3\n' })

  describe('help and mistakes', () => {
    const commands = [
      'build',
      'run',
      'pull',
      'push',
      'images',
      'tag',
      'rmi',
      'inspect',
      'history',
      'store',
      'cache',
      'context',
      'doctor',
    ]

    it('helps with everything', () => {
      const help = ws.ok('--help').stdout
      expect(ws.ok().stdout).toBe(help)
      for (const command of commands) {
        expect(help).toContain(`  ${command} `)
        const page = ws.ok(command, '--help').stdout
        expect(page).toMatch(
          new RegExp(`^Usage: slipway ${command} .*[A-Z]|^Usage: slipway (store verify|cache ls)`),
        )
        expect(ws.ok('help', command).stdout).toBe(page)
      }
    })

    it.each<[string[], number, RegExp]>([
      [['biuld', '.'], 1, /^ERROR: unknown command 'biuld'\n {2}help: did you mean build\?\n$/],
      [['build', '--tga', 'x', '.'], 125, /^ERROR: unknown flag: --tga\n {2}help: did you mean --tag\?\n$/],
      [['build', '--frobnicate', '.'], 125, /help: see 'slipway build --help'\n$/],
      [['build', '-q', '--progress=plain', '.'], 1, /cannot be used together/],
      [['build', '--platform=linux/amd64,linux/arm64', '.'], 1, /not supported yet\n {2}help: build one/],
      [['build', ''], 125, /"" for PATH/],
      [['history'], 1, /"slipway history" requires 1 argument, got 0/],
      [['store', 'check'], 1, /unknown action "check"/],
      [['context', 'show', '.'], 1, /unknown action "show"/],
      [['run', 'no-such-image'], 125, /image "no-such-image": not in the local store/],
      [['run', 'ap:1'], 125, /did you mean app:1\?/],
      [['tag', 'app:1', 'Not:Lower'], 1, /must be lowercase/],
    ])('%j', (args, status, text) => {
      const result = ws.slipway(...args)
      expect(result).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(text) })
      expect(result.stderr).not.toMatch(/^ {4}at /m)
    })

    const nobody = { uid: 65534, gid: 65534 }
    const isForAll = spawnSync('test', ['-x', executable], nobody).status === 0
    it.skipIf(!isForAll)(
      'says in one line what an ordinary user may not read (needs root, and dist/ where all may read)',
      () => {
        const built = spawned(['build', '--check', app], { ...nobody, cwd: '/' })
        expect(built.status).toBe(1)
        expect(built.stderr).toMatch(
          /^ERROR: [^\n]*open context [^\n]*: permission denied\n {2}help: [^\n]*\n$/,
        )
        const ran = spawned(['run', 'app:1'], { ...nobody, cwd: '/' })
        expect(ran.status).not.toBe(0)
        expect(ran.stderr).toMatch(/^ERROR: [^\n]*\n {2}help: [^\n]*\n$/)
      },
    )

    it.each(['/proc/nowhere/else', '/dev/null/x'])('refuses %s as state directory at once', (root) => {
      const result = spawned(['images'], { env: { ...ws.env, SLIPWAY_ROOT: root }, timeout: 10_000 })
      expect(result).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^ERROR: make directory \/(proc|dev)/),
      })
    })
  })

  describe('standard input and output', () => {
    it('a working directory that is gone is told of, and does not matter to who does not need it', () => {
      const inGone = (...args: readonly string[]) => {
        const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
        const result = spawnSync('sh', ['-c', script, 'sh', executable, ...args], {
          env: ws.env,
          cwd: ws.directory,
          encoding: 'utf8',
        })
        return { status: result.status, stderr: result.stderr }
      }
      expect(inGone('build', '-q', '.')).toEqual({
        status: 1,
        stderr: expect.stringContaining('ERROR: find the working directory: it has been removed'),
      })
      expect(inGone('build', '-q', app)).toMatchObject({ status: 0 })
    })

    it('output that nobody could take is a failure', () => {
      const full = openSync('/dev/full', 'w')
      try {
        const lost = spawned(['images'], { stdio: ['ignore', full, 'pipe'] })
        expect(lost).toMatchObject({
          status: 1,
          stderr: 'ERROR: write the output: no space left on device\n',
        })
        expect(spawned(['build', '-q', app], { stdio: ['ignore', full, 'pipe'] }).status).toBe(1)
        expect(spawned(['build', app], { stdio: ['ignore', 'pipe', full] }).status).toBe(1)
      } finally {
        closeSync(full)
      }
    })

    it('takes the Dockerfile from standard input, with and without a context', () => {
      const alone = spawned(['build', '--progress=plain', '-t', 'alone', '-'], {
        input: 'FROM base\nRUN echo typed\n',
      })
      expect(alone).toMatchObject({ status: 0, stderr: expect.stringContaining(' typed\n') })
      const input = 'FROM base\nCOPY file /other\nCMD ["cat", "/other"]\n'
      expect(spawned(['build', '-q', '-t', 'with', '-f', '-', app], { input }).status).toBe(0)
      expect(ws.ok('run', 'with').stdout).toBe('content\n')
      const without = spawned(['build', '-'], { input })
      expect(without).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(
          /<stdin>:2\n[\s\S]*not found in the build context\n {2}help: only a Dockerfile.*-f - DIRECTORY/,
        ),
      })
      expect(spawned(['build', '-'], { input: 'FORM base\n' }).stderr).toMatch(/--> <stdin>:1:1\n/)
      expect(spawned(['build', '-'], { input: '' }).stderr).toContain('the Dockerfile cannot be empty')
    })

    it('writes archives to standard output, one of them, and nothing else there', () => {
      for (const output of ['-', 'type=tar', 'type=oci', 'type=docker,dest=-']) {
        const archive = spawnSync(executable, ['build', '-o', output, app], {
          env: ws.env,
          maxBuffer: 1 << 28,
        })
        const names = spawnSync('tar', ['-t'], { input: archive.stdout, encoding: 'utf8' })
        expect(names.status, names.stderr).toBe(0)
        expect(names.stdout).toMatch(/^(file|oci-layout)$/m)
      }
      const both = ws.slipway('build', '-o', 'type=tar', '-o', 'type=oci', app)
      expect(both).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringContaining('only one of them'),
      })
    })

    it('says where a Dockerfile may be instead', () => {
      const other = ws.context('other', { 'Dockerfile.dev': 'FROM base\n' })
      expect(ws.slipway('build', 'other').stderr).toContain('help: name it with --file: other/Dockerfile.dev')
      expect(ws.slipway('build', '-f', 'Dockerfile.dev', other).stderr).toContain(
        `did you mean ${other}/Dockerfile.dev?`,
      )
    })

    it('writes result files, leaves no old ID behind a failure, and refuses early what it could not write', () => {
      const iid = join(ws.directory, 'iid')
      const made = ws.ok('build', '-q', '--iidfile', iid, app).stdout.trim()
      expect(readFileSync(iid, 'utf8')).toBe(made)
      expect(ws.slipway('build', '--iidfile', iid, failing()).status).toBe(1)
      expect(existsSync(iid)).toBe(false)
      for (const flag of ['--iidfile', '--metadata-file']) {
        const result = ws.slipway('build', '--progress=plain', flag, '/no/such/file', app)
        expect(result).toMatchObject({
          status: 1,
          stderr: `ERROR: write ${flag} /no/such/file: no such directory\n`,
        })
      }
    })
  })

  describe('progress', () => {
    it('plain: numbered steps on standard error', () => {
      const { stdout, stderr } = ws.ok('build', '--no-cache', '--progress=plain', app)
      expect(stdout).toBe('')
      expect(stderr).toMatch(
        /^#\d+ \[2\/4\] RUN echo hello from the step\n#\d+ \d\.\d{3} hello from the step\n#\d+ DONE /m,
      )
      expect(stderr).not.toContain('\u001b')
      const chosen = spawned(['build', app], { env: { ...ws.env, BUILDKIT_PROGRESS: 'plain' } })
      expect(chosen.stderr).toMatch(/^#\d+ CACHED$/m)
    })

    it('quiet: the ID alone; none: nothing; both keep errors', () => {
      const id = expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/)
      expect(ws.ok('build', '--progress=quiet', app)).toMatchObject({ stdout: id, stderr: '' })
      expect(ws.ok('build', '-q', app)).toMatchObject({ stdout: id, stderr: '' })
      expect(ws.ok('build', '--progress=none', app)).toMatchObject({ stdout: '', stderr: '' })
      expect(ws.slipway('build', '-q', failing())).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringMatching(
          /before\n------\nDockerfile:2\n[\s\S]*exit code: 3\n {2}log: .*\n {2}help: slipway shell .*\n$/,
        ),
      })
    })

    it('rawjson: one event a line', () => {
      const { stderr } = ws.ok('build', '--no-cache', '--progress=rawjson', app)
      const events = stderr
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(events.map((event) => event.sequence)).toEqual(events.map((_, i) => i))
      expect(
        events
          .filter((event) => event.type === 'log')
          .map((event) => event.text)
          .join(''),
      ).toBe('hello from the step\n')
    })

    it('tty: a frame that ends with the cursor visible', () => {
      for (const [context, status] of [
        [app, 0],
        [failing(), 1],
      ] as const) {
        const result = ws.slipway('build', '--no-cache', '--progress=tty', context)
        expect(result.status).toBe(status)
        expect(result.stderr).toContain('FINISHED')
        expect(result.stderr.lastIndexOf('\u001b[?25h')).toBeGreaterThan(
          result.stderr.lastIndexOf('\u001b[?25l'),
        )
      }
    })

    const onTerminal = (args: string, env: NodeJS.ProcessEnv): string =>
      tool('script', ['-qec', `${executable} ${args}`, '/dev/null'], { ...ws.env, TERM: 'xterm', ...env })

    it.skipIf(missing('script') !== undefined)(
      'colours on terminals only, and not with NO_COLOR (needs script)',
      () => {
        const blue = '\u001b[34m'
        expect(onTerminal(`build ${app}`, { NO_COLOR: '' })).toContain(blue)
        expect(onTerminal(`build ${app}`, {})).not.toContain(blue)
        expect(onTerminal(`build --progress=plain ${app}`, {})).toMatch(/^#\d+ CACHED\r$/m)
      },
    )

    it('an interrupted build names no culprit and exits 130', async () => {
      const context = ws.context('slow', { Dockerfile: 'FROM base\nRUN echo started; sleep 60\n' })
      const build = ws.start('build', '--progress=tty', context)
      await until('the step to run', () => build.stderr().includes('# started'))
      build.kill('SIGINT')
      const { status, stderr } = await build.ended
      expect(status).toBe(130)
      expect(stderr).toMatch(
        /CANCELED \[2\/2\] RUN echo started[\s\S]*\u001b\[\?25h\u001b\[\?2026lERROR: build interrupted\n$/,
      )
      expect(stderr).not.toContain('Dockerfile:2')
    })

    it('a step that another one stopped is not reported as failed', () => {
      const context = ws.context('two', {
        Dockerfile:
          'FROM base AS a\nRUN sleep 60\nFROM base AS b\nRUN sleep 0.5; exit 5\nFROM base\nCOPY --from=a /x /\nCOPY --from=b /x /\n',
      })
      const { stderr } = ws.slipway('build', '--progress=plain', context)
      expect(stderr).toMatch(/^#\d+ CANCELED$/m)
      expect(stderr.match(/^ > /gm)).toHaveLength(1)
      expect(stderr).toMatch(/Dockerfile:4\n[\s\S]*exit code: 5\n {2}help: .*\n$/)
    })

    it('the debug log is a file of its own', () => {
      const log = join(ws.directory, 'my.log')
      const result = spawned(['build', '-q', app], { env: { ...ws.env, SLIPWAY_LOG: log } })
      expect(result).toMatchObject({ status: 0, stderr: '' })
      expect(JSON.parse(readFileSync(log, 'utf8').split('\n')[0] ?? '')).toHaveProperty('msg')
      const debug = ws.ok('build', '-q', '--debug', app).stderr
      expect(readFileSync(/^debug log: (.*)\n$/.exec(debug)?.[1] ?? '', 'utf8')).toContain('"task-finished"')
      const refused = spawned(['build', '-q', app], { env: { ...ws.env, SLIPWAY_LOG: '/no/such/dir/log' } })
      expect(refused).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^ERROR: write debug log \/no/),
      })
    })
  })

  describe('the image commands', () => {
    it('run: streams, environment, user, directory and exit status', () => {
      expect(ws.ok('run', '--rm', 'app:1').stdout).toBe('content\nmore\n')
      expect(spawned(['run', '-i', 'app:1', 'cat'], { input: 'typed' }).stdout).toBe('typed')
      const shown = ws.ok(
        'run',
        '-e',
        'A=1',
        '-e',
        'NOT_SET',
        '-w',
        '/tmp',
        '-u',
        'app',
        'app:1',
        'sh',
        '-c',
        'echo $A ${NOT_SET-unset} $PWD $(id -un); echo err >&2',
      )
      expect(shown).toMatchObject({ stdout: '1 unset /tmp app\n', stderr: 'err\n' })
      expect(ws.ok('run', '--entrypoint', 'echo', 'app:1', 'x').stdout).toBe('x\n')
      expect(ws.slipway('run', 'app:1', 'sh', '-c', 'exit 7').status).toBe(7)
      expect(ws.slipway('run', 'app:1', 'sh', '-c', 'kill -TERM $$').status).toBe(143)
      expect(ws.slipway('run', 'app:1', 'no-such-program')).toMatchObject({
        status: 127,
        stderr: expect.stringContaining('executable file not found'),
      })
      expect(ws.slipway('run', 'app:1', '/etc/passwd').status).toBe(126)
    })

    it('images, tag, history and inspect', () => {
      ws.ok('tag', 'app:1', 'registry.test:5000/team/app:v2')
      const [heading, ...rows] = ws.ok('images').stdout.trimEnd().split('\n')
      expect(heading).toMatch(/^REPOSITORY {2,}TAG {2,}IMAGE ID {2,}CREATED {2,}SIZE$/)
      expect(rows.join('\n')).toMatch(
        /^registry\.test:5000\/team\/app +v2 +[0-9a-f]{12} +\S.* ago +2\.\d+MB$/m,
      )
      const id = ws.ok('images', '-q', 'app:1').stdout.trim()
      expect(ws.ok('images', '-q', 'registry.test:5000/team/app').stdout.trim()).toBe(id)
      expect(ws.ok('images', '--no-trunc', '-q', 'app').stdout).toMatch(new RegExp(`^sha256:${id}`))
      const row = JSON.parse(ws.ok('images', '--format', 'json', 'app').stdout)
      expect(row).toMatchObject({ repository: 'app', tag: '1' })

      const history = ws.ok('history', 'app:1').stdout.trimEnd().split('\n')
      expect(history[0]).toMatch(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/)
      expect(history[1]).toMatch(new RegExp(`^${id} .* CMD \\["cat" "/file"\\] +0B +buildkit`))
      expect(history[2]).toMatch(/^<missing> .* RUN \/bin\/sh -c echo more >> \/file # buildkit +\S+kB /)
      expect(ws.ok('history', '--no-trunc', 'app:1').stdout).toContain('echo more >> /file # buildkit')

      const both = ws.slipway('inspect', 'nothing', id)
      expect(both).toMatchObject({ status: 1, stderr: expect.stringContaining('image "nothing"') })
      expect(JSON.parse(both.stdout)).toMatchObject([
        { RepoTags: ['app:1', 'registry.test:5000/team/app:v2'] },
      ])
    })

    it('rmi: name by name, by ID, and on when one of them is missing', () => {
      const context = ws.context('short', { Dockerfile: 'FROM base\nLABEL short=lived\n' })
      const id = ws.ok('build', '-q', '-t', 'short:1', '-t', 'short:2', context).stdout.trim()
      const hex = id.slice(7, 19)
      expect(ws.slipway('rmi', hex)).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringMatching(/it has 2 names: short:1, short:2\n {2}help: .*--force/),
      })
      expect(ws.slipway('rmi', 'nothing', 'short:1')).toMatchObject({
        status: 1,
        stdout: 'Untagged: short:1\n',
        stderr: expect.stringContaining('"nothing"'),
      })
      expect(ws.ok('rmi', hex).stdout).toBe(`Untagged: short:2\nDeleted: ${id}\n`)
      expect(ws.ok('rmi', '-f', hex).stdout).toBe('')
      expect(ws.ok('store', 'verify').stdout).toMatch(/^\d+ images?, 0 problems\n$/)
    })
  })
})
