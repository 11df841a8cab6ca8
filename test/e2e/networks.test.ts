// What the network of RUN is: kept off the host's where a program for that is installed, else the host's, said once.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { executable, missing, until, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox', 'unshare')

describe.skipIf(lacking !== undefined)(`networks of RUN (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let without: Workspace
  let other: ChildProcess
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
    const programs = join(ws.directory, 'programs')
    mkdirSync(programs)
    symlinkSync(process.execPath, join(programs, 'node'))
    without = workspace({ PATH: programs, SLIPWAY_ROOT: ws.root })
    other = spawn('unshare', ['-n', 'sleep', '600'], { stdio: 'ignore' })
  })
  afterAll(() => {
    other?.kill('SIGKILL')
    without?.[Symbol.dispose]()
    ws?.[Symbol.dispose]()
  })
  const build = (where: Workspace, dockerfile: string, ...flags: readonly string[]): string => {
    const context = where.context('app', { Dockerfile: `FROM base\n${dockerfile}\n` })
    return where.ok('build', '--progress=plain', '--no-cache', ...flags, context).stderr
  }

  it("is said to be the host's, once, where nothing is installed", () => {
    const shown = build(without, 'RUN echo a > /a\nRUN echo b > /b\nRUN ls /sys/class/net | wc -l')
    expect(
      shown.match(/RUN uses the host's network: neither pasta nor slirp4netns is installed/g),
    ).toHaveLength(1)
    expect(build(without, 'RUN --network=none echo a > /a')).not.toContain('RUN uses')
    expect(build(without, 'RUN echo a > /a', '--network=host')).not.toContain('RUN uses')
  })

  it.skipIf(missing('pasta', 'unshare') !== undefined)('is none on a machine that has none', () => {
    const context = ws.context('offline', {
      Dockerfile: 'FROM base\nRUN ls /sys/class/net | wc -l\nRUN true\n',
    })
    const { status, stderr } = spawnSync(
      'unshare',
      ['-n', executable, 'build', '--progress=plain', context],
      {
        env: ws.env,
        encoding: 'utf8',
      },
    )
    expect(status, stderr).toBe(0)
    expect(stderr.match(/RUN has no network: this machine has none/g)).toHaveLength(1)
  })

  const pasta = missing('pasta') === undefined ? undefined : missing('slirp4netns')
  const noProgram = pasta ?? (existsSync('/dev/net/tun') ? undefined : '/dev/net/tun')
  it.skipIf(noProgram !== undefined)(
    `has no way to the host's loopback (needs ${noProgram ?? 'nothing more'})`,
    async () => {
      let asked = 0
      const server = createServer((socket) => {
        asked++
        socket.end()
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      const context = ws.context('ask', {
        Dockerfile: `FROM base\nRUN ip route | grep -c ^default; nc 127.0.0.1 ${port} </dev/null || echo refused\n`,
      })
      const ended = await ws.start('build', '--progress=plain', '--no-cache', context).ended
      server.close()
      expect(ended.stderr).toMatch(/ 1\n[\s\S]* refused\n/)
      expect(ended.stderr).not.toContain('RUN uses')
      expect(asked).toBe(0)
    },
  )

  it('is a namespace that exists', async () => {
    const path = `/proc/${other.pid}/ns/net`
    await until('the other namespace', () => readlinkSync(path) !== readlinkSync('/proc/self/ns/net'))
    const shown = build(ws, 'RUN readlink /proc/self/ns/net; ls /sys/class/net', `--network=ns:${path}`)
    expect(shown).toContain(readlinkSync(path))
    expect(shown).toMatch(/ lo\n/)
    const host = build(ws, 'RUN --network=none readlink /proc/self/ns/net', `--network=ns:${path}`)
    expect(host).not.toContain(readlinkSync(path))
  })

  it.each([
    ['ns:', 125, /invalid value "ns:" for --network\n {2}help: give it as ns:NAME/],
    ['ns:../x', 125, /invalid value/],
    ['bridge', 125, /help: give it as one of default, host, none, ns:NAME, ns:PATH/],
    [
      'ns:none-such',
      1,
      /join network namespace \/run\/netns\/none-such: it does not exist\n {2}help: make it with: ip netns add none-such/,
    ],
    ['ns:/dev/null', 1, /join network namespace \/dev\/null: Invalid argument/],
  ])('--network=%s is refused', (value, status, message) => {
    const context = ws.context('app', { Dockerfile: 'FROM base\nRUN true\n' })
    const failed = ws.slipway('build', '--no-cache', `--network=${value}`, context)
    expect([failed.status, failed.stderr]).toEqual([status, expect.stringMatching(message)])
  })
})
