// What the command line gives the steps of a build, and what it must grant them.
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { containersMissing } from '../sandbox/busybox-root.ts'
import { type Workspace, workspace } from './support/slipway.ts'

const lacking = containersMissing()

describe.skipIf(lacking !== undefined)(`flags for steps${lacking ? ` (${lacking})` : ''}`, () => {
  let ws: Workspace
  beforeAll(() => {
    ws = workspace()
  })
  afterAll(() => ws?.[Symbol.dispose]())
  const context = (name: string, run: string): string => {
    const directory = ws.context(name, { Dockerfile: `FROM scratch\nCOPY sh /bin/\n${run}\n` })
    copyFileSync('/bin/busybox', join(directory, 'sh'))
    return directory
  }

  it('--ulimit limits them and is part of their key', () => {
    const directory = context('ulimit', 'RUN echo limits $(ulimit -Sn) $(ulimit -Hn) $(ulimit -Hc)')
    const build = (...flags: string[]): string =>
      ws.ok('build', '--progress=plain', ...flags, directory).stderr.replaceAll('$(ulimit', '')
    expect(build()).toMatch(/limits 1024 \d+ 0\n/)
    expect(build('--ulimit', 'nofile=123:456')).toMatch(/limits 123 456 0\n/)
    expect(build('--ulimit', 'nofile=123:456', '--ulimit=core=0:5120')).toMatch(/limits 123 456 10\n/)
    const again = build('--ulimit', 'nofile=123:456')
    expect(again).toContain('CACHED')
    expect(again).not.toMatch(/limits \d/)
  })

  it('--ulimit that cannot be read is refused', () => {
    const { status, stderr } = ws.slipway('build', '--ulimit', 'nofile=5:1', context('bad', 'RUN true'))
    expect(status).toBe(125)
    expect(stderr).toContain('invalid value "nofile=5:1" for --ulimit')
  })

  it('--add-host takes host-gateway for the machine on its network', () => {
    const directory = context('gateway', 'RUN while read line; do echo "line $line"; done < /etc/hosts')
    const flags = ['--progress=plain', '--network=host', '--add-host', 'me.internal:host-gateway']
    const { stderr } = ws.ok('build', ...flags, directory)
    expect(stderr).toMatch(/line 127\.0\.0\.1\s+me\.internal\n/)
  })

  it('RUN --network=host and --security=insecure must be granted', () => {
    for (const [flag, name] of [
      ['--network=host', 'network.host'],
      ['--security=insecure', 'security.insecure'],
    ] as const) {
      const directory = context(name, `RUN ${flag} echo granted`)
      const denied = ws.slipway('build', directory)
      expect(denied.status).toBe(1)
      expect(denied.stderr).toContain(`RUN ${flag} needs the entitlement ${name}`)
      ws.ok('build', '--allow', name, directory)
    }
    ws.ok('build', '--network=host', context('network.host', 'RUN --network=host echo granted for all'))
  })
})
