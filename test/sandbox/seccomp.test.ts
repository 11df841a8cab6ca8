// The system call filter: what it answers to every call of every architecture, by the profile read plainly, by an
// interpreter and by the kernel.
import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seccompFilter } from '../../src/sandbox/seccomp/filter.ts'
import numbers from '../../src/sandbox/seccomp/numbers.json' with { type: 'json' }
import profile from '../../src/sandbox/seccomp/profile.json' with { type: 'json' }
import { readProgram } from './bpf.ts'

const machines = { x64: ['x86_64', 'i386'], arm64: ['aarch64', 'arm'] } as const
const audit = { x86_64: 0xc000003e, i386: 0x40000003, aarch64: 0xc00000b7, arm: 0x40000028 } as const
type Architecture = keyof typeof audit

const calls = Object.entries(numbers.calls as Readonly<Record<string, readonly (number | null)[]>>)
const restrictions = Object.entries(
  profile.restrict as Readonly<
    Record<string, { argument: number; not?: string[]; only?: string[]; noneOfTheBits?: string }>
  >,
)

/** What the profile says, without any of the compiler's ideas. */
function expected(architecture: Architecture, number: number, args: readonly bigint[]): string {
  const column = numbers.architectures.indexOf(architecture)
  const name = calls.find(([, row]) => row[column] === number)?.[0]
  if (name !== undefined && profile.allow.includes(name)) return 'allow'
  if (name === 'clone3') return 'ENOSYS'
  const restriction = restrictions.find(([restricted]) => restricted === name)?.[1]
  if (restriction !== undefined) {
    const value = (args[restriction.argument] ?? 0n) & 0xffffffffn
    const listed = (restriction.not ?? restriction.only ?? []).some((text) => BigInt(text) === value)
    const bits = (value & BigInt(restriction.noneOfTheBits ?? 0)) > 0n
    const good = restriction.only !== undefined ? listed : !listed && !bits
    return good ? 'allow' : 'EPERM'
  }
  return number > newest(column) ? 'ENOSYS' : 'EPERM'
}

const newestByColumn = numbers.architectures.map((_, column) => {
  const named = new Set([...profile.allow, ...Object.keys(profile.restrict), ...Object.keys(profile.refuse)])
  return Math.max(
    ...calls.map(([name, row]) => (named.has(name) ? (row[column] ?? 0) : 0)).filter((n) => n < 9999),
  )
})

function newest(column: number): number {
  return newestByColumn[column] ?? 0
}

/** Every value that a restriction speaks of, its neighbours, single bits, and the same with upper halves. */
const interesting = [
  ...restrictions.flatMap(([, { not, only, noneOfTheBits }]) =>
    [...(not ?? []), ...(only ?? []), noneOfTheBits ?? '0'].map(BigInt),
  ),
  ...Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit)),
  ...Array.from({ length: 64 }, (_, small) => BigInt(small)),
].flatMap((value) =>
  [value - 1n, value, value + 1n, value | (1n << 32n), value | 0xffffffff00000000n].map((v) =>
    BigInt.asUintN(64, v),
  ),
)

