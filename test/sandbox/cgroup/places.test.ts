// Where cgroups are put, on machines that are made of plain files.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Hierarchy, parseHierarchies } from '../../../src/sandbox/cgroup/hierarchies.ts'
import { choosePlaces } from '../../../src/sandbox/cgroup/places.ts'
import { settingsOfVersion1, settingsOfVersion2 } from '../../../src/sandbox/cgroup/settings.ts'
import type { Resources } from '../../../src/sandbox/resources.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'slipway-cgroup-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const all: Resources = { memoryBytes: 64 << 20, cpu: { quotaUs: 50_000, periodUs: 100_000 }, pids: 9 }

describe('parseHierarchies', () => {
  it('finds version 1, version 2 and both', () => {
    const mountinfo = [
      '30 20 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro',
      '31 30 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate',
      '33 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:11 master:1 - cgroup cgroup rw,cpu,cpuacct',
      '34 30 0:31 /docker/abc /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory',
      '35 30 0:32 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids',
      '',
    ].join('\n')
    const cgroup = '9:cpu,cpuacct:/a\n5:memory:/docker/abc/step\n4:pids:/elsewhere\n0::/user.slice/x:y\n'
    expect(parseHierarchies(mountinfo, cgroup)).toEqual([
      {
        version: 2,
        controllers: [],
        mount: '/sys/fs/cgroup/unified',
        own: '/sys/fs/cgroup/unified/user.slice/x:y',
      },
      {
        version: 1,
        controllers: ['rw', 'cpu', 'cpuacct'],
        mount: '/sys/fs/cgroup/cpu,cpuacct',
        own: '/sys/fs/cgroup/cpu,cpuacct/a',
      },
      {
        version: 1,
        controllers: ['rw', 'memory'],
        mount: '/sys/fs/cgroup/mem ory',
        own: '/sys/fs/cgroup/mem ory/step',
      },
      // What is outside of what the container sees is its root.
      { version: 1, controllers: ['rw', 'pids'], mount: '/sys/fs/cgroup/pids', own: '/sys/fs/cgroup/pids/' },
    ])
    expect(parseHierarchies('', '')).toEqual([])
  })
})

