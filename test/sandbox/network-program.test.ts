import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findNetworkProgram } from '../../src/sandbox/network-program.ts'

let directory = ''
const at = (name: string): string => join(directory, name)
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-network-'))
  for (const [folder, program] of [
    ['a', 'slirp4netns'],
    ['b', 'pasta'],
  ] as const) {
    mkdirSync(at(folder))
    writeFileSync(at(`${folder}/${program}`), '')
    chmodSync(at(`${folder}/${program}`), 0o755)
  }
})
afterAll(() => rmSync(directory, { recursive: true }))

test('pasta is preferred, and gives no way to the loopback of the host', () => {
  const found = findNetworkProgram(`${at('a')}:${at('b')}`, '/dev/null')
  expect(found).toMatchObject({ name: 'pasta', program: at('b/pasta') })
  const line = (found as { args: readonly string[] }).args.join(' ')
  expect(line).toMatch(/^--foreground .*--no-map-gw -t none -u none -T none -U none --netns @$/)
})
test('slirp4netns is closed off likewise', () => {
  const found = findNetworkProgram(at('a'), '/dev/null')
  expect(found).toMatchObject({ name: 'slirp4netns', nameservers: ['10.0.2.3'] })
  expect((found as { args: readonly string[] }).args).toEqual(
    expect.arrayContaining(['--disable-host-loopback', '--enable-sandbox', '--enable-seccomp']),
  )
})
test('why there is none is said', () => {
  expect(findNetworkProgram(`${directory}:b`, '/dev/null')).toBe('neither pasta nor slirp4netns is installed')
  expect(findNetworkProgram(at('a'), at('tun'))).toBe(`${at('tun')} cannot be opened`)
  expect(findNetworkProgram(at('a'), at('a'))).toBe(`${at('a')} cannot be opened`)
})