describe.each(Object.entries(machines))('the filter of %s', (machine, architectures) => {
  const program = readProgram(seccompFilter(machine))

  test('fits the kernel, with room to spare', () => {
    expect(program.length).toBeLessThan(1024)
  })

  test.each(architectures)('answers every call of %s as the profile says', (architecture) => {
    const private_ = Array.from({ length: 16 }, (_, i) => 0xf0000 + i)
    const x32 = Array.from({ length: 1024 }, (_, i) => (0x40000000 | i) >>> 0)
    const asked = [...Array(2048).keys(), ...private_, ...x32, 0x7fffffff, 0x80000000, 0xffffffff]
    const wrong: unknown[] = []
    let most = 0
    for (const number of asked) {
      const { verdict, steps } = program.answer({ architecture: audit[architecture], number })
      const right = expected(architecture, number, [])
      if (verdict !== right) wrong.push({ number, verdict, right })
      most = Math.max(most, steps)
    }
    expect(wrong).toEqual([])
    // Balanced: the logarithm of the ranges, and the few instructions around the tree.
    expect(most).toBeLessThanOrEqual(20)
  })

  test.each(architectures)('looks at the arguments of %s', (architecture) => {
    const column = numbers.architectures.indexOf(architecture)
    const wrong: unknown[] = []
    for (const [name, { argument }] of restrictions) {
      const number = calls.find(([call]) => call === name)?.[1][column] ?? -1
      expect(number).toBeGreaterThan(0)
      for (const value of interesting) {
        const args = Array.from({ length: 6 }, (_, i) => (i === argument ? value : 0x26n))
        const { verdict } = program.answer({ architecture: audit[architecture], number, args })
        const right = expected(architecture, number, args)
        if (verdict !== right) wrong.push({ name, value, verdict, right })
      }
    }
    expect(wrong).toEqual([])
  })

  test('decides alike whatever the other arguments are', () => {
    const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
    fc.assert(
      fc.property(
        fc.constantFrom(...architectures),
        fc.nat(520),
        fc.array(u64, { minLength: 6, maxLength: 6 }),
        (architecture, number, args) => {
          const { verdict } = program.answer({ architecture: audit[architecture], number, args })
          expect(verdict).toBe(expected(architecture, number, args))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('ends programs of other architectures', () => {
    const own: readonly number[] = architectures.map((name) => audit[name])
    for (const architecture of [0, ...Object.values(audit), 0xc0000016]) {
      const { verdict } = program.answer({ architecture, number: 0 })
      if (!own.includes(architecture)) expect(verdict).toBe('kill')
    }
  })
})

test('a machine whose calls are not known is refused', () => {
  expect(() => seccompFilter('mips')).toThrow(/the numbers of mips are not known/)
})

test('nothing dangerous is among what is allowed', () => {
  const dangerous =
    /^(u?mount|umount2|pivot_root|setns|unshare|fs(open|config|mount|pick)|move_mount|open_tree.*|mount_setattr|bpf|perf_event_open|userfaultfd|io_uring_.*|keyctl|add_key|request_key|kexec_.*|.*_module|open_by_handle_at|iopl|ioperm|reboot|swapo.*|acct|quotactl.*|set(host|domain)name|syslog|settimeofday|stime|clock_settime.*|kcmp|pidfd_getfd|process_madvise|vhangup|lookup_dcookie|fanotify_init|nfsservctl|uselib|ustat|sysfs|_sysctl|vm86.*)$/
  const named = [...profile.allow, ...Object.keys(profile.restrict)]
  expect(named.filter((name) => dangerous.test(name))).toEqual([])
})

describe('the numbers', () => {
  test('are sorted and no call has two', () => {
    const names = calls.map(([name]) => name)
    expect(names).toEqual([...names].sort())
    for (const [column] of numbers.architectures.entries()) {
      const used = calls.flatMap(([name, row]) =>
        row[column] === null ? [] : [[row[column], name] as const],
      )
      const twice = used.filter(([number], i) => used.findIndex(([other]) => other === number) !== i)
      // One number under two names, both refused or both allowed alike.
      const verdicts = twice.map(([, name]) => name)
      expect(verdicts).toEqual([])
    }
  })

  test.each([
    ['x86_64', '/usr/include/x86_64-linux-gnu/asm/unistd_64.h'],
    ['i386', '/usr/include/x86_64-linux-gnu/asm/unistd_32.h'],
    ['aarch64', '/usr/include/asm-generic/unistd.h'],
  ])('are those of the kernel headers: %s in %s, if it is there', (architecture, header) => {
    if (!existsSync(header)) return
    const column = numbers.architectures.indexOf(architecture)
    const known = new Map(
      [...readFileSync(header, 'utf8').matchAll(/#define __NR_(\w+)\s+(\d+)\s*$/gm)].map(
        ([, name, number]) => [name, Number(number)],
      ),
    )
    expect(known.size).toBeGreaterThan(200)
    const checked = calls.filter(([name, row]) => known.has(name) && row[column] !== null)
    expect(checked.length).toBeGreaterThan(200)
    for (const [name, row] of checked) expect([name, row[column]]).toEqual([name, known.get(name)])
  })
})
