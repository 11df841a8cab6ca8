import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSecrets } from '../../src/app/secrets.ts'

describe('openSecrets', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'slipway-secrets-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const file = (content: string | Buffer): string => {
    const path = join(directory, 'file')
    writeFileSync(path, content)
    return path
  }
  const open = (from: { file: string } | { variable: string }, environment = {}) =>
    openSecrets([{ id: 'x', from }], environment)

  it('finds a file byte for byte, and as text without its line end', async () => {
    const bytes = Buffer.from([0xff, 0, 10, 10])
    expect(await open({ file: file(bytes) }).find('x')).toEqual({ value: bytes })
    expect(await open({ file: file('a\nb\r\n') }).read('x')).toBe('a\nb')
  })

  it('finds a variable; the last source of a name counts', async () => {
    const sources = [
      { id: 'x', from: { variable: 'A' } },
      { id: 'x', from: { variable: 'B' } },
    ]
    const secrets = openSecrets(sources, { A: 'a', B: 'b\n' })
    expect(await secrets.find('x')).toEqual({ value: Buffer.from('b\n') })
    expect(await secrets.read('x')).toBe('b')
  })

  it('says why there is none', async () => {
    const secrets = open({ variable: 'NOT_SET' })
    expect(await secrets.find('x')).toEqual({ missing: 'the environment variable NOT_SET is not set' })
    expect(await secrets.find('y')).toEqual({ missing: 'there is no --secret id=y' })
    expect(await secrets.read('y')).toBeUndefined()
    await expect(secrets.read('x')).rejects.toMatchObject({ code: 'ERR_SECRET_UNREADABLE' })
  })

  it('takes 500 KiB and no more', async () => {
    const most = 'x'.repeat(500 << 10)
    const found = await open({ file: file(most) }).find('x')
    expect('value' in found && found.value.equals(Buffer.from(most))).toBe(true)
    const tooLarge = { code: 'ERR_SECRET_UNREADABLE', message: 'read secret x: larger than 500 KiB' }
    await expect(open({ file: file(`${most}x`) }).find('x')).rejects.toMatchObject(tooLarge)
    await expect(open({ file: '/dev/zero' }).find('x')).rejects.toMatchObject(tooLarge)
    await expect(open({ variable: 'V' }, { V: `${most}x` }).find('x')).rejects.toMatchObject(tooLarge)
  })

  it('reads a pipe once for all who ask', async () => {
    const path = join(directory, 'pipe')
    execFileSync('mkfifo', [path])
    const writer = spawn('sh', ['-c', 'printf once > "$0"', path])
    const ended = new Promise((resolve) => writer.on('exit', resolve))
    const { find } = open({ file: path })
    const [a, b] = await Promise.all([find('x'), find('x')])
    expect([a, await find('x'), b]).toEqual(Array(3).fill({ value: Buffer.from('once') }))
    await ended
  })

  it.each([
    ['nowhere', 'no such file'],
    ['.', 'EISDIR'],
  ])('names the file that cannot be read: %s', async (name, reason) => {
    const path = join(directory, name)
    await expect(open({ file: path }).find('x')).rejects.toMatchObject({
      code: 'ERR_SECRET_UNREADABLE',
      message: `read secret x: ${path}: ${reason}`,
    })
  })
})
