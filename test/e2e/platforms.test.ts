// Steps for another architecture: run by what the kernel has registered, else an error that says what to install.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tinyArm64Program } from '../support/tiny-elf.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox') ?? (process.arch === 'x64' ? undefined : 'an x86-64 machine')
const dockerfile = 'FROM scratch\nCOPY hello /\nRUN ["/hello", "sailor"]\n'

describe.skipIf(lacking !== undefined)(`foreign platforms (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let registry = ''
  beforeAll(() => {
    ws = workspace()
    registry = join(ws.directory, 'binfmt_misc')
    mkdirSync(registry)
  })
  afterAll(() => {
    if (existsSync(join(registry, 'status'))) execFileSync('umount', [registry])
    ws?.[Symbol.dispose]()
  })

  const build = (context: string, ...flags: readonly string[]) =>
    ws.slipway(
      'build',
      '--progress=plain',
      '--no-cache',
      '--platform=linux/arm64',
      ...flags,
      '-t',
      'foreign',
      context,
    )

  /** A context whose program for arm64 carries a mark. */
  const foreign = (mark: string, text: string): string => {
    const context = ws.context(mark, { Dockerfile: dockerfile, hello: tinyArm64Program(text, mark) })
    chmodSync(join(context, 'hello'), 0o755)
    return context
  }

  it('without an emulator are refused in one line, after the kernel was asked', () => {
    const context = ws.context('bare', {
      Dockerfile: dockerfile,
      hello: tinyArm64Program('hello\n', 'nobody'),
    })
    execFileSync('chmod', ['755', join(context, 'hello')])
    const failed = build(context)
    // Where qemu is registered there is nothing to refuse.
    if (failed.status === 0) return
    expect(failed.stderr).toMatch(
      /run a program for linux\/arm64 on linux\/amd64: [^\n]*\n[\s\S]*help: (install qemu-user-static|enable|register)/,
    )
    const native = ws.slipway('build', '--no-cache', context)
    expect([native.status, native.stderr]).toEqual([1, expect.stringMatching(/exec format error/)])
    expect(native.stderr).not.toContain('emulator')
  })

  /** Registers an emulator for programs with the mark alone, so that nothing else on the machine is concerned. */
  const withEmulator = (mark: string, interpreter: string, use: () => void): void => {
    if (!existsSync(join(registry, 'status'))) execFileSync('mount', ['-t', 'binfmt_misc', 'none', registry])
    const name = `slipway-test-${mark}-${process.pid}`
    const magic = [...tinyArm64Program('', mark).subarray(0, 20)]
    const hex = magic.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
    writeFileSync(join(registry, 'register'), `:${name}:M::${hex}::${interpreter}:F`)
    try {
      use()
    } finally {
      writeFileSync(join(registry, name), '-1')
    }
  }

  const hasRegistry = readFileSync('/proc/filesystems', 'utf8').includes('\tbinfmt_misc\n')
  const emulators = [
    { program: 'echo', is: 'busybox', flags: [], prints: '/hello sailor' },
    { program: 'echo', is: 'busybox', flags: ['--runtime=runc'], prints: '/hello sailor' },
    { program: 'qemu-aarch64-static', is: 'qemu-aarch64-static', flags: [], prints: 'hello of arm64' },
  ]
  for (const { program, is, flags, prints } of emulators) {
    const needed =
      missing(is, ...(flags.length > 0 ? ['runc'] : [])) ?? (hasRegistry ? undefined : 'binfmt_misc')
    const title = `are run by ${program} ${flags} where the kernel knows it (needs ${needed ?? 'nothing more'})`
    it.skipIf(needed !== undefined)(title, () => {
      const bin = join(ws.directory, 'bin')
      rmSync(bin, { recursive: true, force: true })
      mkdirSync(bin)
      // The kernel gives busybox the path of the program as what to echo.
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${is}`], { encoding: 'utf8' }).trim(),
        join(bin, program),
      )
      const mark = program.slice(0, 4)
      const context = foreign(mark, 'hello of arm64\n')
      withEmulator(mark, join(bin, program), () => {
        const built = build(context, ...flags)
        expect([built.status, built.stderr]).toEqual([0, expect.stringContaining(` ${prints}\n`)])
        expect(ws.ok('run', 'foreign', '/hello', 'sailor').stdout).toBe(`${prints}\n`)
      })
    })
  }

  it('of several at once are refused', () => {
    const context = ws.context('several', { Dockerfile: dockerfile, hello: 'x' })
    const failed = ws.slipway('build', '--platform=linux/amd64,linux/arm64', context)
    expect([failed.status, failed.stderr]).toEqual([1, expect.stringMatching(/build one platform at a time/)])
  })
})
