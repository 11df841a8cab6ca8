// What containers were broken out of or misled by before: one test for every class of weakness that a sandbox of build
// steps can have, named by an advisory of it. The canary is a directory of the host beside the layers.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import type { ProcessSpec, Sandbox } from '../../src/sandbox/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { type Changes, type Ran, runIn } from '../contract/sandbox/run-in.ts'
import { dist } from '../sys/native.ts'
import { containersMissing, type LayerFile, type Layers, makeLayers } from './busybox-root.ts'

const lacking = existsSync(join(dist, 'slipway-helper')) ? containersMissing() : 'needs dist/slipway-helper'

describe.skipIf(lacking !== undefined)(`known attacks${lacking ? ` (${lacking})` : ''}`, () => {
  let layers: Layers
  let box: Sandbox
  let canary: string
  beforeAll(() => {
    layers = makeLayers()
    box = nativeSandbox({ native: openNative(dist) })
    canary = join(layers.directory, 'canary')
  })
  beforeEach(() => {
    execFileSync('rm', ['-rf', canary])
    mkdirSync(canary)
    writeFileSync(join(canary, 'file'), 'canary')
  })
  afterAll(() => layers.remove())

  /** Runs on an image with `files`; the canary must be as it was. */
  const attack = async (files: Readonly<Record<string, LayerFile>>, changes: Changes = {}): Promise<Ran> => {
    try {
      return await runIn(layers, box, { lower: [layers.base, layers.layer(files)], ...changes })
    } finally {
      expect(readdirSync(canary)).toEqual(['file'])
      expect(readFileSync(join(canary, 'file'), 'utf8')).toBe('canary')
      expect(statSync(canary).mode & 0o7777).toBe(0o755)
    }
  }
  const script = (text: string, changes: Changes = {}): Promise<Ran> =>
    attack({}, { script: text, ...changes })
  const up = '../'.repeat(20)

  describe('names of the image that are links', () => {
    test.each(['dev', 'proc', 'sys'])(
      'CVE-2026-41579, CVE-2019-19921: /%s is one to a directory of the host',
      async (name) => {
        const root = layers.layer({ bin: null, [name]: { link: canary } })
        const running = attack({}, { lower: [root], args: ['/bin/true'] })
        await expect(running).rejects.toThrow(`/${name}: it is not a directory in the image`)
      },
    )
    test.each(['dev/null', 'dev/shm', 'dev/pts', 'proc/kcore', 'sys/fs/cgroup'])(
      'CVE-2025-31133, CVE-2026-47766: /%s is one to the host, below what is mounted',
      async (name) => {
        const text = `test -L /${name} && echo link; echo x > /dev/null; head -c1 /proc/kcore | wc -c`
        const { out } = await attack({ [name]: { link: canary } }, { script: text })
        expect(out).toBe('0\n')
      },
    )
    test.each(['etc/hosts', 'etc/resolv.conf'])(
      'CVE-2021-30465: /%s is one to a file of the host',
      async (name) => {
        const link = { link: `${up}${canary}/file` }
        const { out } = await attack(
          { [name]: link },
          { script: `grep -c . /${name}; echo x >> /${name} || echo no` },
        )
        expect(out).toMatch(/^\d+\nno\n$/)
      },
    )
    test.each(['etc/hosts', 'etc/resolv.conf'])(
      'CVE-2024-45310: /%s is one to nothing on the host',
      async (name) => {
        await attack({ [name]: { link: `${canary}/made` } }, { script: `test -s /${name}` })
        await attack({ [name]: { link: `${up}${canary}/made` } }, { script: `test -s /${name}` })
      },
    )
    test('CVE-2021-30465: /etc is one to a directory of the host', async () => {
      const root = layers.layer({ proc: null, sys: null, dev: null, etc: { link: canary } })
      execFileSync('cp', ['-a', join(layers.base, 'bin'), root])
      const { out } = await attack({}, { lower: [root], script: 'grep -c localhost /etc/hosts' })
      expect(out).toBe('2\n')
    })
    test('CVE-2024-45310, CVE-2021-30465: the target of a mount is one, or lies behind one', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'file', target: '/out/new', content: 's', mode: 0o400 },
        { kind: 'file', target: '/file', content: 't', mode: 0o400 },
        { kind: 'tmpfs', target: '/out/tmpfs' },
        { kind: 'bind', source: layers.layer({ a: 'a' }), target: '/dir', readOnly: false },
      ]
      const links = {
        out: { link: `${up}${canary}` },
        file: { link: `${canary}/file` },
        dir: { link: '/proc/self/root/../../../canary' },
      }
      // A link through /proc names nothing before /proc is there, and is refused when it is.
      await expect(attack(links, { mounts })).rejects.toThrow(/mount point \/dir/)
      const { out } = await attack(links, {
        mounts: mounts.slice(0, 3),
        script: 'cat /out/new /file; echo x > /out/tmpfs/x',
      })
      expect(out).toBe('st')
    })
    test('CVE-2024-21626, CVE-2026-55686: the working directory is one to an open file of the helper', async () => {
      for (const fd of [3, 4, 5, 6, 7, 8, 9, 10]) {
        const cwd = { link: `/proc/self/fd/${fd}` }
        const running = attack({ cwd }, { cwd: '/cwd', script: 'pwd -P; ls ..' })
        await expect(running).rejects.toThrow(/working directory \/cwd/)
        const direct = attack({}, { cwd: `/proc/self/fd/${fd}`, script: 'pwd -P' })
        await expect(direct).rejects.toThrow(/working directory/)
      }
      const { out, upper } = await attack(
        { cwd: { link: `${up}${canary}/made` } },
        { cwd: '/cwd', script: 'pwd -P' },
      )
      expect(out).toBe(`${canary}/made\n`)
      expect(existsSync(join(upper, canary, 'made'))).toBe(true)
    })
    test('CVE-2019-14271, CVE-2024-9676: user data of the image is a link to the host, a pipe or endless', async () => {
      writeFileSync(join(layers.directory, 'host-passwd'), 'ada:x:0:0::/:\n')
      const link = { link: `${up}${layers.directory}/host-passwd` }
      await expect(attack({ 'etc/passwd': link }, { user: 'ada' })).rejects.toThrow(/unable to find user ada/)
      await expect(attack({ 'etc/passwd': { link: '/dev/zero' } }, { user: 'ada' })).rejects.toThrow(/user/)
      const large = layers.layer({ 'etc/passwd': '' })
      execFileSync('truncate', ['-s', '11M', join(large, 'etc/passwd')])
      const running = attack({}, { lower: [layers.base, large], user: 'ada' })
      await expect(running).rejects.toThrow(/larger than 10 MiB/)
    })
  })

  describe('what a step holds', () => {
    test('CVE-2024-21626, CVE-2016-9962: no file of the host is open in it or in process 1', async () => {
      const { out } = await script(
        'ls -l /proc/self/fd /proc/1/fd 2>/dev/null | grep -o -- "-> .*" | sort -u',
      )
      expect(
        out.split('\n').filter((line) => !/^(-> (\/dev\/null|pipe:.*|\/proc\/\d+\/fd))?$/.test(line)),
      ).toEqual([])
    })
    test('CVE-2022-29162, CVE-2022-24769, CVE-2022-27650: no inheritable or ambient capabilities', async () => {
      for (const user of ['', '1000:1000']) {
        const { out } = await script("grep -E '^Cap(Inh|Amb)' /proc/self/status | tr -d '\\t'", { user })
        expect(out).toBe('CapInh:0000000000000000\nCapAmb:0000000000000000\n')
      }
    })
    test('CVE-2022-36109, CVE-2022-2990: groups are set, the primary one is among them, none is inherited', async () => {
      expect((await script('id -G', { user: '1000:1001' })).out).toBe('1001\n')
      expect(
        (await script("grep '^Groups' /proc/self/status | tr -s '\\t ' ' '", { user: '5:6' })).out.trim(),
      ).toBe('Groups: 6')
    })
    test.each(['4294967295', '4294967296', '-1', '0x0', '18446744073709551616', '4294967296:0'])(
      'CVE-2024-40635, CVE-2026-30892: user %s is not root by an overflow',
      async (user) => {
        await expect(attack({ 'etc/passwd': 'root:x:0:0::/:\n' }, { user })).rejects.toThrow(
          /unable to find user/,
        )
      },
    )
    test('CVE-2017-5226: no terminal, in a session of its own', async () => {
      const { out } = await script(
        '(echo x > /dev/tty) 2>&1 | grep -c "No such device"; cut -d" " -f7 /proc/self/stat',
      )
      expect(out).toBe('1\n0\n')
    })
    test('CVE-2020-15257: only with a network of its own it sees no abstract sockets', async () => {
      const { out } = await script('grep -c @ /proc/net/unix', { network: 'none' })
      expect(out).toBe('0\n')
    })
    test('the environment is that of the spec (CVE-2021-3602)', async () => {
      process.env.SLIPWAY_TEST_SECRET = 'of the host'
      const { out } = await script('env; cat /proc/1/environ')
      delete process.env.SLIPWAY_TEST_SECRET
      expect(out).not.toMatch(/of the host|SLIPWAY/)
    })
  })

  describe('what a step reaches', () => {
    test('CVE-2023-25809: control groups cannot be written to', async () => {
      const text =
        'cat /proc/self/cgroup | cut -d: -f3 | sort -u; find /sys/fs/cgroup -type f -writable | head -1; mkdir /sys/fs/cgroup/x || echo no'
      expect((await script(text)).out).toBe('/\nno\n')
    })
    test('CVE-2025-52881, CVE-2019-16884: settings of the kernel and of security modules are out of reach', async () => {
      const files =
        '/proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/drop_caches /proc/irq/0/smp_affinity'
      const text = `for f in ${files}; do (echo x > $f) 2>/dev/null && echo "$f written"; done; mount | grep -c "on /proc/sys type proc (ro"`
      expect((await script(text)).out).toBe('1\n')
    })
    test('CVE-2025-52881: of what is mounted onto /proc nothing is written to, all of that was done outside', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'file', target: '/proc/self/attr/exec', content: 'x', mode: 0o644 },
      ]
      const { out } = await attack(
        {},
        { mounts, script: 'cat /proc/1/attr/exec; (echo y > /proc/1/attr/exec) || echo no' },
      )
      expect(out).toBe('xno\n')
    })
    test('GHSA-7ww5-4wqc-m92c: power, interrupts and throttling tell nothing', async () => {
      const text =
        'for f in /proc/interrupts /proc/timer_list /proc/keys; do test -e $f && head -c1 $f; done; for d in /sys/devices/virtual/powercap /sys/firmware /sys/devices/system/cpu/cpu*/thermal_throttle; do test -d $d && ls $d; done'
      expect((await script(text)).out).toBe('')
    })
    test('CVE-2025-31133: what is masked is the null device and cannot be written through', async () => {
      const { out } = await script(
        'for f in /proc/kcore /proc/keys /proc/interrupts; do test -e $f && stat -c "%t:%T" $f; done | sort -u; (umount /proc/kcore) 2>&1 | grep -c denied\\|permitted',
      )
      expect(out).toMatch(/^1:3\n/)
    })
    test('CVE-2022-0492, CVE-2022-0185: no namespace in which to gain capabilities', async () => {
      const { out } = await script(
        'for n in -U -m -C -n -p -i -u; do unshare $n true 2>/dev/null && echo "$n"; done',
      )
      expect(out).toBe('')
    })
    test('CVE-2019-5736: the helper cannot be written to through /proc', async () => {
      const { out } = await script(
        '(echo x > /proc/1/exe) 2>/dev/null && echo written; (cat /proc/1/exe | wc -c) 2>/dev/null',
      )
      expect(out).toBe('0\n')
    })
    test('CVE-2021-41091: a set-uid file of a step stays behind a directory that only its owner enters', async () => {
      const { upper } = await script('cp /bin/busybox /suid; chmod 4755 /suid')
      expect(statSync(join(upper, 'suid')).mode & 0o7777).toBe(0o4755)
      // Below the directory that the snapshots of a state directory are in.
      expect(statSync(layers.directory).mode & 0o077).toBe(0)
    })
  })

  describe('what is cleared away', () => {
    test('CVE-2024-23652: a mount point swapped for a link to the host is not removed there', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'file', target: '/made/deep/file', content: 's', mode: 0o400 },
      ]
      writeFileSync(join(canary, 'file'), '')
      const ran = await runIn(layers, box, {
        mounts,
        lower: [layers.base, layers.layer({ made: { whiteout: true } })],
        script: `mv /made /elsewhere 2>/dev/null; mkdir -p /made/x; ln -s ${canary} /made/deep 2>/dev/null; true`,
      })
      expect(ran.exit.code).toBe(0)
      expect(readdirSync(canary)).toEqual(['file'])
      writeFileSync(join(canary, 'file'), 'canary')
    })
    test('CVE-2024-23651, CVE-2024-1753: the source of a bind is taken as it is, never followed', async () => {
      const source = layers.layer({ kept: 'kept' })
      symlinkSync(canary, join(source, 'link'))
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'bind', source: join(source, 'link'), target: '/bound', readOnly: false },
      ]
      await expect(attack({}, { mounts, script: 'echo x > /bound/file' })).rejects.toThrow(
        `bind mount ${join(source, 'link')}: Invalid argument`,
      )
    })
    test('CVE-2025-52565: nothing of the image is opened as a device', async () => {
      const layer = layers.layer({ dev: null })
      execFileSync('mknod', [join(layer, 'dev/null'), 'c', '1', '11'])
      chmodSync(join(layer, 'dev/null'), 0o666)
      const { out } = await attack(
        {},
        { lower: [layers.base, layer], script: 'stat -c "%t:%T" /dev/null; readlink /proc/self/fd/0' },
      )
      expect(out).toBe('1:3\n/dev/null\n')
    })
  })
})
