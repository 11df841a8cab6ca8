// Programs of other architectures: whether the kernel has an emulator registered for them (binfmt_misc), and what to
// tell who wants to run some without.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, SlipwayError } from '../core/error.ts'
import { formatPlatform, type Platform } from '../core/platform.ts'

/** How qemu calls an architecture where that is not as the image-spec does. */
const qemuNames: Readonly<Record<string, string>> = {
  '386': 'i386',
  amd64: 'x86_64',
  arm64: 'aarch64',
  loong64: 'loongarch64',
  mipsle: 'mipsel',
  mips64le: 'mips64el',
}

export interface Emulation {
  /** `fixed`: the kernel holds the emulator open, containers need not have it. */
  readonly state: 'none' | 'disabled' | 'not fixed' | 'fixed'
  readonly interpreter?: string
}

const registry = '/proc/sys/fs/binfmt_misc'

/** What is registered for an architecture, by qemu's names of handlers; `directory` is where binfmt_misc is mounted. */
export function findEmulation(architecture: string, directory = registry): Emulation {
  const text = readHandler(join(directory, `qemu-${qemuNames[architecture] ?? architecture}`))
  if (text === undefined) return { state: 'none' }
  const interpreter = /^interpreter (.+)$/m.exec(text)?.[1]
  const found = interpreter === undefined ? {} : { interpreter }
  if (!/^enabled$/m.test(text) || readHandler(join(directory, 'status'))?.trim() === 'disabled') {
    return { state: 'disabled', ...found }
  }
  return { state: /^flags: \S*F/m.test(text) ? 'fixed' : 'not fixed', ...found }
}

/** Undefined when there is none, or nobody may read it. */
function readHandler(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (thrown) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(errnoOf(thrown) ?? '')) return undefined
    throw thrown
  }
}

/**
 * What the failure to start a program of `platform` on `host` means. BuildKit, too, lets the kernel try first: what is
 * in an image need not be what the image says, and machines run more than one architecture.
 */
export function explainForeign(
  thrown: unknown,
  platform: Platform,
  host: Platform,
  directory = registry,
): unknown {
  if (!(thrown instanceof SlipwayError) || thrown.code !== 'ERR_SANDBOX_EXEC') return thrown
  const { errno } = thrown.data ?? {}
  const isForeign = platform.architecture !== host.architecture
  const emulation = findEmulation(platform.architecture, directory)
  const isUnknownFormat = errno === 'ENOEXEC'
  // The kernel looks for an emulator that it does not hold where the program is.
  const lacksEmulator = errno === 'ENOENT' && emulation.state === 'not fixed'
  if (!isForeign || !(isUnknownFormat || lacksEmulator) || emulation.state === 'fixed') return thrown
  return new SlipwayError({
    code: 'ERR_PLATFORM_EMULATION',
    message: `run a program for ${formatPlatform(platform)} on ${formatPlatform(host)}: ${reasonFor(emulation)}`,
    hint: hintFor(emulation, directory, platform.architecture),
    ...(thrown.data === undefined ? {} : { data: thrown.data }),
    cause: thrown,
  })
}

function reasonFor({ state, interpreter }: Emulation): string {
  if (state === 'disabled') return 'the emulator registered for it is disabled'
  if (state === 'not fixed') return `containers do not have the emulator registered for it, ${interpreter}`
  return 'no emulator is registered for it'
}

function hintFor({ state }: Emulation, directory: string, architecture: string): string {
  const name = `qemu-${qemuNames[architecture] ?? architecture}`
  if (state === 'disabled') return `enable it: echo 1 > ${directory}/${name}`
  if (state === 'not fixed')
    return 'register it with the flag F (fix binary), as the package qemu-user-static does'
  const isSeen = isMounted(directory) ? '' : ', and mount binfmt_misc'
  return (
    'install qemu-user-static and binfmt-support (Debian, Ubuntu), qemu-user-static (Fedora) or ' +
    `qemu-user-static-binfmt (Arch)${isSeen}; in a container, on the machine it runs on`
  )
}

function isMounted(directory: string): boolean {
  try {
    return readdirSync(directory).includes('register')
  } catch {
    return false
  }
}
