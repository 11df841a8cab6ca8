// What a process of a step may do to the machine: capabilities, devices, namespaces.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { SandboxUnderTest } from './run-in.ts'

/** What each security mode allows. */
export function describeRights(under: SandboxUnderTest): void {
  const { script } = under

  describe('what it may do', () => {
    test('has the 14 default capabilities, a filter, and may gain privileges', async () => {
      const { out } = await script("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
      expect(out.replace(/\t/g, ' ')).toBe(
        'CapInh: 0000000000000000\nCapPrm: 00000000a80425fb\nCapEff: 00000000a80425fb\nCapBnd: 00000000a80425fb\n' +
          'CapAmb: 0000000000000000\nNoNewPrivs: 0\nSeccomp: 2\n',
      )
    })
    test('insecure has every capability, no filter and no masks', async () => {
      const mine = /CapEff:\t(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
      const text =
        "grep -E '^(CapEff|CapAmb|Seccomp:)' /proc/self/status; mount -t tmpfs x /tmp && echo mounted; grep -c ' /proc/' /proc/mounts"
      const { out } = await script(text, { security: 'insecure', user: '0:0' })
      expect(out.replace(/\t/g, ' ')).toBe(`CapEff: ${mine}\nCapAmb: ${mine}\nSeccomp: 0\nmounted\n0\n`)
    })
    test('insecure has the devices of a builder of images, and opens any', async () => {
      const text =
        'cd /dev; stat -c "%n %t:%T %a" kmsg cuse fuse kvm net/tun loop-control loop0 loop7; mknod /fresh c 1 5 && head -c 2 /fresh | wc -c'
      const { out } = await script(text, { security: 'insecure' })
      const nodes = ['kmsg 1:b', 'cuse a:cb', 'fuse a:e5', 'kvm a:e8', 'net/tun a:c8', 'loop-control a:ed']
      const loops = ['loop0 7:0', 'loop7 7:7']
      expect(out).toBe(`${[...nodes, ...loops].map((node) => `${node} 666\n`).join('')}2\n`)
    })
    test('cannot mount, make namespaces or leave them', async () => {
      const text =
        'mount -t tmpfs x /tmp || echo no; umount /etc/hosts || echo no; unshare -U true || echo no; nsenter -t 1 -m true || echo no'
      expect((await script(text)).out).toBe('no\nno\nno\nno\n')
    })
    test('devices can be made but not opened', async () => {
      const text =
        'for d in /x /dev/x /dev/shm/x /tmp/x; do mknod $d c 1 5 && head -c1 $d 2>/dev/null | tr "\\\\0" O; done; head -c 4 /dev/urandom | wc -c; echo z > /dev/null && echo null'
      const { out } = await script(text)
      expect(out).toBe('4\nnull\n')
    })
    test('an image cannot bring a device either', async () => {
      const layer = under.layers.layer({ etc: null })
      execFileSync('mknod', [join(layer, 'zero'), 'c', '1', '5'])
      expect((await script('head -c1 /zero && echo OPEN', { lower: [under.layers.base, layer] })).out).toBe(
        '',
      )
    })
    test('process 1 cannot be looked into', async () => {
      const text =
        'sleep 0.2; ls /proc/1/root; ls /proc/1/fd | grep -vx 4; readlink /proc/1/fd/* /proc/1/exe; cat /proc/1/environ; cat /proc/1/maps'
      expect((await script(text)).out).toBe('')
    })
  })
}