describe('choosePlaces', () => {
  const cgroup = (path: string, files: Readonly<Record<string, string>>): string => {
    for (const [name, content] of Object.entries(files)) {
      const file = join(root, path, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content)
    }
    return join(root, path)
  }
  const unified = (own: string): Hierarchy => ({
    version: 2,
    controllers: [],
    mount: root,
    own: join(root, own),
  })

  it('version 2: below the next cgroup that passes the controllers on', () => {
    cgroup('.', {
      'cgroup.controllers': 'cpuset cpu memory pids\n',
      'cgroup.subtree_control': 'cpu memory pids\n',
    })
    cgroup('user.slice', { 'cgroup.subtree_control': 'memory cpu pids\n' })
    // A directory in the place of the control file refuses to be written, as the kernel does.
    mkdirSync(join(root, 'user.slice/session/cgroup.subtree_control'), { recursive: true })
    const [place] = choosePlaces([unified('user.slice/session')], all, { name: 'slipway-1' })
    expect(place?.directory).toBe(join(root, 'user.slice/slipway-1'))
    expect(place).toMatchObject({ version: 2, controllers: ['memory', 'cpu', 'pids'], parents: [] })
    expect(place?.settings).toEqual([
      { file: 'memory.max', value: '67108864' },
      { file: 'memory.swap.max', value: '67108864', optional: true },
      { file: 'cpu.max', value: '50000 100000' },
      { file: 'pids.max', value: '10' },
    ])
  })

  it('version 1: below its own cgroup, one for each hierarchy, several controllers together', () => {
    const hierarchies: Hierarchy[] = [
      { version: 2, controllers: [], mount: join(root, 'unified'), own: join(root, 'unified') },
      { version: 1, controllers: ['cpu', 'cpuset'], mount: join(root, 'cpu'), own: join(root, 'cpu/own') },
      { version: 1, controllers: ['memory'], mount: join(root, 'memory'), own: join(root, 'memory') },
    ]
    const places = choosePlaces(
      hierarchies,
      { memoryBytes: 1 << 23, cpu: { quotaUs: 1000, periodUs: 2000 }, cpusetCpus: '0-1' },
      { name: 'n' },
    )
    expect(places.map(({ directory, controllers }) => [directory, controllers])).toEqual([
      [join(root, 'memory/n'), ['memory']],
      [join(root, 'cpu/own/n'), ['cpu', 'cpuset']],
    ])
  })

  it('with a parent: below that, in every hierarchy that has processes', () => {
    const hierarchies: Hierarchy[] = [
      { version: 2, controllers: [], mount: join(root, 'unified'), own: join(root, 'unified') },
      { version: 1, controllers: ['name=systemd'], mount: join(root, 'systemd'), own: join(root, 'systemd') },
      { version: 1, controllers: ['pids'], mount: join(root, 'pids'), own: join(root, 'pids/x') },
      { version: 1, controllers: ['memory'], mount: join(root, 'memory'), own: join(root, 'memory') },
    ]
    const places = choosePlaces(hierarchies, { pids: 3 }, { name: 'n', parent: 'a/b' })
    expect(places.map(({ directory, parents }) => [directory, parents])).toEqual([
      [join(root, 'pids/a/b/n'), [join(root, 'pids/a'), join(root, 'pids/a/b')]],
      [join(root, 'unified/a/b/n'), [join(root, 'unified/a'), join(root, 'unified/a/b')]],
      [join(root, 'memory/a/b/n'), [join(root, 'memory/a'), join(root, 'memory/a/b')]],
    ])
    expect(readdirSync(root)).toEqual([])
  })

  it.each([
    ['memory', { memoryBytes: 1 << 23 }, '--memory cannot be enforced here: the cgroup controller "memory"'],
    [
      'cpus',
      { cpu: { quotaUs: 1, periodUs: 1 } },
      '--cpus cannot be enforced here: the cgroup controller "cpu"',
    ],
    ['pids', { pids: 1 }, '--pids cannot be enforced here: the cgroup controller "pids"'],
    ['cpuset', { cpusetCpus: '0' }, '--cpuset-cpus cannot be enforced here: the cgroup controller "cpuset"'],
  ])('names the controller that is missing for %s', (_, resources, message) => {
    cgroup('.', { 'cgroup.controllers': 'io\n' })
    expect(() => choosePlaces([unified('')], resources, { name: 'n' })).toThrow(message)
    expect(() => choosePlaces([], resources, { name: 'n' })).toThrow(/no cgroup file system is mounted/)
  })

  it('version 2: says why no cgroup can be made', () => {
    cgroup('.', { 'cgroup.controllers': 'memory\n' })
    mkdirSync(join(root, 'own/n'), { recursive: true })
    mkdirSync(join(root, 'n'))
    expect(() => choosePlaces([unified('own')], { memoryBytes: 1 << 23 }, { name: 'n' })).toThrow(
      /^limit memory: no cgroup at or above .*own lets slipway make one below it \(EEXIST\)/,
    )
    expect(existsSync(join(root, 'own/cgroup.subtree_control'))).toBe(true)
    expect(readFileSync(join(root, 'own/cgroup.subtree_control'), 'utf8')).toBe('+memory')
  })
})

describe('settings', () => {
  it('swap as docker counts it: together with the memory', () => {
    const of = (resources: Resources) => [
      settingsOfVersion1('memory', resources).at(-1)?.value,
      settingsOfVersion2(resources).at(1)?.value,
    ]
    expect(of({ memoryBytes: 100 })).toEqual(['200', '100'])
    expect(of({ memoryBytes: 100, memorySwapBytes: 150 })).toEqual(['150', '50'])
    expect(of({ memoryBytes: 100, memorySwapBytes: 'unlimited' })).toEqual(['-1', 'max'])
  })

  it('shares become weights', () => {
    const weight = (cpuShares: number) => settingsOfVersion2({ cpuShares })[0]?.value
    expect([2, 1024, 262144, 1].map(weight)).toEqual(['1', '39', '10000', '1'])
  })
})
