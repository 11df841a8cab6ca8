// What the doctor makes of a machine: every level, and for everything missing the line that mends it.
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../src/app/doctor/facts.ts'
import { firstFreeId, grantedIds, userName } from '../../src/app/doctor/subordinate-ids.ts'
import { judge } from '../../src/app/doctor/verdict.ts'

const ranges: Facts = {
  kernel: '6.1.0-18-amd64',
  caller: { uid: 1000, name: 'ann', isRoot: false, noNewPrivileges: false },
  sysctls: {
    'user.max_user_namespaces': 15_000,
    'kernel.unprivileged_userns_clone': undefined,
    'kernel.apparmor_restrict_unprivileged_userns': undefined,
  },
  namespace: 'ok',
  ids: { users: 65_537, groups: 65_537 },
  subordinate: { users: 65_536, groups: 65_536, free: 165_536, newuidmap: 'ready', newgidmap: 'ready' },
  state: '/home/ann/.local/share/slipway',
  trial: { failure: undefined, copies: false },
  cgroups: 'delegated',
  network: { program: 'pasta' },
}
const one: Facts = { ...ranges, ids: { users: 1, groups: 1 } }
const refused: Facts = { ...ranges, namespace: 'create a user namespace: Operation not permitted' }
const { trial: _, ...untried } = refused

/** The lines that are not ok, as a user would read them. */
function complaints(facts: Facts): string[] {
  return judge(facts)
    .checks.filter(({ status }) => status !== 'ok')
    .map(({ status, name, text, fix }) => [status, name, text, fix].join(' | '))
}

describe('the level', () => {
  it.each<[string, Facts, string]>([
    ['root', { ...ranges, caller: { ...ranges.caller, uid: 0, isRoot: true }, namespace: undefined }, 'root'],
    ['ranges', ranges, 'ranges'],
    ['one id', one, 'single'],
    ['no namespace', untried, 'none'],
    ['a kernel of long ago', { ...ranges, kernel: '5.11.22' }, 'none'],
    [
      'a trial that fails',
      { ...ranges, trial: { failure: 'mount overlay: Invalid argument', copies: false } },
      'none',
    ],
  ])('%s', (_title, facts, level) => {
    expect(judge(facts).level).toBe(level)
  })

  it('has nothing to say of a machine where all is well', () => {
    expect(complaints(ranges)).toEqual([])
  })
})

describe('the exact thing that is missing', () => {
  const sysctl = (name: keyof Facts['sysctls'], value: number): Facts => ({
    ...untried,
    sysctls: { ...ranges.sysctls, [name]: value },
  })
  const subordinate = (change: Partial<Facts['subordinate']>): Facts => ({
    ...one,
    subordinate: { ...ranges.subordinate, ...change },
  })
  it.each<[string, Facts, RegExp]>([
    [
      'no namespaces at all',
      sysctl('user.max_user_namespaces', 0),
      /sysctl -w user\.max_user_namespaces=\d+/,
    ],
    [
      'none for users',
      sysctl('kernel.unprivileged_userns_clone', 0),
      /sysctl -w kernel\.unprivileged_userns_clone=1/,
    ],
    [
      'AppArmor',
      sysctl('kernel.apparmor_restrict_unprivileged_userns', 1),
      /apparmor_restrict_unprivileged_userns=0/,
    ],
    ['a container', { ...untried, container: 'docker' }, /docker .*\| start .*seccomp=unconfined/],
    ['uidmap', subordinate({ newuidmap: 'missing' }), /^limited \| newuidmap .*apt-get install uidmap/],
    ['its rights', subordinate({ newgidmap: 'powerless' }), /chmod u\+s/],
    ['no_new_privs', { ...one, caller: { ...one.caller, noNewPrivileges: true } }, /no_new_privs/],
    ['users', subordinate({ users: 0 }), /\| echo ann:165536:65536 >> \/etc\/subuid$/],
    ['groups', subordinate({ groups: 0 }), /\| echo ann:165536:65536 >> \/etc\/subgid$/],
    ['a refusal', one, /newuidmap PID 0 1000/],
    [
      'overlay',
      { ...ranges, trial: { failure: 'mount overlay /x: No such device', copies: false } },
      /modprobe overlay/,
    ],
    [
      'all of /proc',
      { ...ranges, container: 'docker', trial: { failure: 'mount proc: hidden', copies: false } },
      /systempaths=unconfined/,
    ],
    [
      'a network',
      { ...ranges, network: { lacks: 'neither pasta nor slirp4netns is installed' } },
      /^optional \| network .*passt/,
    ],
    [
      'a device for it',
      { ...ranges, container: 'docker', network: { lacks: '/dev/net/tun cannot be opened' } },
      /^optional \| network .*--device \/dev\/net\/tun/,
    ],
    [
      'all of /proc, for podman',
      { ...ranges, container: 'podman', trial: { failure: 'mount proc: hidden', copies: false } },
      /unmask=ALL/,
    ],
    [
      'all of /proc, for kubernetes',
      { ...ranges, container: 'kubernetes', trial: { failure: 'mount proc: hidden', copies: false } },
      /procMount: Unmasked/,
    ],
    [
      'a state directory',
      { ...ranges, container: 'docker', trial: { failure: 'make directory /x: EACCES', copies: false } },
      /SLIPWAY_ROOT$/,
    ],
    ['delegation', { ...ranges, cgroups: 'not delegated' }, /^optional \| cgroups .*Delegate=yes/],
  ])('%s', (_title, facts, text) => {
    expect(complaints(facts)).toContainEqual(expect.stringMatching(text))
  })
})

describe('subordinate ids', () => {
  const file = 'ann:100000:65536\nbob:165536:1000\n1000:300000:10\n# ann:1:1\nbroken\nann:x:1\n'

  it('are granted by name and by number', () => {
    expect([
      grantedIds(file, 'ann', 1000),
      grantedIds(file, 'bob', 1001),
      grantedIds('', 'ann', 1000),
    ]).toEqual([65_546, 1000, 0])
  })

  it('begin where nobody has any', () => {
    expect([firstFreeId([file, '']), firstFreeId(['', ''])]).toEqual([300_010, 100_000])
  })

  it('belong to names', () => {
    const passwd = 'root:x:0:0::/root:/bin/sh\nann::1000:1000::/home/ann:/bin/sh\n'
    expect([userName(passwd, 1000), userName(passwd, 1001)]).toEqual(['ann', '1001'])
  })
})
