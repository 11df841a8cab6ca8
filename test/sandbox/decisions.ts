// The program that asks a filter about every system call (decisions.c): how to build it, what to ask beside the plain
// numbers, and what it printed.
import { execFileSync } from 'node:child_process'
import numbers from '../../src/sandbox/seccomp/numbers.json' with { type: 'json' }
import profile from '../../src/sandbox/seccomp/profile.json' with { type: 'json' }
import type { Call } from './bpf.ts'

export function compileDecisions(program: string): void {
  compileProbe('decisions.c', program)
}

/** Compiles a C file of this folder to a program that needs nothing of the image it runs in. */
export function compileProbe(source: string, program: string): void {
  const path = new URL(source, import.meta.url).pathname
  execFileSync('cc', ['-static', '-O1', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE', '-o', program, path])
}

/** Arguments for the program: every restricted call with the values that its restriction speaks of, and others. */
export function askArguments(): string[] {
  const own = process.arch === 'x64' ? ['x86_64', 'i386'] : ['aarch64']
  const values = [...Array(48).keys(), 0x20000, 0x20008, 0x400000, 0x5411, 0x5412, 0x5413, 0x541c, 0xffffffff]
  const bits = Array.from({ length: 32 }, (_, bit) => 2 ** bit)
  return own.flatMap((architecture) =>
    Object.entries(profile.restrict).flatMap(([name, { argument }]) => {
      const row = (numbers.calls as Readonly<Record<string, readonly (number | null)[]>>)[name]
      const number = row?.[numbers.architectures.indexOf(architecture)] ?? -1
      return [...values, ...bits].flatMap((value) => [architecture, `${number}`, `${argument}`, `${value}`])
    }),
  )
}

export interface Decided {
  readonly architecture: string
  readonly call: Call
  readonly verdict: string
}

const audit: Readonly<Record<string, number>> = { x86_64: 0xc000003e, i386: 0x40000003, aarch64: 0xc00000b7 }

/** What the program printed, line by line. */
export function readDecisions(text: string): Decided[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [architecture = '', number, ...rest] = line.split(' ')
      const [argument, value] = rest.length > 1 ? (rest[0] ?? '').split('=') : []
      const args = [0n, 0n, 0n, 0n, 0n, 0n]
      if (value !== undefined) args[Number(argument)] = BigInt(value)
      const call = { architecture: audit[architecture] ?? 0, number: Number(number), args }
      return { architecture, call, verdict: rest.at(-1) ?? '' }
    })
}
