// Registries that want a login, lie, or do not have it: what a person reads, and that nothing of it stays behind.
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startRegistry, type TestRegistry, type TestRegistryOptions } from '../support/registry.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { type Finished, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')

describe.skipIf(lacking !== undefined)(`access to registries (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let registry: TestRegistry
  beforeEach(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
  })
  afterEach(async () => {
    await registry?.[Symbol.asyncDispose]()
    ws?.[Symbol.dispose]()
  })

  const serve = async (options: TestRegistryOptions = {}): Promise<string> => {
    registry = await startRegistry(options)
    return registry.host
  }
  // The registry lives in this process, which must not stand still meanwhile.
  const slipway = (...args: string[]): Promise<Finished> => ws.start(...args).ended
  const login = (config: unknown): void => {
    mkdirSync(join(ws.directory, 'docker'), { recursive: true })
    writeFileSync(join(ws.directory, 'docker/config.json'), JSON.stringify(config))
  }
  const basic = (text: string): string => Buffer.from(text).toString('base64')
  const clean = async (): Promise<void> => {
    expect((await slipway('store', 'verify')).stdout).toMatch(/ 0 problems\n$/)
    expect(readdirSync(join(ws.root, 'store-v1/ingest'))).toEqual([])
  }

  it.each(['basic', 'bearer'] as const)(
    '%s: refused without a login, with a wrong one; taken with the right one',
    async (auth) => {
      const host = await serve({ auth })
      const image = `${host}/team/app:1`
      const dockerfile = ws.context('app', { Dockerfile: 'FROM base\nCMD ["echo", "hi"]\n' })
      for (const config of [{}, { auths: { [host]: { auth: basic('user:wrong') } } }]) {
        login(config)
        const pushed = await slipway('build', '--progress=plain', '-t', image, '--push', dockerfile)
        expect(pushed.status).toBe(1)
        expect(pushed.stderr).toMatch(
          /^ERROR: failed to build: .*401 unauthorized.*\n {2}help: .*docker login\n$/m,
        )
        expect(pushed.stderr).not.toContain('wrong')
      }
      login({ auths: { [host]: { auth: basic('user:secret') } } })
      expect(await slipway('build', '-q', '-t', image, '--push', dockerfile)).toMatchObject({ status: 0 })
      expect((await slipway('rmi', image)).status).toBe(0)
      const pulled = await slipway('pull', image)
      expect(pulled).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/^Digest: sha256:[0-9a-f]{64}\n/),
      })

      login({})
      const from = ws.context('from', { Dockerfile: `FROM ${host}/team/other:1\n` })
      const refused = await slipway('build', '--progress=plain', from)
      expect(refused.status).toBe(1)
      expect(refused.stderr).toMatch(/401 unauthorized.*\n {2}--> Dockerfile:1:6\n/)
      await clean()
    },
  )

  it('asks a credential helper, and says which one failed', async () => {
    const host = await serve({ auth: 'basic' })
    const helper = join(ws.directory, 'docker-credential-test')
    writeFileSync(helper, '#!/bin/sh\nread host\necho \'{"Username":"user","Secret":"secret"}\'\n')
    chmodSync(helper, 0o755)
    ws.env.PATH = `${ws.directory}:${ws.env.PATH}`
    await slipway('tag', 'base', `${host}/base:1`)
    login({ credHelpers: { [host]: 'test' } })
    expect(await slipway('push', `${host}/base:1`)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^127\.0\.0\.1:\d+\/base:1: digest: sha256:[0-9a-f]{64} size: \d+\n$/),
    })
    // What comes back is compressed: another manifest of the same image, with one ID for both.
    expect((await slipway('pull', `${host}/base:1`)).status).toBe(0)
    const ids = (await slipway('images', '-q')).stdout.trim().split('\n')
    expect(new Set(ids).size).toBe(1)
    expect((await slipway('tag', ids[0] ?? '', 'again:1')).status).toBe(0)
    expect((await slipway('rmi', '-f', ids[0] ?? '')).stdout).toMatch(
      /^(Untagged: \S+\n){3}Deleted: sha256:\S+\n$/,
    )
    login({ credsStore: 'absent' })
    expect(await slipway('pull', `${host}/base:1`)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/docker-credential-absent .*not installed\n {2}help: /),
    })
  })

  it('takes nothing from a registry that sends other bytes than it promised', async () => {
    const host = await serve()
    const image = `${host}/base:1`
    await slipway('tag', 'base', image)
    expect(await slipway('push', image)).toMatchObject({ status: 0 })
    const fresh = { SLIPWAY_ROOT: join(ws.directory, 'other') }
    Object.assign(ws.env, fresh)

    for (const [pattern, text] of [
      [/^GET .*\/blobs\//, /digest|sha256/],
      [/^GET .*\/manifests\//, /digest|sha256|manifest/],
    ] as const) {
      registry.fail(pattern, { kind: 'corrupt' }, 20)
      const pulled = await slipway('pull', image)
      expect(pulled.status).toBe(1)
      expect(pulled.stderr).toMatch(text)
      expect(pulled.stderr).not.toMatch(/^ {4}at /m)
      expect((await slipway('images', '-q')).stdout).toBe('')
      registry.fail(pattern, { kind: 'corrupt' }, 0)
    }
  })

  it('says what exactly is missing', async () => {
    const host = await serve()
    await slipway('tag', 'base', `${host}/base:1`)
    await slipway('push', `${host}/base:1`)
    expect(await slipway('pull', `${host}/base:2`)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /404 not found.*\n {2}help: the registry answers, but .*\/base has no tag "2"/,
      ),
    })
    const digest = `sha256:${'0'.repeat(64)}`
    expect((await slipway('pull', `${host}/base@${digest}`)).stderr).toContain(
      'has no manifest with this digest',
    )
    // Names without a registry are looked for on Docker Hub, which a test must not ask.
    const typo = ws.context('typo', { Dockerfile: 'FROM base:lates\n' })
    Object.assign(ws.env, { HTTPS_PROXY: `http://${host}`, https_proxy: `http://${host}` })
    expect(await slipway('build', typo)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /--> Dockerfile:1:6\n[\s\S]*= help: did you mean base:latest, which the local store has\?/,
      ),
    })
    await clean()
  })
})
