// As whom and where a process of a step starts, and what it says when it cannot.
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { SandboxUnderTest } from './run-in.ts'

/** Programs that cannot be started, users of the image, working directories. */
export function describeUser(under: SandboxUnderTest): void {
  const { run, script, failure, lacks } = under

  describe('starting', () => {
    test.each([
      [['nope'], 127, /exec: "nope": executable file not found in \$PATH/],
      [['/nope'], 127, /exec: "\/nope": stat \/nope: no such file or directory/],
      [['/etc'], 126, /exec: "\/etc": is a directory/],
      [['/etc/plain'], 126, /exec: "\/etc\/plain": permission denied/],
      [['/etc/foreign'], 126, /exec format error/],
      [['/etc/script'], 127, /interpreter or dynamic loader is missing/],
    ])('%j cannot be started: %i', async (args, exitCode, text) => {
      const layer = under.layers.layer({
        'etc/plain': 'x',
        'etc/foreign': 'not a program',
        'etc/script': '#!/no/sh\n',
      })
      for (const name of ['foreign', 'script']) chmodSync(join(layer, 'etc', name), 0o755)
      const error = await failure({ args, lower: [under.layers.base, layer] })
      expect(error.code).toBe('ERR_SANDBOX_EXEC')
      expect(error.data?.exitCode).toBe(exitCode)
      expect(error.message).toMatch(text)
      if (/format/.test(error.message)) expect(error.hint).toMatch(/architecture/)
    })
  })

  describe('the user', () => {
    const passwd =
      'root:x:0:0:root:/root:/bin/sh\nada:x:1001:1002::/home/ada:\n42:x:77:78::/n:\nnohome:x:5:5:::\n'
    const group = 'root:x:0:\nstaff:x:50:ada,bob\nada:x:1002:\naudio:x:63:bob,ada\nwheel:x:10:root\n'
    const files = { 'etc/passwd': passwd, 'etc/group': group }
    test.each([
      ['', 'uid=0(root) gid=0(root) groups=0(root),10(wheel) /root'],
      ['root', 'uid=0(root) gid=0(root) groups=0(root),10(wheel) /root'],
      ['ada', 'uid=1001(ada) gid=1002(ada) groups=50(staff),63(audio),1002(ada) /home/ada'],
      ['1001', 'uid=1001(ada) gid=1002(ada) groups=50(staff),63(audio),1002(ada) /home/ada'],
      ['ada:staff', 'uid=1001(ada) gid=50(staff) groups=50(staff) /home/ada'],
      ['ada:7', 'uid=1001(ada) gid=7 groups=7 /home/ada'],
      ['1001:7', 'uid=1001(ada) gid=7 groups=7 /home/ada'],
      ['3000', 'uid=3000 gid=0(root) groups=0(root) /'],
      ['3000:3001', 'uid=3000 gid=3001 groups=3001 /'],
      ['42', 'uid=77(42) gid=78 groups=78 /n'],
      ['nohome', 'uid=5(nohome) gid=5 groups=5 /'],
      ['4294967294:4294967294', 'uid=4294967294 gid=4294967294 groups=4294967294 /'],
    ])('%j', async (user, expected) => {
      if (user.startsWith('4294967294') && lacks.includes('ids above 2^31-1')) {
        expect((await failure({ user, lower: [under.layers.base, under.layers.layer(files)] })).code).toBe(
          'ERR_RUNTIME_FAILED',
        )
        return
      }
      const layer = under.layers.layer(files)
      const { out } = await script('echo "$(id) $HOME"', { user, lower: [under.layers.base, layer] })
      const sorted = out.trim().replace(/groups=(\S+)/, (_, list: string) => {
        const ids = [...new Set(list.split(','))].sort(
          (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10),
        )
        return `groups=${ids.join(',')}`
      })
      expect(sorted).toBe(expected)
    })
    test.each([
      ['nobody', 'unable to find user nobody: no matching entries in passwd file'],
      ['ada:nogroup', 'unable to find group nogroup: no matching entries in group file'],
      ['4294967295', 'unable to find user 4294967295: no matching entries in passwd file'],
      ['-1', 'unable to find user -1: no matching entries in passwd file'],
      ['99999999999', 'unable to find user 99999999999: no matching entries in passwd file'],
    ])('%j is refused', async (user, message) => {
      const error = await failure({ user, lower: [under.layers.base, under.layers.layer(files)] })
      expect([error.code, error.message]).toEqual(['ERR_SANDBOX_USER', message])
    })
    test('a passwd that is a pipe or leads outside is not read', async () => {
      const pipe = under.layers.layer({ etc: null })
      execFileSync('mkfifo', [join(pipe, 'etc/passwd')])
      expect((await failure({ user: 'ada', lower: [under.layers.base, pipe] })).message).toMatch(
        /not a regular file/,
      )
      const unread = { args: ['/bin/true'], user: '5:5', lower: [under.layers.base, pipe] }
      if (lacks.includes('a passwd that is no file')) {
        expect((await failure(unread)).message).toMatch(/not a regular file/)
      } else expect((await run(unread)).exit.code).toBe(0)
      const outside = join(under.layers.directory, 'host-passwd')
      writeFileSync(outside, 'ada:x:1001:1002::/:\n')
      const linked = under.layers.layer({ 'etc/passwd': { link: outside } })
      expect((await failure({ user: 'ada', lower: [under.layers.base, linked] })).message).toMatch(
        /no matching entries/,
      )
    })
    test('its capabilities are gone, the bounding set stays', async () => {
      const { out } = await script("grep -E '^Cap' /proc/self/status", { user: '1000:1000' })
      expect(out.match(/[0-9a-f]{16}/g)).toEqual([
        '0000000000000000',
        '0000000000000000',
        '0000000000000000',
        '00000000a80425fb',
        '0000000000000000',
      ])
    })
  })

  describe('the working directory', () => {
    test('is made for the user', async () => {
      const { out, upper } = await script('pwd; touch mine', { cwd: '/srv/app', user: '1000:1001' })
      expect(out).toBe('/srv/app\n')
      const made = statSync(join(upper, 'srv/app'))
      expect([made.uid, made.gid, made.mode & 0o7777]).toEqual([1000, 1001, 0o755])
    })
    test('stays as it is when it exists', async () => {
      const layer = under.layers.layer({ app: null })
      chownSync(join(layer, 'app'), 5, 6)
      chmodSync(join(layer, 'app'), 0o2750)
      expect(
        (await script('stat -c "%u %g %a" .', { cwd: '/app', lower: [under.layers.base, layer] })).out,
      ).toBe('5 6 2750\n')
    })
    test('through a link never leaves the root', async () => {
      const outside = join(under.layers.directory, 'outside')
      const layer = under.layers.layer({
        out: { link: `../../../../..${outside}` },
        fd: { link: '/proc/self/fd/7' },
      })
      const { out } = await script('pwd -P; echo x > here', {
        cwd: '/out',
        lower: [under.layers.base, layer],
      })
      expect(out).toBe(`${outside}\n`)
      expect(existsSync(outside)).toBe(false)
    })
    test('that is a file is refused', async () => {
      const error = await failure({
        cwd: '/etc/f',
        lower: [under.layers.base, under.layers.layer({ 'etc/f': 'x' })],
      })
      expect(error.message).toMatch(/working directory \/etc\/f: Not a directory/)
    })
  })
}
