// Steps in namespaces that pasta and slirp4netns connect, against a server on the host's loopback and one beside it.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SlipwayError } from '../../src/core/error.ts'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import { isolatedSandbox, type NetworkPool, openNetworkPool } from '../../src/sandbox/network-pool.ts'
import { findNetworkProgram, type NetworkProgram } from '../../src/sandbox/network-program.ts'
import { ociSandbox } from '../../src/sandbox/oci-runtime.ts'
import type { Sandbox } from '../../src/sandbox/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { runIn, testContext } from '../contract/sandbox/run-in.ts'
import { missing } from '../support/missing.ts'
import { containersMissing, type Layers, makeLayers } from './busybox-root.ts'

const native = openNative(join(import.meta.dirname, '../../dist'))
const lacking = containersMissing() ?? (existsSync('/dev/net/tun') ? undefined : 'needs /dev/net/tun')

/** Where `name` is, with the arguments that slipway gives it. */
function programNamed(name: string): NetworkProgram {
  const file = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
  // The directory alone may hold the other, too.
  const found = findNetworkProgram(file.replace(/\/[^/]*$/, ''))
  if (typeof found === 'string') throw new Error(found)
  if (found.name === name) return found
  const only = findNetworkProgram(alone(file))
  if (typeof only === 'string') throw new Error(only)
  return only
}

function alone(file: string): string {
  const directory = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim()
  execFileSync('ln', ['-s', file, directory])
  return directory
}

/** An address of this machine that is not its loopback. */
function hostAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address
}

const running = (pid: string): boolean => existsSync(`/proc/${pid}`)
const pidOf = (path: string): string => path.split('/')[2] ?? ''

for (const name of ['pasta', 'slirp4netns']) {
  const reason = lacking ?? (missing(name) === undefined ? undefined : `needs ${name}`)
  describe.skipIf(reason !== undefined)(
    `network by ${name}${reason === undefined ? '' : ` (${reason})`}`,
    () => {
      let layers: Layers
      let pool: NetworkPool
      let box: Sandbox
      let server: Server
      beforeAll(async () => {
        layers = makeLayers()
        pool = openNetworkPool(native, programNamed(name))
        box = isolatedSandbox(nativeSandbox({ native }), pool)
        server = createServer((socket) => socket.end('of the host'))
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      })
      afterAll(async () => {
        server.close()
        await pool[Symbol.asyncDispose]()
        layers.remove()
      })
      const out = async (script: string): Promise<string> => (await runIn(layers, box, { script })).out

      test('a step has an interface and a route of its own', async () => {
        const shown = await out(
          'ip -o link | wc -l; ip route | grep -c "^default"; ping -c1 -W1 127.0.0.1 | grep -c "1 packets received"',
        )
        expect(shown).toBe('2\n1\n1\n')
      })
      test("nobody answers on the host's loopback, by any name of it", async () => {
        const { port } = server.address() as AddressInfo
        const gateways = "$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')"
        const text = `for a in 127.0.0.1 ${gateways} 10.0.2.2 10.0.2.3; do timeout 2 nc $a ${port} </dev/null 2>/dev/null; done; echo end`
        expect(await out(text)).toBe('end\n')
      })
      test('abstract sockets of the host are not there', async () => {
        expect(await out('grep -c @ /proc/net/unix')).toBe('0\n')
      })
      test('what the host can reach can be reached', async () => {
        const address = hostAddress()
        if (name === 'pasta' || address === undefined) return
        const beside = createServer((socket) => socket.end('beside'))
        await new Promise<void>((resolve) => beside.listen(0, address, resolve))
        const { port } = beside.address() as AddressInfo
        expect(await out(`sleep 1 | nc -w 5 ${address} ${port}`)).toBe('beside')
        beside.close()
      })
      test('one step after another uses one program, two at a time use two', async () => {
        const own = openNetworkPool(native, programNamed(name))
        const first = await own.take(testContext())
        first.release(false)
        const second = await own.take(testContext())
        expect(second.namespace.path).toBe(first.namespace.path)
        const third = await own.take(testContext())
        expect(third.namespace.path).not.toBe(first.namespace.path)
        third.release(true)
        const fourth = await own.take(testContext())
        expect(fourth.namespace.path).not.toBe(third.namespace.path)
        await own[Symbol.asyncDispose]()
        for (const { namespace } of [second, third, fourth])
          expect(running(pidOf(namespace.path))).toBe(false)
      })
      test('the program ends when what holds the namespace is killed', async () => {
        const own = openNetworkPool(native, programNamed(name))
        const { namespace } = await own.take(testContext())
        const pid = pidOf(namespace.path)
        const [keeper = ''] = childrenOf(pid)
        // Read once: what goes on in its place (pasta may fork) is another child.
        const programs = childrenOf(keeper)
        expect(programs).toHaveLength(1)
        const all = [keeper, ...programs]
        process.kill(Number(pid), 'SIGKILL')
        for (let tries = 0; tries < 1000 && all.some(running); tries++) await sleep(10)
        expect(all.filter(running)).toEqual([])
        const next = await own.take(testContext())
        expect(next.namespace.path).not.toBe(namespace.path)
        await own[Symbol.asyncDispose]()
      })
      test.skipIf(missing('runc') !== undefined)('an OCI runtime joins it as well (needs runc)', async () => {
        const directory = join(layers.directory, 'notes')
        const oci = ociSandbox({ native, runtime: 'runc', path: process.env.PATH ?? '', directory })
        const script = 'ip route | grep -c "^default"; ls /sys/class/net | wc -l'
        expect((await runIn(layers, isolatedSandbox(oci, pool), { script })).out).toBe('1\n2\n')
      })
      test('other networks are left as they are', async () => {
        expect((await runIn(layers, box, { script: 'ls /sys/class/net', network: 'none' })).out).toBe('lo\n')
      })
    },
  )
}

