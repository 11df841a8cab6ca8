// The resource limits of a process: the same whatever the limits of slipway's caller are.
import type { Rlimit } from './types.ts'

/** Numbers of setrlimit(2), the same on x86_64 and arm64. */
const resources = {
  ...{ cpu: 0, fsize: 1, data: 2, stack: 3, core: 4, rss: 5, nproc: 6, nofile: 7, memlock: 8, as: 9 },
  ...{ locks: 10, sigpending: 11, msgqueue: 12, nice: 13, rtprio: 14, rttime: 15 },
} as const

type Resource = keyof typeof resources

const unlimited = -1

/**
 * What systemd gives a service, as docker's containers have it, and no core files: a core pattern may be a program
 * that runs on the host. How many signals may be pending depends on the machine and stays as it is.
 */
const defaults: readonly { readonly name: Resource; readonly soft: number; readonly hard: number }[] = [
  { name: 'core', soft: 0, hard: 0 },
  { name: 'nofile', soft: 1024, hard: 524288 },
  { name: 'stack', soft: 8 << 20, hard: unlimited },
  { name: 'memlock', soft: 8 << 20, hard: 8 << 20 },
  { name: 'msgqueue', soft: 819200, hard: 819200 },
  { name: 'nice', soft: 0, hard: 0 },
  { name: 'rtprio', soft: 0, hard: 0 },
  ...(['cpu', 'fsize', 'data', 'rss', 'nproc', 'as', 'locks', 'rttime'] as const).map((name) => ({
    name,
    soft: unlimited,
    hard: unlimited,
  })),
]

export interface NumberedLimit {
  readonly resource: number
  readonly soft: bigint
  readonly hard: bigint
  /** Whether the caller asked for it: then it is an error that it cannot be had. */
  readonly isRequired: boolean
}

/** Every limit to set, each resource once. */
export function limitsOf(asked: readonly Rlimit[]): NumberedLimit[] {
  const names = new Set<Resource>(asked.map(({ name }) => name))
  return [
    ...defaults.filter(({ name }) => !names.has(name)).map((limit) => numbered(limit, false)),
    ...asked.map((limit) => numbered(limit, true)),
  ]
}

function numbered(
  { name, soft, hard }: { readonly name: Resource; readonly soft: number; readonly hard: number },
  isRequired: boolean,
): NumberedLimit {
  return { resource: resources[name], soft: kernelValue(soft), hard: kernelValue(hard), isRequired }
}

/** RLIM_INFINITY is the highest number. */
function kernelValue(value: number): bigint {
  return BigInt.asUintN(64, BigInt(value))
}
