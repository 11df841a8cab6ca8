import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SlipwayError } from '../../src/core/error.ts'
import { explainForeign, findEmulation } from '../../src/sandbox/emulation.ts'

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-binfmt-'))
  const handler = (name: string, state: string, flags: string): void =>
    writeFileSync(
      join(directory, name),
      `${state}\ninterpreter /usr/bin/${name}-static\nflags: ${flags}\noffset 0\nmagic 7f454c46\n`,
    )
  writeFileSync(join(directory, 'status'), 'enabled\n')
  writeFileSync(join(directory, 'register'), '')
  handler('qemu-aarch64', 'enabled', 'POCF')
  handler('qemu-arm', 'enabled', '')
  handler('qemu-s390x', 'disabled', 'F')
})
afterAll(() => rmSync(directory, { recursive: true }))

describe('findEmulation', () => {
  test.each([
    ['arm64', { state: 'fixed', interpreter: '/usr/bin/qemu-aarch64-static' }],
    ['arm', { state: 'not fixed', interpreter: '/usr/bin/qemu-arm-static' }],
    ['s390x', { state: 'disabled', interpreter: '/usr/bin/qemu-s390x-static' }],
    ['riscv64', { state: 'none' }],
  ])('%s', (architecture, expected) => {
    expect(findEmulation(architecture, directory)).toEqual(expected)
  })
  test('without binfmt_misc there is none', () => {
    expect(findEmulation('arm64', join(directory, 'nowhere'))).toEqual({ state: 'none' })
  })
})

describe('explainForeign', () => {
  const host = { os: 'linux', architecture: 'amd64' }
  const failure = (errno: string): SlipwayError =>
    new SlipwayError({
      code: 'ERR_SANDBOX_EXEC',
      message: 'start process: x',
      data: { errno, exitCode: 126 },
    })
  const explained = (errno: string, architecture: string, where = directory): SlipwayError =>
    explainForeign(failure(errno), { os: 'linux', architecture }, host, where) as SlipwayError

  test('names the packages where nothing is registered', () => {
    const error = explained('ENOEXEC', 'riscv64')
    expect([error.code, error.message, error.data?.exitCode]).toEqual([
      'ERR_PLATFORM_EMULATION',
      'run a program for linux/riscv64 on linux/amd64: no emulator is registered for it',
      126,
    ])
    expect(error.hint).toMatch(/^install qemu-user-static and binfmt-support \(Debian, Ubuntu\)/)
    expect(error.hint).not.toMatch(/mount binfmt_misc/)
    expect(explained('ENOEXEC', 'riscv64', join(directory, 'nowhere')).hint).toMatch(/mount binfmt_misc/)
  })
  test('says what is wrong with what is registered', () => {
    expect(explained('ENOEXEC', 's390x')).toMatchObject({
      message: expect.stringMatching(/is disabled$/),
      hint: `enable it: echo 1 > ${directory}/qemu-s390x`,
    })
    expect(explained('ENOENT', 'arm')).toMatchObject({
      message: expect.stringMatching(
        /do not have the emulator registered for it, \/usr\/bin\/qemu-arm-static$/,
      ),
      hint: expect.stringMatching(/flag F/),
    })
  })
  test('leaves everything else as it is', () => {
    for (const [errno, architecture] of [
      ['ENOEXEC', 'amd64'],
      ['ENOEXEC', 'arm64'],
      ['ENOENT', 'riscv64'],
      ['EACCES', 'arm'],
    ] as const) {
      expect(explained(errno, architecture).code).toBe('ERR_SANDBOX_EXEC')
    }
    const other = new Error('x')
    expect(explainForeign(other, { os: 'linux', architecture: 'arm' }, host, directory)).toBe(other)
  })
})