describe.skipIf(lacking !== undefined)(
  `joining a namespace${lacking === undefined ? '' : ` (${lacking})`}`,
  () => {
    let layers: Layers
    beforeAll(() => {
      layers = makeLayers()
    })
    afterAll(() => layers.remove())
    const box = nativeSandbox({ native })

    test('that is none is refused', async () => {
      const path = join(layers.directory, 'no-namespace')
      writeFileSync(path, '')
      await expect(runIn(layers, box, { networkNamespace: { path } })).rejects.toThrow(
        `join network namespace ${path}: Invalid argument`,
      )
      await expect(runIn(layers, box, { networkNamespace: { path: `${path}-2` } })).rejects.toThrow(
        `join network namespace ${path}-2: No such file or directory`,
      )
      execFileSync('mkfifo', [`${path}-3`])
      await expect(runIn(layers, box, { networkNamespace: { path: `${path}-3` } })).rejects.toThrow(
        /Invalid argument/,
      )
    })
    test('takes its resolv.conf as it is', async () => {
      const resolvConf = join(layers.directory, 'resolv.conf')
      writeFileSync(resolvConf, 'nameserver 127.0.0.9\n')
      const networkNamespace = { path: '/proc/self/ns/net', resolvConf }
      const { out } = await runIn(layers, box, { script: 'cat /etc/resolv.conf', networkNamespace })
      expect(out).toBe('nameserver 127.0.0.9\n')
    })
    test('a program that fails is quoted', async () => {
      const program = join(layers.directory, 'pasta')
      writeFileSync(program, '#!/bin/sh\necho "no tap device" >&2; exit 3\n')
      chmodSync(program, 0o755)
      const pool = openNetworkPool(native, { name: 'pasta', program, args: ['@'] })
      const error = (await pool.take(testContext()).catch((thrown: unknown) => thrown)) as SlipwayError
      expect([error.code, error.message, error.hint]).toEqual([
        'ERR_NETWORK_FAILED',
        `connect network with ${program}: it ended with exit code 3: no tap device`,
        "use the host's network: --network=host",
      ])
      await pool[Symbol.asyncDispose]()
    })
  },
)

function childrenOf(parent: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return /^\d+ \(.*\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] === parent
    } catch (error) {
      // It ended meanwhile.
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
      throw error
    }
  })
}
