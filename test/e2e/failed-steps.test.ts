// What stays of a step that failed: its whole log, the state it left, what is saved of that.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { executable, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`failed steps (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())

  const failing = (name: string, script: string): string =>
    ws.context(name, { Dockerfile: `FROM base AS app\nRUN echo ok\nRUN ${script}\n` })
  const logOf = (stderr: string): string | undefined => /^ {2}log: (.*)$/m.exec(stderr)?.[1]

  describe('the log', () => {
    it.each(['plain', 'tty', 'quiet', 'none', 'rawjson', 'auto'])('is named with --progress=%s', (mode) => {
      const context = failing('log', 'seq 1 20000; echo last >&2; exit 3')
      const { status, stderr } = ws.slipway('build', `--progress=${mode}`, context)
      expect(status).toBe(1)
      const path = logOf(stderr)
      expect(path?.startsWith(join(ws.root, 'store-v1/logs/app-'))).toBe(true)
      const lines = readFileSync(path ?? '', 'utf8').split('\n')
      expect(lines.filter((line) => /^\d+$/.test(line))).toEqual(
        Array.from({ length: 20000 }, (_, i) => String(i + 1)),
      )
      expect(lines).toContain('last')
      if (mode !== 'rawjson') return
      const events = stderr
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line))
      const failed = events.find(({ type }) => type === 'op-failed')
      expect(failed.error).toMatchObject({ code: 'ERR_PROCESS_EXIT', data: { exitCode: 3, log: path } })
    })

    it('is not kept of steps that succeed or print nothing, nor is anything else', () => {
      const before = readdirSync(join(ws.root, 'store-v1/logs'))
      ws.ok('build', '-q', ws.context('fine', { Dockerfile: 'FROM base\nRUN seq 1 100000\n' }))
      const silent = ws.slipway('build', failing('silent', 'exit 1'))
      expect(silent.status).toBe(1)
      expect(logOf(silent.stderr)).toBeUndefined()
      expect(readdirSync(join(ws.root, 'store-v1/logs'))).toEqual(before)
      expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
    })

    it('that cannot be kept is told of, and fails no build that succeeds', () => {
      using other = workspace()
      imageFromTar(other, 'base', busyboxTar())
      for (const name of ['logs', 'failed']) writeFileSync(join(other.root, 'store-v1', name), '')
      const context = (script: string): string =>
        other.context('lost', { Dockerfile: `FROM base\nRUN ${script}\n` })
      const { status, stderr } = other.slipway('build', '--progress=plain', context('echo lost; exit 3'))
      expect(status).toBe(1)
      expect(stderr).toMatch(/\[slipway\] warning: cannot keep its whole log: EEXIST/)
      expect(stderr).toMatch(/\[slipway\] warning: cannot keep what it left: E/)
      expect(logOf(stderr)).toBeUndefined()
      other.ok('build', '-q', context('echo fine'))
    })

    it('makes room for newer ones', () => {
      const paths = Array.from({ length: 22 }, (_, i) =>
        logOf(ws.slipway('build', '-q', failing('many', `echo ${i}; exit 1`)).stderr),
      )
      expect(existsSync(paths[0] ?? '')).toBe(false)
      expect(paths.slice(-20).map((path) => readFileSync(path ?? '', 'utf8'))).toEqual(
        Array.from({ length: 20 }, (_, i) => `${i + 2}\n`),
      )
      expect(readdirSync(join(ws.root, 'store-v1/logs'))).toHaveLength(20)
    })
  })
  describe('--keep-going', () => {
    const two = (name: string): string =>
      ws.context(name, {
        Dockerfile: [
          'FROM base AS one\nRUN echo one broke; exit 3',
          'FROM base AS two\nRUN sleep 0.3; echo two broke; exit 4\nRUN echo never > /never',
          'FROM base AS three\nRUN sleep 0.5; echo three > /three\nRUN echo more > /more',
          'FROM scratch\nCOPY --from=one /x /\nCOPY --from=two /x /\nCOPY --from=three /more /\n',
        ].join('\n'),
      })

    it('does all that can be done and tells every failure, with its log', () => {
      const context = two('going')
      const { status, stderr } = ws.slipway('build', '--progress=plain', '--keep-going', context)
      expect(status).toBe(1)
      const [recap = '', end = ''] = stderr.split('ERROR: failed to build: ')
      expect(end.split('\n').map((line) => line.replace(/log: .*/, 'log'))).toEqual([
        '2 steps failed',
        expect.stringMatching(/^ {2}process .*one broke.* did not complete successfully: exit code: 3$/),
        '    log',
        expect.stringMatching(/^ {2}process .*two broke.* did not complete successfully: exit code: 4$/),
        '    log',
        '',
      ])
      expect(recap.match(/^ > .*:$/gm)).toHaveLength(2)
      expect(stderr).not.toContain('CANCELED')
      expect(stderr).not.toMatch(/^#\d+ .*never/m)
      // What went well is not done again.
      expect(
        ws.ok('build', '--progress=plain', '--target=three', context).stderr.match(/CACHED/g),
      ).toHaveLength(3)
    })

    it('is not what a build does unasked', () => {
      const { status, stderr } = ws.slipway('build', '--progress=plain', two('stopping'))
      expect(status).toBe(1)
      expect(stderr).toMatch(/ERROR: failed to build: process .*one broke.* exit code: 3/)
      expect(stderr).toContain('CANCELED')
    })
  })

  /** The ids of kept states, and how many snapshots there are. */
  const states = (): string[] => readdirSync(join(ws.root, 'store-v1/failed')).sort()
  const snapshots = (): string[] => readdirSync(join(ws.root, 'store-v1/snapshots')).sort()

  describe('slipway shell --last-failed', () => {
    const inLast = (...args: readonly string[]) => ws.slipway('shell', '--last-failed', ...args)

    it('runs in what the step left, as the step did', () => {
      const context = ws.context('state', {
        Dockerfile: [
          'FROM base',
          'RUN echo before > /before',
          'ENV GREETING="a b" HOME=/h',
          'USER app:extra',
          'WORKDIR /work',
          'USER app',
          'RUN --network=none echo half > /tmp/half; rm /tmp/gone 2>/dev/null; hostname > /tmp/host; exit 7',
          '',
        ].join('\n'),
      })
      const failed = ws.slipway('build', '--progress=plain', '--add-host=there:10.1.2.3', context)
      expect(failed.status).toBe(1)
      expect(failed.stderr).toMatch(/ {2}help: slipway shell --last-failed/)
      const script =
        'cat /before /tmp/half; echo "$GREETING $HOME $(id -u):$(id -G) $PWD"; cmp /tmp/host /proc/sys/kernel/hostname && grep -c there /etc/hosts; ls /sys/class/net'
      expect(inLast('sh', '-c', script)).toMatchObject({
        status: 0,
        stdout: 'before\nhalf\na b /h 1000:1000 2000 /work\n1\nlo\n',
      })
      // What is changed there is gone afterwards, the state is not.
      expect(inLast('sh', '-c', 'echo changed > /tmp/half; exit 9')).toMatchObject({ status: 9 })
      expect(inLast('cat', '/tmp/half').stdout).toBe('half\n')
      expect(inLast('missing-program')).toMatchObject({ status: 127 })
      expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
    })

    it('takes the shell of the step, and commands from standard input', () => {
      ws.slipway('build', '-q', failing('stdin', 'echo here > /here; false'))
      const { stdout, status } = spawnSync(executable, ['shell', '--last-failed'], {
        env: ws.env,
        input: 'cat /here; exit 4\n',
        encoding: 'utf8',
      })
      expect({ stdout, status }).toEqual({ stdout: 'here\n', status: 4 })
    })

    it('keeps one state: the next failure takes its place, a success of the same build ends it', () => {
      ws.slipway('build', '-q', failing('one', 'echo 1 > /n; false'))
      const [first = ''] = states()
      const count = snapshots().length
      expect(snapshots()).toContain(first.split('.')[0])
      const other = failing('two', 'echo 2 > /n; false')
      ws.slipway('build', '-q', other)
      expect(states()).toHaveLength(2)
      expect(snapshots()).toHaveLength(count)
      expect(inLast('cat', '/n').stdout).toBe('2\n')
      ws.ok('build', '-q', ws.context('unrelated', { Dockerfile: 'FROM base\nRUN true\n' }))
      expect(inLast('cat', '/n').stdout).toBe('2\n')
      writeFileSync(join(other, 'Dockerfile'), 'FROM base\nRUN echo ok\n')
      ws.ok('build', '-q', other)
      expect(states()).toEqual([])
      expect(inLast('cat', '/n')).toMatchObject({ status: 125 })
      expect(inLast('cat', '/n').stderr).toContain('there is none')
    })

    it('is not taken away from who works in it', async () => {
      const build = failing('busy', 'echo busy > /n; false')
      ws.slipway('build', '-q', build)
      const user = ws.start('shell', '--last-failed', 'sh', '-c', 'echo in >&2; sleep 3; cat /n >&2')
      while (!user.stderr().includes('in')) await new Promise((done) => setTimeout(done, 20))
      ws.slipway('build', '-q', failing('next', 'echo next > /n; false'))
      expect(states()).toHaveLength(4)
      expect((await user.ended).stderr).toBe('in\nbusy\n')
      expect(inLast('cat', '/n').stdout).toBe('next\n')
      ws.slipway('build', '-q', failing('last', 'echo last > /n; false'))
      expect(states()).toHaveLength(2)
    })

    it('is for root alone, and refuses what it does not know', () => {
      ws.slipway('build', '-q', failing('modes', 'false'))
      const directory = join(ws.root, 'store-v1/failed')
      expect(statSync(directory).mode & 0o777).toBe(0o700)
      for (const name of states()) expect(statSync(join(directory, name)).mode & 0o077).toBe(0)
      expect(ws.slipway('shell').stderr).toContain('requires --last-failed')
    })
  })

  describe('--on-error=shell', () => {
    /** Runs slipway on a terminal into which `input` is typed. */
    const onTerminal = (input: string, ...args: readonly string[]) =>
      spawnSync('script', ['-qec', [executable, ...args].join(' '), '/dev/null'], {
        env: { ...ws.env, TERM: 'dumb' },
        input,
        encoding: 'utf8',
      })

    it.skipIf(missing('script') !== undefined)(
      'opens a shell on the terminal, then fails as the step did (needs script)',
      () => {
        const context = failing('shell', 'echo half > /half; export X=1; exit 6')
        const { status, stdout } = onTerminal(
          'test -t 0 && test -t 2 && echo "saw-$(cat /half)-$(id -u)"; exit 5\n',
          'build',
          '--on-error=shell',
          '--progress=plain',
          context,
        )
        expect(stdout).toMatch(/exit code: 6\r\nA shell where it failed/)
        expect(stdout).toContain('saw-half-0')
        expect(stdout).toMatch(/ERROR: failed to build: .*exit code: 6\r\n/)
        expect(status).toBe(1)
        expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
      },
    )

    it.skipIf(missing('script') !== undefined)(
      'opens none where nothing fails or nothing ran (needs script)',
      () => {
        const fine = ws.context('no-shell', { Dockerfile: 'FROM base\nRUN true\n' })
        expect(onTerminal('', 'build', '--on-error=shell', fine).status).toBe(0)
        const wrong = ws.context('no-step', { Dockerfile: 'FROM base\nRUNN true\n' })
        const { status, stdout } = onTerminal('', 'build', '--on-error=shell', wrong)
        expect(status).toBe(1)
        expect(stdout).not.toContain('A shell where')
      },
    )

    it('needs a terminal, and says so before anything is built', () => {
      const { status, stderr } = ws.slipway('build', '--on-error=shell', failing('no-tty', 'false'))
      expect(status).toBe(1)
      expect(stderr).toMatch(/^ERROR: --on-error=shell needs a terminal: standard input is none\n/)
      expect(ws.slipway('build', '--on-error=keep', '.').status).toBe(125)
    })
  })

  describe('--output-on-failure', () => {
    const script =
      'mkdir -p /app/reports/deep; echo r > /app/reports/deep/r.xml; ln -s /app/reports /link; ln -s /etc/shadow /app/reports/out; chown 1000 /app/reports/deep; exit 2'
    const save = (spec: string, context = failing('reports', script)) =>
      ws.slipway('build', '--progress=plain', `--output-on-failure=${spec}`, context)

    it('saves a directory or a file, links resolved inside the step', () => {
      const dest = join(ws.directory, 'saved')
      const { status, stderr } = save(`type=local,dest=${dest},path=/link`)
      expect(status).toBe(1)
      expect(stderr).toMatch(/#\d+ saving \/link of the failed step to .*\n#\d+ DONE/)
      expect(readdirSync(dest).sort()).toEqual(['deep', 'out'])
      expect(readFileSync(join(dest, 'deep/r.xml'), 'utf8')).toBe('r\n')
      expect(statSync(join(dest, 'deep')).uid).toBe(process.getuid?.())
      mkdirSync(join(ws.directory, 'single'))
      save(`type=local,dest=${join(ws.directory, 'single')},path=/app/reports/deep/r.xml`)
      expect(readdirSync(join(ws.directory, 'single'))).toEqual(['r.xml'])
      // A link that leads out of the root leads to nothing there.
      const outside = save(`type=local,dest=${join(ws.directory, 'none')},path=/app/reports/out`)
      expect(outside.stderr).toMatch(/ERROR: .*no such file or directory/)
      expect(existsSync(join(ws.directory, 'none'))).toBe(false)
    })

    it('says what it could not save, after what failed', () => {
      const { status, stderr } = save(`type=local,dest=${join(ws.directory, 'gone')},path=/missing`)
      expect(status).toBe(1)
      expect(stderr).toContain('"/missing": no such file or directory')
      expect(stderr).toMatch(/ERROR: failed to build: .*exit code: 2/)
      expect(existsSync(join(ws.directory, 'gone'))).toBe(false)
    })

    it('saves nothing of a build that succeeds', () => {
      const dest = join(ws.directory, 'success')
      const fine = ws.context('saves-nothing', { Dockerfile: 'FROM base\nRUN mkdir /r && echo > /r/f\n' })
      expect(save(`type=local,dest=${dest},path=/r`, fine).status).toBe(0)
      expect(existsSync(dest)).toBe(false)
    })

    it.each([
      ['type=tar,dest=x,path=/r', 'type must be local'],
      ['type=local,path=/r', 'dest must be'],
      ['type=local,dest=x,path=r', 'path must be absolute'],
      ['type=local,dest=x,path=/r,mode=1', 'unknown key "mode"'],
      ['x', 'not of the form'],
    ])('refuses %s', (spec, reason) => {
      const { status, stderr } = save(spec)
      expect(status).toBe(1)
      expect(stderr).toContain(reason)
      expect(stderr).toContain('write type=local,dest=DIRECTORY,path=')
    })
  })
})
