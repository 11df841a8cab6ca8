// What a step is given beside its root: mounts of every kind, and the network.
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SlipwayError } from '../../../src/core/error.ts'
import type { ProcessSpec } from '../../../src/sandbox/types.ts'
import type { Ran, SandboxUnderTest } from './run-in.ts'

/** Files, directories, tmpfs and layers as mounts; interfaces and names of hosts. */
export function describeMounts(under: SandboxUnderTest): void {
  const { script, failure } = under

  describe('mounts', () => {
    test('small files', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'file', target: '/run/secrets/key', content: 'secret', mode: 0o400, uid: 7, gid: 8 },
        { kind: 'file', target: '/dev/pipes/EOF', content: '#!/bin/sh\necho ran', mode: 0o755 },
      ]
      const { out, upper } = await script(
        'stat -c "%a %u %g" /run/secrets/key; cat /run/secrets/key; echo; /dev/pipes/EOF; (echo x > /run/secrets/key) 2>&1 | grep -c Read-only',
        { mounts },
      )
      expect(out).toBe('400 7 8\nsecret\nran\n1\n')
      expect(readdirSync(upper)).toEqual([])
    })
    test('directories and files of the host', async () => {
      const source = under.layers.layer({ 'sub/f': 'f' })
      const target = { kind: 'bind', source } as const
      const mounts: ProcessSpec['mounts'] = [
        { ...target, target: '/ro', readOnly: true },
        { ...target, target: '/rw', readOnly: false },
        { kind: 'bind', source: join(source, 'sub/f'), target: '/one/file', readOnly: true },
      ]
      const { out, upper } = await script(
        'cat /ro/sub/f /one/file; (echo x > /ro/n) 2>&1 | grep -c Read-only; echo y > /rw/n',
        { mounts },
      )
      expect(out).toBe('ff1\n')
      expect(readFileSync(join(source, 'n'), 'utf8')).toBe('y\n')
      expect(readdirSync(upper)).toEqual([])
    })
    test('tmpfs', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'tmpfs', target: '/scratch', sizeBytes: 1 << 20 },
        { kind: 'tmpfs', target: '/private', mode: 0o700 },
      ]
      const { out, upper } = await script(
        'stat -c %a /scratch /private; df -k /scratch | tail -1 | awk "{print \\$2}"; echo x > /scratch/f',
        { mounts },
      )
      expect(out).toBe('1777\n700\n1024\n')
      expect(readdirSync(upper)).toEqual([])
    })
    test('tmpfs with the mode of the directory below it, and read-only', async () => {
      const lower = [under.layers.base, under.layers.layer({ had: null })]
      chmodSync(join(lower[1] ?? '', 'had'), 0o710)
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'tmpfs', target: '/had' },
        { kind: 'tmpfs', target: '/had/new' },
        { kind: 'tmpfs', target: '/ro', readOnly: true },
      ]
      const text = 'stat -c %a /had /had/new; (echo x > /ro/f) 2>&1 | grep -c Read-only'
      const { out, upper } = await script(text, { lower, mounts })
      expect(out).toBe('710\n1777\n1\n')
      expect(readdirSync(upper)).toEqual([])
    })
    test('layers: files and directories of several, links inside them, and what a later one hides', async () => {
      const below = under.layers.layer({ 'd/a': 'a', 'd/gone': 'x', file: 'below', link: { link: '/d' } })
      const above = under.layers.layer({ 'd/gone': { whiteout: true }, 'd/b': 'b', file: 'above' })
      const view = { kind: 'layers', lower: [below, above], readOnly: true } as const
      const mounts: ProcessSpec['mounts'] = [
        { ...view, source: '/', target: '/all' },
        { ...view, source: '/file', target: '/dir/one' },
        { ...view, source: '/link', target: '/linked' },
        { ...view, source: '/link/../link/b', target: '/b' },
        { ...view, lower: [], source: '/', target: '/nothing' },
      ]
      const { out, upper } = await script(
        'ls /all /all/d; cat /dir/one; ls /linked /nothing; cat /b; (echo x > /all/n) 2>&1 | grep -c Read-only',
        { mounts },
      )
      expect(out).toBe('/all:\nd\nfile\nlink\n\n/all/d:\na\nb\nabove/linked:\na\nb\n\n/nothing:\nb1\n')
      expect(readdirSync(upper)).toEqual([])
    })
    test('layers: what is written there is gone afterwards', async () => {
      const layer = under.layers.layer({ 'd/a': 'a', 'd/b': 'b' })
      chmodSync(join(layer, 'd'), 0o750)
      const view = { kind: 'layers', lower: [layer], readOnly: false } as const
      const mounts: ProcessSpec['mounts'] = [
        { ...view, source: '/', target: '/all' },
        { ...view, source: '/d/b', target: '/one' },
      ]
      const text =
        'stat -c %a /all/d; echo n > /all/n; rm /all/d/a; echo more >> /one; cat /one; chmod 777 /all/d; ls /all /all/d'
      const { out, upper } = await script(text, { mounts })
      expect(out).toBe('750\nbmore\n/all:\nd\nn\n\n/all/d:\nb\n')
      expect(readdirSync(upper)).toEqual([])
      expect(readdirSync(join(layer, 'd'))).toEqual(['a', 'b'])
      expect(readFileSync(join(layer, 'd/b'), 'utf8')).toBe('b')
      expect(statSync(join(layer, 'd')).mode & 0o777).toBe(0o750)
    })
    test.each(['/up', '/abs', '/../../../../../../..'])(
      'layers: %s leads to nowhere outside',
      async (source) => {
        const outside = under.layers.layer({ secret: 'of the host' })
        const layer = under.layers.layer({
          up: { link: `../../../../../..${outside}` },
          abs: { link: outside },
        })
        const mounts: ProcessSpec['mounts'] = [
          { kind: 'layers', lower: [layer], source, target: '/x', readOnly: false },
        ]
        const ran = await script('find /x', { mounts }).catch((error: unknown) => error)
        if (ran instanceof SlipwayError) expect(ran.message).toMatch(/find mount source .*No such file/)
        else expect((ran as Ran).out).not.toContain('secret')
      },
    )
    test('one inside another', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'tmpfs', target: '/a' },
        { kind: 'file', target: '/a/b/c', content: 'c', mode: 0o444 },
      ]
      expect((await script('cat /a/b/c', { mounts })).out).toBe('c')
    })
    test('a missing source is named', async () => {
      const mounts: ProcessSpec['mounts'] = [
        { kind: 'bind', source: '/no/such', target: '/x', readOnly: true },
      ]
      expect((await failure({ mounts })).message).toMatch(/bind mount \/no\/such: No such file or directory/)
      const inLayers: ProcessSpec['mounts'] = [
        { kind: 'layers', lower: [under.layers.base], source: '/no/such', target: '/x', readOnly: true },
      ]
      expect((await failure({ mounts: inLayers })).message).toMatch(
        /find mount source \/no\/such: No such file or directory/,
      )
    })
  })

  describe('network', () => {
    test('default has the interfaces of the host', async () => {
      const host = readdirSync('/sys/class/net').length
      expect((await script('ls /sys/class/net | wc -l')).out.trim()).toBe(String(host))
    })
    test('none has loopback only, and it works', async () => {
      const text = 'ls /sys/class/net; ping -c1 -W1 127.0.0.1 > /dev/null && echo pong'
      expect((await script(text, { network: 'none' })).out).toBe('lo\npong\n')
    })
    test('hosts are written in order', async () => {
      const hosts = [
        { name: 'db', ip: '10.1.1.1' },
        { name: 'v6', ip: 'fd00::1' },
      ]
      const { out } = await script('cat /etc/hosts', { hosts, hostname: 'me' })
      expect(out).toBe(
        '127.0.0.1\tlocalhost me\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.1.1\tdb\nfd00::1\tv6\n',
      )
    })
  })
}
