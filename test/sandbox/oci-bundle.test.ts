// fixtures/oci/<case>.json: what a runtime is told. UPDATE_GOLDEN=1 writes what is made.
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BundleFacts, ociConfig } from '../../src/sandbox/oci-bundle.ts'
import { ociSeccomp } from '../../src/sandbox/oci-seccomp.ts'
import profile from '../../src/sandbox/seccomp/profile.json' with { type: 'json' }
import type { ProcessSpec } from '../../src/sandbox/types.ts'
import { expectGolden } from '../dockerfile/golden.ts'
import '../support/property-seed.ts'

const spec: ProcessSpec = {
  root: { lower: ['/state/a'], upper: '/state/active/x/fs', work: '/state/active/x/work' },
  args: ['/bin/sh', '-c', 'echo "ü"'],
  env: ['PATH=/bin', 'A=1'],
  cwd: 'srv',
  user: 'ada',
  hostname: 'buildkitsandbox',
  network: 'default',
  security: 'sandbox',
  mounts: [{ kind: 'file', target: '/etc/hosts', content: 'x', mode: 0o644 }],
  hosts: [],
}
const facts: BundleFacts = {
  root: '/state/active/x/work/root',
  user: { uid: 1001, gid: 1002, groups: [50, 1002] },
  home: '/home/ada',
  permitted: 0x1ffffffffffn,
  isUnified: false,
  hasSysfs: true,
  cpus: 2,
  cgroupsPath: '/slipway-0123456789abcdef',
  seccomp: { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1, architectures: [], syscalls: [] },
}

describe('config.json', () => {
  const cases: Readonly<Record<string, readonly [Partial<ProcessSpec>, Partial<BundleFacts>]>> = {
    default: [{}, {}],
    'cgroup2-few-capabilities': [
      { env: ['HOME='], hostname: '' },
      { isUnified: true, hasSysfs: false, permitted: 0b10_0001n, cpus: 0 },
    ],
    insecure: [{ security: 'insecure', env: ['HOME=/given'], cwd: '/' }, { isUnified: true }],
  }
  test.each(Object.keys(cases))('%s', (name) => {
    const [specChanges, factChanges] = cases[name] ?? [{}, {}]
    const config = ociConfig({ ...spec, ...specChanges }, { ...facts, ...factChanges })
    const path = join(import.meta.dirname, '../../fixtures/oci', `${name}.json`)
    expectGolden(path, `${JSON.stringify(config, undefined, 2)}\n`)
  })
  test('without a path of its own the cgroup is not spoken of', () => {
    const { cgroupsPath: _, ...rest } = facts
    expect(JSON.stringify(ociConfig(spec, rest))).not.toContain('cgroupsPath')
  })
})

describe('the seccomp profile as rules of a runtime', () => {
  const { syscalls, ...head } = ociSeccomp('x64')
  test('names every call of the profile and refuses the rest', () => {
    expect(head).toEqual({
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 1,
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
    })
    expect(new Set(syscalls.flatMap(({ names }) => names))).toEqual(
      new Set([...profile.allow, ...Object.keys(profile.refuse), ...Object.keys(profile.restrict)]),
    )
    expect(syscalls.find(({ names }) => names.includes('clone3'))).toMatchObject({ errnoRet: 38 })
  })
  test.each(Object.entries(profile.restrict))('%s is allowed for the same arguments', (name, restriction) => {
    const rules = syscalls.filter(({ names }) => names.includes(name))
    const isAllowed = (argument: number): boolean =>
      rules.some(({ args }) => {
        const [{ value, valueTwo } = { value: 0, valueTwo: 1 }] = args ?? []
        return (argument & value) >>> 0 === valueTwo
      })
    const { not, only, noneOfTheBits } = restriction as Readonly<Record<string, unknown>>
    const listed = [not, only].flat().flatMap((text) => (typeof text === 'string' ? [Number(text)] : []))
    const isWanted = (argument: number): boolean =>
      typeof noneOfTheBits === 'string'
        ? (argument & Number(noneOfTheBits)) === 0
        : listed.includes(argument) === Array.isArray(only)
    const near = listed.flatMap((value) => [
      value,
      (value + 1) >>> 0,
      (value - 1) >>> 0,
      (value ^ 0x8000) >>> 0,
    ])
    const argument = fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0, ...near))
    fc.assert(
      fc.property(argument, (value) => isAllowed(value) === isWanted(value)),
      { numRuns: 2000 },
    )
    for (const value of [0, ...near]) expect([value, isAllowed(value)]).toEqual([value, isWanted(value)])
  })
})
