// What an image runs on (OCI image-spec, image-index.md "platform"), normalised as containerd does.
import { nearest } from './diagnostic.ts'
import { SlipwayError } from './error.ts'

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** Other names; the second element is the only variant such a name can mean. Node's own `x64` and `ia32` are among them. */
const architectures: Readonly<Record<string, readonly [string, string?]>> = {
  x64: ['amd64'],
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386', ''],
  ia32: ['386', ''],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
}

/** Other names of variants; '' is the one that goes without saying. */
const variants: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  amd64: { v1: '' },
  arm64: { 8: '', v8: '', 'v8.0': '', 9: 'v9', '9.0': 'v9', 'v9.0': 'v9' },
  arm: { '': 'v7', 5: 'v5', 6: 'v6', 7: 'v7', 8: 'v8' },
}
/** The names Go has ports for: a word alone is one of these, or no platform. */
const knownArchitectures = new Set(
  (
    '386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ' +
    'ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm'
  )
    .split(' ')
    .concat(Object.keys(architectures)),
)
const knownSystems = new Set(
  (
    'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris ' +
    'windows zos'
  ).split(' '),
)

/** The platform written `os/arch[/variant]`, `os` or `arch`; missing parts come from `host`. Throws ERR_PLATFORM_INVALID. */
export function parsePlatform(text: string, host: Platform): Platform {
  const parts = text.toLowerCase().split('/')
  if (
    parts.length > 3 ||
    parts.some((p, i) => !(i === 0 ? /^[a-z0-9_-]+$/ : /^[a-z0-9][a-z0-9_.-]*$/).test(p))
  ) {
    throw new SlipwayError({
      code: 'ERR_PLATFORM_INVALID',
      message: `invalid platform ${JSON.stringify(text)}`,
      hint: 'write it as os/architecture[/variant], for example linux/arm64',
    })
  }
  const [first = '', second, third] = parts
  if (first === 'local' && second === undefined) return host
  if (second === undefined) {
    const os = first === 'macos' ? 'darwin' : first
    if (knownSystems.has(os)) return { ...host, os }
    if (knownArchitectures.has(first)) return normalisePlatform({ os: host.os, architecture: first })
    const close = nearest(first, [...knownSystems, ...knownArchitectures])
    throw new SlipwayError({
      code: 'ERR_PLATFORM_INVALID',
      message: `unknown operating system or architecture ${JSON.stringify(text)}`,
      hint:
        close === undefined
          ? 'write it as os/architecture[/variant], for example linux/arm64'
          : `did you mean ${close}?`,
    })
  }
  return normalisePlatform({
    os: first === 'macos' ? 'darwin' : first,
    architecture: second,
    ...(third === undefined ? {} : { variant: third }),
  })
}

/** The canonical spelling of a platform: `x86_64` → `amd64`, `arm64/v8` → `arm64`, `arm` → `arm/v7`. */
export function normalisePlatform(platform: Platform): Platform {
  const [architecture, only] = memberOf(architectures, platform.architecture) ?? [platform.architecture]
  const written = only ?? platform.variant ?? ''
  const variant = memberOf(memberOf(variants, architecture) ?? {}, written) ?? written
  return { os: platform.os, architecture, ...(variant === '' ? {} : { variant }) }
}

function memberOf<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}

/** How well `offered` runs what asks for `wanted`: 0 exact, larger is a lesser variant, undefined not at all. */
export function platformDistance(wanted: Platform, offered: Platform): number | undefined {
  const want = normalisePlatform(wanted)
  const have = normalisePlatform(offered)
  if (want.os !== have.os || want.architecture !== have.architecture) return undefined
  const level = (p: Platform): number => {
    const fallback = p.architecture === 'arm64' ? 8 : 1
    return p.variant === undefined ? fallback : Number.parseFloat(p.variant.replace(/^v/, '')) || fallback
  }
  const distance = level(want) - level(have)
  return distance < 0 ? undefined : distance
}

/** The platform of this process, from `process.platform`/`process.arch` spelled Node's way. */
export function platformOfHost(os: string, arch: string): Platform {
  return normalisePlatform({ os, architecture: arch })
}
