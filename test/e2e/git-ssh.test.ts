// Git repositories over SSH, as contexts and with ADD, from OpenSSH's own server: who is let in, and what is believed of a host.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type TestRepository, testRepository } from '../support/git-server.ts'
import {
  rootLocked,
  type SshAgent,
  type SshKey,
  type SshServer,
  sshAgent,
  sshKey,
  sshServer,
} from '../support/ssh-server.ts'
import { type Finished, missing, tool, type Workspace, workspace } from './support/slipway.ts'

const lacking =
  process.getuid?.() === 0 ? (missing('git', 'ssh', 'ssh-agent', '/usr/sbin/sshd') ?? rootLocked()) : 'root'

describe.skipIf(lacking !== undefined)(
  `git over SSH${lacking === undefined ? '' : ` (needs ${lacking})`}`,
  () => {
    let ws: Workspace
    let server: SshServer
    let repository: TestRepository
    let known: SshKey
    let unknown: SshKey
    let agent: SshAgent
    let otherAgent: SshAgent
    /** The repository's two forms of address. */
    let url: string
    let short: string

    beforeAll(async () => {
      ws = workspace()
      delete ws.env.SSH_AUTH_SOCK
      const at = (name: string): string => join(ws.directory, name)
      known = sshKey(ws.directory, 'known')
      unknown = sshKey(ws.directory, 'unknown')
      server = await sshServer(at('sshd'), sshKey(ws.directory, 'host'))
      agent = await sshAgent(at('agent'), known)
      otherAgent = await sshAgent(at('other-agent'), unknown)
      repository = testRepository(ws.directory, 'a.git')
      repository.commit({
        Dockerfile: 'FROM scratch\nCOPY . /\n',
        f: '1',
        'sub/Dockerfile': 'FROM scratch\nCOPY g /\n',
        'sub/g': 'g',
      })
      repository.git('tag', 'v1')
      repository.commit({ f: '2' })
      url = `ssh://root@127.0.0.1:${server.port}${repository.path}`
      short = `root@${server.host}:${repository.path}`
    })

    afterAll(async () => {
      await server?.[Symbol.asyncDispose]()
      await agent?.[Symbol.asyncDispose]()
      await otherAgent?.[Symbol.asyncDispose]()
      ws?.[Symbol.dispose]()
    })

    beforeEach(() => {
      rmSync(ws.root, { recursive: true, force: true })
      rmSync(join(ws.directory, 'out.tar'), { force: true })
      server.authorize(known)
    })

    async function build(...args: readonly string[]): Promise<Finished> {
      return ws.start('build', '--progress=plain', '-o', 'type=tar,dest=out.tar', ...args).ended
    }

    const read = (path: string): string => tool('tar', ['-xOf', join(ws.directory, 'out.tar'), path])

    async function ok(...args: readonly string[]): Promise<void> {
      const { status, stderr } = await build(...args)
      expect(stderr).not.toContain('ERROR')
      expect(status).toBe(0)
    }

    /** Builds, which must fail with one error and its help: these lines. */
    async function refused(...args: readonly string[]): Promise<string> {
      const { status, stderr } = await build(...args)
      expect(status).toBe(1)
      expect(stderr).not.toMatch(/^ +at /m)
      expect(stderr.match(/^ERROR/gm)).toHaveLength(1)
      return stderr.slice(stderr.indexOf('ERROR'))
    }

    const withAdd = (...sources: readonly string[]): string =>
      ws.context('add', {
        Dockerfile: ['FROM scratch', ...sources.map((source) => `ADD ${source}`), ''].join('\n'),
      })

    describe('a context over SSH', () => {
      it.each([
        ['an address with a port', () => `${url}#v1`, 'f', '1'],
        ['an address with a port, everything in the query', () => `${url}?tag=v1&subdir=sub`, 'g', 'g'],
        ['user@host:path', () => short, 'f', '2'],
        ['user@host:path with a directory', () => `${short}#v1:sub`, 'g', 'g'],
      ])('%s', async (_, address, path, content) => {
        await ok(`--ssh=default=${agent.socket}`, address())
        expect(read(path)).toBe(content)
      })

      it('is fetched with the agent of the environment unasked, and with --ssh default', async () => {
        ws.env.SSH_AUTH_SOCK = agent.socket
        try {
          await ok(url)
          await ok('--ssh', 'default', `${url}#v1`)
        } finally {
          delete ws.env.SSH_AUTH_SOCK
        }
        expect(read('f')).toBe('1')
      })

      it('uses the agent whose id is default, and no other', async () => {
        await ok('--ssh', `other=${otherAgent.socket}`, '--ssh', `default=${agent.socket}`, url)
        const said = await refused('--ssh', `other=${agent.socket}`, `${url}#v1`)
        expect(said).toContain('the host accepts none of the keys it was shown')
      })

      it('may be a named one, and have submodules of the same host', async () => {
        const module = testRepository(ws.directory, 'm.git')
        const inner = module.commit({ inner: 'i' })
        repository.git('checkout', '-q', '-b', 'modules')
        repository.git('config', '-f', '.gitmodules', 'submodule.m.path', 'm')
        repository.git('config', '-f', '.gitmodules', 'submodule.m.url', '../m.git')
        repository.git('update-index', '--add', '--cacheinfo', `160000,${inner},m`)
        repository.git('add', '.gitmodules')
        repository.git('commit', '-q', '-m', 'x')
        repository.git('checkout', '-q', '-f', 'main')
        const context = ws.context('named', { Dockerfile: 'FROM scratch\nCOPY --from=src m/inner /\n' })
        await ok(`--ssh=default=${agent.socket}`, `--build-context=src=${url}#modules`, context)
        expect(read('inner')).toBe('i')
      })
    })

    describe('ADD over SSH', () => {
      it('takes both forms of address with --ssh default=SOCKET', async () => {
        await ok(`--ssh=default=${agent.socket}`, withAdd(`${url}#v1 /long/`, `${short}#v1:sub /short/`))
        expect(read('long/f') + read('short/g')).toBe('1g')
      })

      it('has no agent unasked, even where the environment has one', async () => {
        ws.env.SSH_AUTH_SOCK = agent.socket
        try {
          const said = await refused(withAdd(`${url} /`))
          expect(said).toContain('the host accepts none of the keys it was shown')
          expect(said).toContain('--ssh default')
        } finally {
          delete ws.env.SSH_AUTH_SOCK
        }
      })

      it('runs nothing and asks the host for one thing when the commit is here', async () => {
        const context = withAdd(`${short}#v1 /`)
        await ok(`--ssh=default=${agent.socket}`, context)
        const before = server.log().match(/Accepted publickey/g)?.length
        const { stderr } = await build(`--ssh=default=${agent.socket}`, context)
        expect(stderr).toContain('CACHED')
        expect((server.log().match(/Accepted publickey/g)?.length ?? 0) - (before ?? 0)).toBe(1)
      })
    })

    describe('the key of a host', () => {
      const kept = (): string => readFileSync(join(ws.root, 'store-v1/git/known_hosts'), 'utf8')

      it('is believed at first, kept in the state directory and nowhere else', async () => {
        const own = join(process.env.HOME ?? '/root', '.ssh/known_hosts')
        const before = existsSync(own) ? readFileSync(own, 'utf8') : undefined
        await ok(`--ssh=default=${agent.socket}`, url)
        const hostKey = readFileSync(join(ws.directory, 'host.pub'), 'utf8').split(' ')[1] ?? 'none'
        expect(kept()).toContain(`[127.0.0.1]:${server.port} ssh-ed25519 ${hostKey}`)
        expect(existsSync(own) ? readFileSync(own, 'utf8') : undefined).toBe(before)
      })

      it('must stay the same: another one is an error, and nothing is fetched', async () => {
        await ok(`--ssh=default=${agent.socket}`, url)
        const impostor = sshKey(ws.directory, `impostor-${Date.now()}`)
        writeFileSync(
          join(ws.root, 'store-v1/git/known_hosts'),
          kept().replace(/ssh-ed25519 \S+/, impostor.publicKey.split(' ').slice(0, 2).join(' ')),
        )
        const accepted = server.log().match(/Accepted publickey/g)?.length
        const said = await refused(`--ssh=default=${agent.socket}`, `${url}#v1`)
        expect(said).toContain('the host has not the key it had before')
        expect(said).toContain('git/known_hosts')
        expect(server.log().match(/Accepted publickey/g)?.length).toBe(accepted)
      })
    })

    describe('what does not work over SSH is one clear error', () => {
      it('keys that the host refuses', async () => {
        const said = await refused('--ssh', `default=${otherAgent.socket}`, url)
        expect(said).toContain('the host accepts none of the keys it was shown')
        expect(server.log()).toMatch(/Failed publickey|Connection closed by authenticating user/)
      })

      it('more keys than the host looks at', async () => {
        const keys = Array.from({ length: 8 }, (_, index) =>
          sshKey(ws.directory, `many-${index}-${Date.now()}`),
        )
        const many = await sshAgent(join(ws.directory, 'many'), ...keys)
        try {
          const said = await refused('--ssh', `default=${many.socket}`, url)
          expect(said).toContain('the host was shown more keys than it looks at')
        } finally {
          await many[Symbol.asyncDispose]()
        }
      })

      it('a path that is no repository', async () => {
        const said = await refused(`--ssh=default=${agent.socket}`, `${url}-not`)
        expect(said).toContain('there is no such repository')
      })

      it('a ref that is not there', async () => {
        const said = await refused(`--ssh=default=${agent.socket}`, `${url}#v2`)
        expect(said).toContain('does not contain ref v2')
        expect(said).toContain('did you mean the tag v1?')
      })

      it('a port nobody listens on', async () => {
        const said = await refused(
          `--ssh=default=${agent.socket}`,
          `ssh://root@127.0.0.1:1${repository.path}`,
        )
        expect(said).toContain('could not connect')
      })

      it('a host that does not exist', async () => {
        const said = await refused(`--ssh=default=${agent.socket}`, 'git@host.invalid:a/b.git')
        expect(said).toContain('no such host')
      })

      it.each([
        ['closes the connection', (server: Server) => server.on('connection', (socket) => socket.end())],
        [
          'speaks HTTP',
          (server: Server) =>
            server.on('connection', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
        ],
        [
          'never ends its greeting',
          (server: Server) =>
            server.on('connection', (socket) => {
              const line = Buffer.alloc(1 << 10, 'x')
              line[line.length - 1] = 10
              const more = (): void => {
                while (socket.writable && socket.write(line));
              }
              socket.on('drain', more).on('error', () => socket.destroy())
              more()
            }),
        ],
      ])('a host that %s', async (_, behave) => {
        const other = behave(createServer()).listen(0, '127.0.0.1')
        await new Promise((done) => other.once('listening', done))
        const address = other.address()
        const port = typeof address === 'object' ? address?.port : undefined
        try {
          const said = await refused(`--ssh=default=${agent.socket}`, `ssh://git@127.0.0.1:${port}/a`)
          expect(said).toContain('the host ended the connection, or does not speak SSH')
          expect(said).toContain(`ssh://git@127.0.0.1:${port}/a: `)
        } finally {
          other.close()
        }
      })
    })
  },
)
