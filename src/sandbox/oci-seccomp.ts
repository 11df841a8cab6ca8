// The seccomp profile of build steps as an OCI runtime takes it: rules by the names of calls, which its libseccomp
// compiles. The kernel then answers every call of the profile as it does under slipway's own filter.
import { invariant } from '../core/error.ts'
import profile from './seccomp/profile.json' with { type: 'json' }
import { errorNumber, type Restriction } from './seccomp/profile.ts'

/** `linux.seccomp` of the runtime-spec. */
export interface OciSeccomp {
  readonly defaultAction: string
  readonly defaultErrnoRet: number
  readonly architectures: readonly string[]
  readonly syscalls: readonly OciRule[]
}

interface OciRule {
  readonly names: readonly string[]
  readonly action: string
  readonly errnoRet?: number
  readonly args?: readonly {
    readonly index: number
    readonly op: string
    readonly value: number
    readonly valueTwo: number
  }[]
}

const architectures: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
}

/** The profile for a machine by Node's name of its architecture. */
export function ociSeccomp(architecture: string): OciSeccomp {
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: errorNumber(profile.otherwise),
    architectures: architectures[architecture] ?? [],
    syscalls: [
      { names: profile.allow, action: 'SCMP_ACT_ALLOW' },
      ...Object.entries(profile.refuse).map(([name, { error }]) => ({
        names: [name],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: errorNumber(error),
      })),
      ...Object.entries(profile.restrict).flatMap(([name, restriction]) =>
        matches(restriction).map(({ mask, value }) => ({
          names: [name],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: restriction.argument, value: mask, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' }],
        })),
      ),
    ],
  }
}

/** Holds for an argument whose bits of `mask` are `value`. */
interface Match {
  readonly mask: number
  readonly value: number
}

/** The restriction as matches of which one must hold; all look at the low 32 bits alone, as the profile wants. */
function matches({ not, only, noneOfTheBits }: Restriction): readonly Match[] {
  if (noneOfTheBits !== undefined) return [{ mask: Number(noneOfTheBits), value: 0 }]
  if (only !== undefined) return only.map((value) => ({ mask: 0xffffffff, value: Number(value) }))
  invariant(not !== undefined, 'a restriction of the seccomp profile says nothing')
  return without(not.map(Number), 0, 32)
}

/**
 * Every 32-bit number but `excluded`, as few matches: rules of a runtime can only be joined by "or", and "not 1, and
 * not 2" needs "and". `from` are the numbers that agree with the matches so far in all but the lowest `bits`.
 */
function without(excluded: readonly number[], from: number, bits: number): readonly Match[] {
  const size = 2 ** bits
  const inside = excluded.filter((value) => value >= from && value < from + size)
  if (inside.length === 0) return [{ mask: 2 ** 32 - size, value: from }]
  if (bits === 0) return []
  return [...without(inside, from, bits - 1), ...without(inside, from + size / 2, bits - 1)]
}
