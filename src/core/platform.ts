// What an image runs on (OCI image-spec, image-index.md "platform"), normalised as containerd does.
import { SlipwayError } from './error.ts'

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

const architectures: Readonly<Record<string, readonly [string, string?]>> = {
  x64: ['amd64'],
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386'],
  ia32: ['386'],
  aarch64: ['arm64'],
  arm64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  arm: ['arm', 'v7'],
}
const knownArchitectures = new Set(
  ['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips64le', 'ppc64le', 'riscv64', 's390x'].concat(
    Object.keys(architectures),
  ),
)

/** The platform written `os/arch[/variant]`, `os` or `arch`; missing parts come from `host`. Throws ERR_PLATFORM_INVALID. */
export function parsePlatform(text: string, host: Platform): Platform {
  const parts = text.toLowerCase().split('/')
  if (parts.length > 3 || parts.some((p) => !/^[a-z0-9][a-z0-9_.-]*$/.test(p))) {
    throw new SlipwayError({
      code: 'ERR_PLATFORM_INVALID',
      message: `invalid platform ${JSON.stringify(text)}`,
      hint: 'write it as os/architecture[/variant], for example linux/arm64',
    })
  }
  const [first = '', second, third] = parts
  if (first === 'local' && second === undefined) return host
  if (second === undefined) {
    return knownArchitectures.has(first)
      ? normalisePlatform({ os: host.os, architecture: first })
      : { ...host, os: first }
  }
  return normalisePlatform({
    os: first,
    architecture: second,
    ...(third === undefined ? {} : { variant: third }),
  })
}

/** The canonical spelling of a platform: `x86_64` → `amd64`, `arm64/v8` → `arm64`, `arm` → `arm/v7`. */
export function normalisePlatform(platform: Platform): Platform {
  const [architecture, implied] = architectures[platform.architecture] ?? [platform.architecture]
  let variant = platform.variant || implied
  if (architecture === 'arm64' && (variant === 'v8' || variant === '8')) variant = undefined
  if (architecture === 'amd64' && variant === 'v1') variant = undefined
  if (architecture === 'arm' && variant !== undefined && /^\d$/.test(variant)) variant = `v${variant}`
  return { os: platform.os, architecture, ...(variant === undefined ? {} : { variant }) }
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
