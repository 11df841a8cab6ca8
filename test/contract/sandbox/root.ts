// The root file system of a step: what it shows of the machine, and what of it ends up in the layer.
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ProcessSpec } from '../../../src/sandbox/types.ts'
import type { SandboxUnderTest } from './run-in.ts'

/** /dev, /proc and /sys, limits, mount points, the upper directory. */
export function describeRoot(under: SandboxUnderTest): void {
  const { run, script, failure } = under

  describe('its file system', () => {
    test('/dev holds just what docker gives', async () => {
      const { out } = await script(
        'cd /dev; for f in *; do echo "$f $(stat -c "%a %t:%T %F" $f)"; done; stat -c %a /dev; ls pts shm mqueue; stat -L -c %a ptmx',
      )
      expect(out).toBe(
        [
          'fd 777 0:0 symbolic link',
          'full 666 1:7 character special file',
          'mqueue 1777 0:0 directory',
          'null 666 1:3 character special file',
          'ptmx 777 0:0 symbolic link',
          'pts 755 0:0 directory',
          'random 666 1:8 character special file',
          'shm 1777 0:0 directory',
          'stderr 777 0:0 symbolic link',
          'stdin 777 0:0 symbolic link',
          'stdout 777 0:0 symbolic link',
          'tty 666 5:0 character special file',
          'urandom 666 1:9 character special file',
          'zero 666 1:5 character special file',
          '755',
          'mqueue:',
          '',
          'pts:',
          'ptmx',
          '',
          'shm:',
          '666',
          '',
        ].join('\n'),
      )
    })
    test('secrets of the host are masked', async () => {
      const { out } = await script(
        'for f in kcore keys timer_list interrupts; do test -e /proc/$f && head -c1 /proc/$f | wc -c; done; ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : | grep -v "^$"',
      )
      expect(out.replace(/0\n/g, '')).toBe('')
    })
    test('the kernel is read-only', async () => {
      const text =
        'for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/mm/transparent_hugepage/enabled; do (echo x > $f) 2>&1 | grep -c "Read-only\\|nonexistent"; done; mkdir /sys/fs/cgroup/x 2>&1 | grep -c Read-only'
      expect((await script(text)).out).toBe('1\n1\n1\n1\n1\n')
    })
    test('limits are those asked for', async () => {
      const { out } = await script('ulimit -Sn; ulimit -Hn; ulimit -Sf; ulimit -Hf', {
        rlimits: [
          { name: 'nofile', soft: 256, hard: 512 },
          { name: 'fsize', soft: 1 << 20, hard: -1 },
        ],
      })
      expect(out).toBe('256\n512\n2048\nunlimited\n')
    })
    test('shared memory has the size asked for', async () => {
      expect((await script('df -k /dev/shm | tail -1 | awk "{print \\$2}"')).out).toBe('65536\n')
      const { out } = await script('df -k /dev/shm | tail -1 | awk "{print \\$2}"', {
        shmSizeBytes: 1 << 20,
      })
      expect(out).toBe('1024\n')
    })
    test('a step that changes nothing leaves nothing', async () => {
      const { upper } = await script('cat /etc/hosts /etc/resolv.conf > /dev/null')
      expect(readdirSync(upper)).toEqual([])
    })
    test('an empty image gets its mount points, and nothing of ours', async () => {
      const only = under.layers.layer({ x: 'x' })
      execFileSync('cp', ['/bin/busybox', join(only, 'busybox')])
      const { out, upper } = await run({ args: ['/busybox', 'cat', '/etc/hosts'], lower: [only] })
      expect(out).toMatch(/^127\.0\.0\.1\tlocalhost buildkitsandbox\n/)
      expect(readdirSync(upper).sort()).toEqual(['dev', 'proc', 'sys'])
    })
    test('nothing of the mounts of the process before shows', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'file', target: '/only/here', content: 's', mode: 0o400 },
        { kind: 'tmpfs', target: '/scratch' },
        { kind: 'layers', lower: [under.layers.base], source: '/', target: '/base', readOnly: false },
      ]
      const first = await script('echo x > /base/made; ls -d /only/here /scratch /base/made', { mounts })
      expect(first.out).toBe('/base/made\n/only/here\n/scratch\n')
      const { out, upper } = await script('ls -d /only /scratch /base 2>/dev/null; ls /etc')
      expect(out).toBe('hosts\nresolv.conf\n')
      expect(readdirSync(upper)).toEqual([])
    })
    test('a place to mount on that the image hides is made and taken away', async () => {
      const had = under.layers.layer({ 'etc/hosts': 'old', 'etc/keep': '1' })
      const gone = under.layers.layer({ 'etc/hosts': { whiteout: true } })
      const linked = under.layers.layer({ 'var/run': { link: '/run' }, run: null })
      const lower = [under.layers.base, had, gone, linked]
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'file', target: '/var/run/deep/secret', content: 's', mode: 0o400 },
      ]
      const before = statSync(join(gone, 'etc')).mtimeMs
      const { out, upper } = await script('cat /etc/hosts | head -1; cat /var/run/deep/secret', {
        lower,
        mounts,
      })
      expect(out).toMatch(/^127\.0\.0\.1\t.*\ns$/)
      expect(existsSync(join(upper, 'run/deep'))).toBe(false)
      if (existsSync(join(upper, 'etc'))) {
        expect(readdirSync(join(upper, 'etc'))).toEqual([])
        expect(statSync(join(upper, 'etc')).mtimeMs).toBe(before)
      }
    })
    test('a resolv.conf that links to nowhere is given its target for the time of the step', async () => {
      const link = { link: '../run/systemd/resolve/stub-resolv.conf' }
      const lower = [under.layers.base, under.layers.layer({ 'etc/resolv.conf': link, run: null })]
      const { out, upper } = await script('grep -c nameserver /etc/resolv.conf', { lower })
      expect(Number(out)).toBeGreaterThan(0)
      expect(existsSync(join(upper, 'run/systemd'))).toBe(false)
      expect(existsSync(join(upper, 'etc/resolv.conf'))).toBe(false)
    })
    test('what the step puts beside a mount point stays', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'file', target: '/run/secrets/a', content: 's', mode: 0o400 },
      ]
      const { upper } = await script('echo x > /run/secrets/b', { mounts })
      expect(readdirSync(join(upper, 'run/secrets'))).toEqual(['b'])
    })
    test('changes are an overlay upper directory', async () => {
      const layer = under.layers.layer({ 'old/a': 'a', 'old/b': 'b', 'data/x': 'x' })
      const text = 'rm /old/a; rm -r /data; mkdir /data; echo n > /data/n; echo more >> /old/b'
      const { upper } = await script(text, { lower: [under.layers.base, layer] })
      const hidden = lstatSync(join(upper, 'old/a'))
      expect([hidden.isCharacterDevice(), hidden.rdev]).toEqual([true, 0])
      expect(readFileSync(join(upper, 'old/b'), 'utf8')).toBe('bmore\n')
      expect(readdirSync(join(upper, 'data'))).toEqual(['n'])
      const { out } = await script('ls /old /data', { lower: [under.layers.base, layer, upper] })
      expect(out).toBe('/data:\nn\n\n/old:\nb\n')
    })
    test.each(['dev', 'proc', 'sys'])('an image whose /%s is a link is refused', async (name) => {
      const canary = join(under.layers.directory, `canary-${name}`)
      execFileSync('mkdir', ['-p', canary])
      const root = under.layers.layer({ bin: null, [name]: { link: canary } })
      const error = await failure({ lower: [root] })
      expect(error.code).toBe('ERR_SANDBOX_IMAGE')
      expect(error.message).toMatch(`/${name}: it is not a directory in the image`)
      expect(readdirSync(canary)).toEqual([])
    })
  })
}
