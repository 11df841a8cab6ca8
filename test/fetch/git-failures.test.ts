// What is said when a git repository cannot be had.
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { testContext } from '../ops/support/context.ts'
import { gitRig } from './git-rig.ts'

const rig = gitRig()
const { fetcher, find } = rig

describe('what goes wrong', () => {
  it('there is no git', async () => {
    await expect(find('main', { environment: { PATH: '/nonexistent' } })).rejects.toMatchObject({
      code: 'ERR_GIT_MISSING',
      hint: expect.stringContaining('install git'),
    })
  })

  it('there is no ssh', async () => {
    const bin = join(rig.root, 'bin')
    mkdirSync(bin)
    for (const name of ['git', 'sh'])
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
        join(bin, name),
      )
    const cx = testContext()
    await expect(
      fetcher({ environment: { PATH: bin } }).resolve({ remote: 'git@host.invalid:a.git' }, cx),
    ).rejects.toMatchObject({ code: 'ERR_GIT_SSH_MISSING', hint: 'install the client of OpenSSH' })
  })

  it('there is no repository, or nobody there', async () => {
    rig.remote = `${rig.server.url}/none.git`
    await expect(find()).rejects.toMatchObject({ code: 'ERR_GIT_NOT_FOUND' })
    rig.remote = 'http://127.0.0.1:1/a.git'
    await expect(find()).rejects.toMatchObject({
      code: 'ERR_GIT_UNREACHABLE',
      message: 'find the default branch in http://127.0.0.1:1/a.git: could not connect',
    })
  })

  it('the host is silent: git and what it has started end', async () => {
    const silent = createServer((socket) => socket.resume().on('error', () => undefined))
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
    rig.remote = `git://127.0.0.1:${(silent.address() as AddressInfo).port}/a.git`
    await expect(find('main', { silenceMs: 300 })).rejects.toMatchObject({
      code: 'ERR_GIT_TIMEOUT',
      message: expect.stringContaining('the host does not answer'),
    })
    const said = { code: 'ERR_GIT_TIMEOUT', message: expect.stringMatching(/: the host does not answer$/) }
    const address = rig.remote.replace('git:', 'ssh:')
    await expect(
      fetcher({ sshConnectSeconds: 1 }).resolve({ remote: address }, testContext()),
    ).rejects.toMatchObject(said)
    const cx = testContext()
    setTimeout(() => cx.abort(), 100)
    await expect(fetcher().resolve({ remote: rig.remote }, cx)).rejects.toMatchObject({ name: 'AbortError' })
    // Waits for every connection to end: the transport that git started has died too.
    await new Promise((done) => silent.close(done))
  })
})
