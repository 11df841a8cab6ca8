import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyAgent, type ServedAgent, serveAgent } from '../../src/ssh/agent.ts'
import { parsePrivateKey } from '../../src/ssh/private-key.ts'
import { missing } from '../support/missing.ts'

const lacking = missing('ssh-keygen', 'ssh-add')

const kinds = [
  ['ed25519', ['-t', 'ed25519']],
  ['rsa', ['-t', 'rsa', '-b', '2048']],
  ['rsa-pem', ['-t', 'rsa', '-b', '2048', '-m', 'PEM']],
  ['rsa-pkcs8', ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8']],
  ['ecdsa-256', ['-t', 'ecdsa', '-b', '256']],
  ['ecdsa-384', ['-t', 'ecdsa', '-b', '384']],
  ['ecdsa-521', ['-t', 'ecdsa', '-b', '521']],
  ['ecdsa-pem', ['-t', 'ecdsa', '-b', '256', '-m', 'PEM']],
] as const

describe.skipIf(lacking !== undefined)(`private keys (needs ${lacking ?? 'nothing more'})`, () => {
  let directory: string
  let served: ServedAgent
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'slipway-keys-'))
    const keys = kinds.map(([name, args]) => {
      execFileSync('ssh-keygen', ['-q', '-N', '', '-C', name, '-f', join(directory, name), ...args])
      return { key: parsePrivateKey(readFileSync(join(directory, name), 'utf8'), name), comment: name }
    })
    const owner = { mode: 0o600, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
    served = await serveAgent(keyAgent(keys), { directory, name: 'agent', ...owner })
  })
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })

  // Not spawnSync: the agent answers in this process.
  const run = async (command: string, ...args: readonly string[]) => {
    const { spawn } = await import('node:child_process')
    const child = spawn(command, args, { env: { ...process.env, SSH_AUTH_SOCK: served.path } })
    let out = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (out += chunk))
    const status = await new Promise((resolve) => child.on('close', resolve))
    return { status, out }
  }

  it('are listed as ssh-keygen knows them', async () => {
    const { out } = await run('ssh-add', '-l')
    const wanted = kinds.map(([name]) =>
      execFileSync('ssh-keygen', ['-lf', join(directory, `${name}.pub`)], { encoding: 'utf8' })
        .split(' ')
        .slice(0, 2),
    )
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => line.split(' ').slice(0, 2)),
    ).toEqual(wanted)
  })

  it.each(kinds)('sign what ssh-keygen verifies: %s', async (name) => {
    expect(await run('ssh-add', '-T', join(directory, `${name}.pub`))).toEqual({ status: 0, out: '' })
  })

  it('cannot be added to or removed', async () => {
    expect((await run('ssh-add', '-D')).status).not.toBe(0)
    expect((await run('ssh-add', join(directory, 'ed25519'))).status).not.toBe(0)
    expect((await run('ssh-add', '-l')).out.trim().split('\n')).toHaveLength(kinds.length)
  })

  it.each([
    ['a passphrase', ['-t', 'ed25519'], /it has a passphrase/],
    ['a passphrase in PEM', ['-t', 'rsa', '-b', '2048', '-m', 'PEM'], /it has a passphrase/],
  ])('with %s are refused', (name, args, message) => {
    const file = join(directory, name.replaceAll(' ', '-'))
    execFileSync('ssh-keygen', ['-q', '-N', 'secret', '-f', file, ...args])
    expect(() => parsePrivateKey(readFileSync(file, 'utf8'), 'k')).toThrow(message)
  })

  it('that are damaged say nothing of what is in them', () => {
    const text = readFileSync(join(directory, 'ed25519'), 'utf8')
    for (const broken of ['', 'x', text.slice(0, 120), text.slice(0, 200) + text.slice(204)]) {
      const thrown = (() => {
        try {
          parsePrivateKey(broken, 'k')
        } catch (error) {
          return error
        }
        return undefined
      })()
      if (thrown === undefined) continue
      expect(thrown).toMatchObject({ code: 'ERR_SSH_KEY' })
      expect((thrown as Error).cause).toBeUndefined()
    }
    writeFileSync(join(directory, 'public'), readFileSync(join(directory, 'rsa.pub')))
    expect(() => parsePrivateKey(readFileSync(join(directory, 'public'), 'utf8'), 'k')).toThrow(
      /no private key/,
    )
    expect(spawnSync('true').status).toBe(0)
  })
})
