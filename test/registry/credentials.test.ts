import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openCredentials } from '../../src/registry/credentials.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipway-credentials-'))
})
afterEach(() => rm(directory, { recursive: true }))

const base64 = (text: string): string => Buffer.from(text).toString('base64')

async function withConfig(config: unknown) {
  await writeFile(
    join(directory, 'config.json'),
    typeof config === 'string' ? config : JSON.stringify(config),
  )
  return openCredentials({ DOCKER_CONFIG: directory, PATH: `${directory}:/usr/bin:/bin` })
}

async function helper(name: string, script: string): Promise<void> {
  const path = join(directory, `docker-credential-${name}`)
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
}

describe('credentials', () => {
  it('come from auths, with colons in the password', async () => {
    const find = await withConfig({ auths: { 'h:5000': { auth: base64('me:pa:ss') } } })
    expect(await find('h:5000')).toEqual({ kind: 'password', username: 'me', password: 'pa:ss' })
    expect(await find('h')).toBeUndefined()
    expect(await find('other:5000')).toBeUndefined()
  })

  it('are found under every spelling docker has used', async () => {
    const entry = { auth: base64('me:x') }
    const found = { kind: 'password', username: 'me', password: 'x' }
    for (const key of [
      'https://index.docker.io/v1/',
      'docker.io',
      'registry-1.docker.io',
      'index.docker.io',
    ]) {
      expect(await (await withConfig({ auths: { [key]: entry } }))('docker.io')).toEqual(found)
    }
    expect(await (await withConfig({ auths: { 'https://ghcr.io': entry } }))('ghcr.io')).toEqual(found)
    expect(await (await withConfig({ auths: { 'http://h:5000/v2/': entry } }))('h:5000')).toEqual(found)
  })

  it('may be identity and registry tokens or plain members', async () => {
    const find = await withConfig({
      auths: {
        a: { auth: base64('me:x'), identitytoken: 'idt' },
        b: { registrytoken: 'rt' },
        c: { username: 'u', password: 'p' },
        d: {},
        e: null,
      },
    })
    expect(await find('a')).toEqual({ kind: 'refresh', token: 'idt' })
    expect(await find('b')).toEqual({ kind: 'bearer', token: 'rt' })
    expect(await find('c')).toEqual({ kind: 'password', username: 'u', password: 'p' })
    expect(await find('d')).toBeUndefined()
    expect(await find('e')).toBeUndefined()
  })

  it('come from HOME, from an environment variable, or there are none', async () => {
    await mkdir(join(directory, '.docker'))
    await writeFile(
      join(directory, '.docker/config.json'),
      JSON.stringify({ auths: { h: { auth: base64('a:b') } } }),
    )
    expect(await openCredentials({ HOME: directory })('h')).toMatchObject({ username: 'a' })
    const inline = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { h: { auth: base64('c:d') } } }) }
    expect(await openCredentials({ HOME: directory, ...inline })('h')).toMatchObject({ username: 'c' })
    expect(await openCredentials({ HOME: '/nonexistent' })('h')).toBeUndefined()
    expect(await openCredentials({})('h')).toBeUndefined()
  })

  it('come from a helper that is asked for the server', async () => {
    await helper(
      'one',
      'read s; [ "$1" = get ] || exit 9; echo "{\\"ServerURL\\":\\"$s\\",\\"Username\\":\\"u-$s\\",\\"Secret\\":\\"s\\"}"',
    )
    await helper('two', 'read s; echo \'{"Username":"<token>","Secret":"idt"}\'')
    const find = await withConfig({ credsStore: 'one', credHelpers: { 'h:5000': 'two' } })
    expect(await find('ghcr.io')).toEqual({ kind: 'password', username: 'u-ghcr.io', password: 's' })
    expect(await find('docker.io')).toMatchObject({ username: 'u-https://index.docker.io/v1/' })
    expect(await find('h:5000')).toEqual({ kind: 'refresh', token: 'idt' })
  })

  it('fall back to auths when the helper knows none', async () => {
    await helper('none', 'echo "credentials not found in native keychain"; exit 1')
    const find = await withConfig({ credsStore: 'none', auths: { h: { auth: base64('me:x') } } })
    expect(await find('h')).toMatchObject({ username: 'me' })
    expect(await find('other')).toBeUndefined()
  })

  it('name a helper that is missing, fails or talks nonsense, without what it printed', async () => {
    await helper('broken', 'echo "secret-in-output"; exit 3')
    await helper('nonsense', 'echo secret-in-output')
    for (const [name, why] of [
      ['absent', 'not installed'],
      ['broken', 'exit code 3'],
      ['nonsense', 'not JSON'],
      ['../evil', 'unexpected characters'],
    ]) {
      const find = await withConfig({ credsStore: name })
      const failure = await find('h').catch((thrown: unknown) => thrown)
      expect(failure).toMatchObject({
        code: 'ERR_CREDENTIAL_HELPER',
        message: expect.stringContaining(why ?? ''),
      })
      expect(String(failure)).not.toContain('secret-in-output')
    }
  })

  it('are not quoted when the file is broken', async () => {
    for (const text of [
      '{"auths":{"h":{"auth":"c2VjcmV0',
      '[]',
      'null',
      '{"auths":[]}',
      '{"credHelpers":1}',
    ]) {
      const failure = await (await withConfig(text))('h').catch((thrown: unknown) => thrown)
      expect(failure).toMatchObject({ code: 'ERR_CREDENTIALS_INVALID' })
      expect(String(failure)).not.toContain('c2VjcmV0')
    }
  })
})
