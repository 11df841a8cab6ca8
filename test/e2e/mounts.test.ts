// RUN --mount from end to end: what steps see, when they run again, and that nothing of it stays. What BuildKit does
// alike is in peers.test.ts.

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { sshAgent } from '../support/ssh-server.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { executable, type Finished, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`RUN --mount (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let count = 0
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterAll(() => ws?.[Symbol.dispose]())
  afterEach(() => {
    expect(readdirSync(join(ws.root, 'store-v1/active')), 'left behind').toEqual([])
  })

  const build = (context: string, dockerfile: string, ...more: readonly string[]): Finished => {
    const file = join(ws.directory, `Dockerfile-${++count}`)
    writeFileSync(file, dockerfile)
    return ws.slipway('build', '--progress=plain', '-f', file, ...more, context)
  }
  /** What the steps printed, without the marks in front. */
  const printed = ({ status, stderr }: Finished): string => {
    expect(status, stderr).toBe(0)
    return stderr
      .split('\n')
      .flatMap((line) => /^#\d+ \d+\.\d+ (.*)$/.exec(line)?.[1] ?? [])
      .join('\n')
  }

  it('a bind runs the step again when what it shows has changed, and only then', () => {
    const context = ws.context('again', {
      'd/a': '1',
      'd/ignored': 'x',
      beside: 'x',
      '.dockerignore': 'd/ign*',
    })
    const dockerfile = 'FROM base\nRUN --mount=source=d,target=/d cat /d/a; ls /d\n'
    expect(printed(build(context, dockerfile))).toBe('1a')
    const cached = () => build(context, dockerfile).stderr.includes('CACHED')
    expect(cached()).toBe(true)
    writeFileSync(join(context, 'd/ignored'), 'y')
    writeFileSync(join(context, 'beside'), 'y')
    expect(cached()).toBe(true)
    writeFileSync(join(context, 'd/a'), '2')
    expect(printed(build(context, dockerfile))).toBe('2a')
  })

  it('a bind of a stage whose content is what it was does not', () => {
    const context = ws.context('same', { a: '1' })
    const dockerfile =
      'FROM base AS s\nCOPY a /tmp/a\nRUN mkdir /out && echo same > /out/f\nFROM base\nRUN --mount=from=s,source=/out,target=/o cat /o/f; echo ran\n'
    expect(printed(build(context, dockerfile))).toBe('same\nran')
    writeFileSync(join(context, 'a'), '2')
    expect(printed(build(context, dockerfile))).toBe('')
  })

  it('what is written to a bind is seen by the step and by nobody else', () => {
    const context = ws.context('discard', { 'd/a': 'a' })
    const dockerfile = `FROM base AS s
RUN mkdir /s && echo s > /s/f
FROM base
RUN --mount=target=/ctx,rw --mount=from=s,target=/st,rw echo new > /ctx/d/new; rm /ctx/d/a; rm -r /st/s; ls /ctx/d /st | grep -e new -e '^s$'
RUN --mount=target=/ctx --mount=from=s,target=/st ls /ctx/d; cat /st/s/f; ls -d /ctx /st
`
    expect(printed(build(context, dockerfile))).toBe('new\na\ns\n/ctx\n/st')
    expect(readdirSync(join(context, 'd'))).toEqual(['a'])
  })

  it('a context that has no files is empty', () => {
    const input = 'FROM base\nRUN --mount=target=/ctx ls -A /ctx | wc -l\n'
    const { status, stderr } = spawnSync(executable, ['build', '--progress=plain', '-'], {
      env: ws.env,
      input,
      encoding: 'utf8',
    })
    expect(printed({ status, stderr, stdout: '', signal: null })).toBe('0')
  })

  it('mount points that the image does not have are not in the layer', () => {
    const context = ws.context('stubs', { f: 'f' })
    const dockerfile = `FROM base
RUN --mount=source=f,target=/new/file --mount=target=/new/ctx --mount=type=tmpfs,target=/new/tmp true
RUN ls -d /new 2> /dev/null; echo done
`
    expect(printed(build(context, dockerfile))).toBe('done')
  })

  it('a source that is not there is told with its line', () => {
    const { status, stderr } = build(
      ws.context('missing', { f: '' }),
      'FROM base\nRUN --mount=source=x,target=/x true\n',
    )
    expect(status).toBe(1)
    expect(stderr).toMatch(/RUN --mount failed: "\/x": not found in the build context/)
    expect(stderr).toMatch(/Dockerfile-\d+:2/)
  })

  describe('caches', () => {
    it('keep what steps write, for other steps and builds, and for no layer', () => {
      const context = ws.context('cache', { f: '' })
      const dockerfile = (text: string) =>
        `FROM base\nRUN --mount=type=cache,target=/var/cache/x echo ${text} >> /var/cache/x/log; cat /var/cache/x/log\nRUN ls /var/cache 2> /dev/null; echo end\n`
      expect(printed(build(context, dockerfile('1')))).toBe('1\nend')
      expect(printed(build(context, dockerfile('2')))).toBe('1\n2\nend')
      // In a namespace of its own it is another one.
      const apart = build(context, dockerfile('3'), '--build-arg=BUILDKIT_CACHE_MOUNT_NS=ns')
      expect(printed(apart)).toBe('3\nend')
    })

    it('do not decide whether a step runs again by their id or sharing', () => {
      const context = ws.context('cache-key', { f: '' })
      const run = (options: string) =>
        printed(build(context, `FROM base\nRUN --mount=type=cache,target=/key,${options} echo ran\n`))
      expect(run('id=one')).toBe('ran')
      expect(run('id=two,sharing=locked')).toBe('')
      expect(run('ro')).toBe('ran')
      expect(run('id=/key')).toBe('ran')
    })

    it('can be written to by a user who is not root', () => {
      const context = ws.context('cache-user', { f: '' })
      const dockerfile = `FROM base
USER 1000:1000
RUN --mount=type=cache,target=/home/.npm stat -c '%u %g %a' /home/.npm; echo x > /home/.npm/x && echo written
USER 0
RUN --mount=type=cache,id=plain,target=/p echo x > /p/x
USER 7
RUN --mount=type=cache,id=plain,target=/p (echo y > /p/y) 2>/dev/null || echo denied
`
      const told = 'warning: the cache at /p belongs to 0:0, USER 7:0 may not be able to write to it'
      expect(printed(build(context, dockerfile))).toBe(`1000 1000 755\nwritten\n${told}\ndenied`)
    })

    it('can be listed and taken to another state directory', () => {
      const context = ws.context('cache-move', { f: '' })
      const step = (command: string) => `FROM base\nRUN --mount=type=cache,target=/m,id=moved ${command}\n`
      printed(build(context, step('echo moved > /m/f; chown 5:6 /m/f')))
      const row = JSON.parse(
        ws
          .ok('cache', 'ls', '--json')
          .stdout.split('\n')
          .find((line) => line.includes('"moved"')) ?? '',
      )
      expect(row).toMatchObject({ id: 'moved', instance: 0, sizeBytes: 6, files: 1 })
      expect(ws.ok('cache', 'ls').stdout).toMatch(
        /^ID +NAME +SIZE +FILES +LAST USED\n(.*\n)*moved +\w{12}\/0 +6B +1 /,
      )
      const archive = join(ws.directory, 'caches.tar')
      expect(ws.ok('cache', 'export', '--id=moved', archive).stdout).toBe('1 caches exported\n')
      using other = workspace()
      const input = readFileSync(archive)
      const options = { env: other.env, input, encoding: 'utf8' } as const
      expect(spawnSync(executable, ['cache', 'import', '-'], options).stdout).toBe('moved\n')
      imageFromTar(other, 'base', busyboxTar())
      const file = join(other.directory, 'Dockerfile')
      writeFileSync(file, step('stat -c "%u %g" /m/f; cat /m/f'))
      expect(printed(other.slipway('build', '--progress=plain', '-f', file, context))).toBe('5 6\nmoved')
      const all = spawnSync(executable, ['cache', 'export', '-'], { env: other.env })
      expect(all.stdout.equals(input)).toBe(true)
    })

    it.each([
      [['export', '--id=moved-', '-'], /export cache moved-: there is none of that id/],
      [['import', '/nowhere'], /read \/nowhere: no such file/],
      [['import', '/etc/passwd'], /import \/etc\/passwd: .*/],
      [['show', 'x'], /unknown action "show"/],
      [['ls', '--id=x'], /only with export/],
      [['export'], /argument/],
    ])('slipway cache %j is refused', (args, message) => {
      const { status, stderr } = ws.slipway('cache', ...args)
      expect(status).not.toBe(0)
      expect(stderr).toMatch(message)
    })

    it('that are locked are had by one build at a time; private ones are two', async () => {
      const context = ws.context('cache-locked', { f: '' })
      const file = (name: string, sharing: string, more: string): string => {
        const path = join(ws.directory, `Dockerfile-${name}`)
        const step = `mkdir /c/busy && sleep 1 && rmdir /c/busy && echo alone ${more}`
        writeFileSync(
          path,
          `FROM base\nRUN --mount=type=cache,target=/c,id=${sharing},sharing=${sharing} ${step}\n`,
        )
        return path
      }
      for (const sharing of ['locked', 'private']) {
        const builds = ['a', 'b'].map((name) =>
          ws.start('build', '--progress=plain', '-f', file(`${sharing}-${name}`, sharing, name), context),
        )
        for (const { ended } of builds) {
          const { status, stderr } = await ended
          expect(status, stderr).toBe(0)
          expect(stderr).toMatch(/alone [ab]/)
        }
      }
    })
  })

  describe('secrets', () => {
    const value = 'canary-6b1f7a26bd878c54'
    /** Files below the state directory, and their names, that hold the value. */
    const leaks = (): string =>
      spawnSync('grep', ['-rlaF', value, ws.root], { encoding: 'utf8' }).stdout +
      spawnSync('find', [ws.root, '-name', `*${value}*`], { encoding: 'utf8' }).stdout

    it.each(['plain', 'rawjson', 'tty', 'quiet'])('are shown nowhere (--progress=%s)', (progress) => {
      const context = ws.context(`secret-${progress}`, {
        Dockerfile: `FROM base
RUN --mount=type=secret,id=file --mount=type=secret,id=both,target=/etc/tok,env=TOK,mode=0440,uid=3,gid=4 \\
  stat -c '%a %u %g' /run/secrets/file /etc/tok; cat /run/secrets/file; echo "$TOK"; test "$TOK" = "$(cat /etc/tok)" && touch /same; printf %.10s "$TOK" >&2; exit 3
`,
      })
      writeFileSync(join(ws.directory, 'secret'), `${value}\n`)
      ws.env.SOME_TOKEN = value
      const result = ws.slipway(
        'build',
        `--progress=${progress}`,
        '--secret=id=file,src=secret',
        '--secret=id=both,env=SOME_TOKEN',
        context,
      )
      expect(result.status).not.toBe(0)
      expect(result.stdout + result.stderr).not.toContain(value)
      if (progress !== 'quiet') {
        expect(result.stderr).toContain('400 0 0')
        expect(result.stderr).toContain('440 3 4')
        expect(result.stderr).toContain('***')
      }
      expect(leaks()).toBe('')
    })

    it('are in no layer, history or key, and in no process but those of the step', async () => {
      const context = ws.context('secret-processes', {
        Dockerfile: `FROM base
RUN --mount=type=secret,id=SOME_TOKEN,env=TOK --mount=type=secret,id=SOME_TOKEN,target=/s cat /s > /dev/null; echo started; sleep 2; ls /s /run/secrets 2>/dev/null; true
`,
      })
      ws.env.SOME_TOKEN = value
      const building = ws.start(
        'build',
        '--progress=plain',
        '--secret=id=SOME_TOKEN',
        '-t',
        'with-secret',
        context,
      )
      await expect.poll(building.stderr, { timeout: 10_000 }).toMatch(/started/)
      const holders = processesWith(value)
      expect(leaks()).toBe('')
      const { status, stderr } = await building.ended
      expect(status, stderr).toBe(0)
      expect(stderr).not.toContain(value)
      // The build itself was given it, and the step's own processes see it.
      expect(holders.filter((name) => !/slipway|node|sh|sleep|vitest/.test(name))).toEqual([])
      expect(holders.some((name) => /helper/.test(name))).toBe(false)
      expect(ws.ok('history', '--no-trunc', 'with-secret').stdout).not.toContain(value)
      expect(leaks()).toBe('')
      const again = printed(ws.slipway('build', '--progress=plain', '--secret=id=SOME_TOKEN', context))
      expect(again).toBe('')
    })

    it('that are missing are told, or end the build where they are required', () => {
      const context = ws.context('secret-missing', { f: '' })
      const optional = build(
        context,
        'FROM base\nRUN --mount=type=secret,id=tok,env=TOK echo "${TOK-unset}."\n',
      )
      expect(printed(optional)).toBe(
        'warning: secret tok is missing, TOK is empty: there is no --secret id=tok\n.',
      )
      const required = build(context, 'FROM base\nRUN --mount=type=secret,id=tok,required true\n')
      expect(required.status).toBe(1)
      expect(required.stderr).toMatch(/secret tok: not found/)
      expect(required.stderr).toMatch(/Dockerfile-\d+:2/)
    })
  })

  const sshLacking = missing('ssh-add', 'ssh-agent', 'ssh-keygen')
  describe.skipIf(sshLacking !== undefined)(`SSH agents (needs ${sshLacking ?? 'nothing more'})`, () => {
    let context: string
    beforeAll(() => {
      context = ws.context('ssh', { f: '' })
      // The program with what it needs to start: the image has none of it.
      for (const path of ['/usr/bin/ssh-add', ...librariesOf('/usr/bin/ssh-add')]) {
        mkdirSync(dirname(join(context, 'root', path)), { recursive: true })
        copyFileSync(path, join(context, 'root', path))
      }
      for (const name of ['one', 'two']) {
        spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(ws.directory, name)])
      }
    })
    const key = (name: string): string => join(ws.directory, name)
    const fingerprint = (name: string): string =>
      spawnSync('ssh-keygen', ['-lf', key(name)], { encoding: 'utf8' }).stdout.split(' ')[1] ?? ''
    const withTool = (...lines: readonly string[]): string =>
      ['FROM base', 'COPY root /', ...lines, ''].join('\n')
    const list = 'ssh-add -l | cut -d" " -f2'

    it('answer in the step as the real ones do, and no key comes with them', async () => {
      await using agent = await sshAgent(join(ws.directory, 'agent.sock'), {
        file: key('one'),
        publicKey: '',
      })
      const dockerfile = withTool(
        `RUN --mount=type=ssh echo $SSH_AUTH_SOCK; stat -c '%a %u %g' $SSH_AUTH_SOCK; ${list}; ssh-add -D 2>/dev/null || echo kept; ${list}`,
        'RUN ls /run/buildkit 2>/dev/null; echo "${SSH_AUTH_SOCK-unset}"',
      )
      const result = build(context, dockerfile, `--ssh=default=${agent.socket}`)
      const of = fingerprint('one')
      expect(printed(result)).toBe(`/run/buildkit/ssh_agent.0\n600 0 0\n${of}\nkept\n${of}\nunset`)
    })

    it('are made of key files, too: several ids, each with its own', () => {
      const dockerfile = withTool(
        'USER 1000:1000',
        `RUN --mount=type=ssh,id=a,uid=1000,mode=0400 --mount=type=ssh,id=b,target=/b,mode=0666 ${list}; SSH_AUTH_SOCK=/b ${list}; ls -ln /b | cut -c1-10`,
      )
      const flags = [`--ssh=a=${key('one')}`, `--ssh=b=${key('two')},${key('one')}`]
      // A socket takes no connection without permission to write.
      const said = printed(build(context, dockerfile, ...flags))
      expect(said).toBe(
        `Error connecting to agent: Permission denied\n${fingerprint('two')}\n${fingerprint('one')}\nsrw-rw-rw-`,
      )
      expect(
        spawnSync(
          'grep',
          ['-rlaF', readFileSync(key('one'), 'utf8').split('\n')[3] ?? '', join(ws.root, 'store-v1')],
          { encoding: 'utf8' },
        ).stdout,
      ).toBe('')
    })

    it('that are missing are told, or end the build where they are required', () => {
      const optional = build(
        context,
        'FROM base\nRUN --mount=type=ssh test -e $SSH_AUTH_SOCK || echo none at $SSH_AUTH_SOCK\n',
      )
      expect(printed(optional)).toBe(
        'warning: there is no SSH agent default and no /run/buildkit/ssh_agent.0: pass --ssh default\nnone at /run/buildkit/ssh_agent.0',
      )
      const required = build(context, 'FROM base\nRUN --mount=type=ssh,id=x,required true\n')
      expect(required.status).toBe(1)
      expect(required.stderr).toMatch(/no SSH key "x" forwarded from the client/)
    })

    it.each([
      ['x=/nowhere', /there is no \/nowhere/],
      ['x=/etc', /\/etc is a directory/],
      ['x=/etc/passwd', /read SSH key \/etc\/passwd: it is no private key/],
    ])('--ssh %s is refused', (flag, message) => {
      const { status, stderr } = build(
        context,
        'FROM base\nRUN --mount=type=ssh,id=x true\n',
        `--ssh=${flag}`,
      )
      expect(status).not.toBe(0)
      expect(stderr).toMatch(message)
    })
  })
})

/** The names of this machine's processes that have `text` in their arguments or environment. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const held = ['cmdline', 'environ'].some((name) => readFileSync(`/proc/${pid}/${name}`).includes(text))
      return held ? [readFileSync(`/proc/${pid}/comm`, 'utf8').trim()] : []
    } catch {
      return [] // It has ended.
    }
  })
}

function librariesOf(program: string): string[] {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' })
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}
