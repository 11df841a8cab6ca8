import { describe, expect, it } from 'vitest'
import { basicHeader } from '../support/registry.ts'
import { loggedIn, password, useRegistries } from './open-test-registry.ts'
import { sampleImage, seedRegistry } from './sample-image.ts'

const use = useRegistries()
const at = (host: string) => ({ registry: host, repository: 'team/app' })

describe('authentication', () => {
  it('gets an anonymous token and keeps it for the next requests', async () => {
    const server = await use.server({ auth: 'bearer', isPublic: true })
    const sample = sampleImage()
    seedRegistry(server, 'team/app', sample, '1')
    const repository = use.client().repository(at(server.host))
    expect((await repository.resolve('1')).descriptor).toEqual(sample.manifest)
    expect(await Promise.all(sample.layers.map((layer) => repository.has(layer)))).toEqual([true, true])
    expect(server.requests.filter((r) => r.server === 'token')).toHaveLength(1)
    expect(server.requests.find((r) => r.server === 'token')?.url).toBe(
      '/token?service=test&scope=repository%3Ateam%2Fapp%3Apull',
    )
  })

  it('asks for one token when many requests meet the same challenge', async () => {
    const server = await use.server({ auth: 'bearer', isPublic: true })
    const sample = sampleImage({ layerSizes: [1, 2, 3, 4, 5, 6] })
    seedRegistry(server, 'team/app', sample, '1')
    const repository = use.client().repository(at(server.host))
    await Promise.all(sample.layers.map((layer) => repository.has(layer)))
    expect(server.requests.filter((r) => r.server === 'token')).toHaveLength(1)
  })

  it('logs in with name and password at the token server', async () => {
    const server = await use.server({ auth: 'bearer' })
    seedRegistry(server, 'team/app', sampleImage(), '1')
    const environment = loggedIn(server.host, password())
    await use.client({ environment }).repository(at(server.host)).resolve('1')
    expect(server.requests.find((r) => r.server === 'token')?.headers.authorization).toBe(
      basicHeader('user', 'secret'),
    )
    expect(server.requests.at(-1)?.headers.authorization).toMatch(/^Bearer tok-/)
  })

  it('exchanges an identity token by POST', async () => {
    const server = await use.server({ auth: 'bearer', identityToken: 'id-1' })
    seedRegistry(server, 'team/app', sampleImage(), '1')
    const environment = loggedIn(server.host, { identitytoken: 'id-1' })
    await use.client({ environment }).repository(at(server.host)).resolve('1')
    const asked = server.requests.find((r) => r.server === 'token')
    expect(asked?.method).toBe('POST')
    expect(Object.fromEntries(new URLSearchParams(asked?.body))).toMatchObject({
      grant_type: 'refresh_token',
      refresh_token: 'id-1',
      scope: 'repository:team/app:pull',
    })
    expect(asked?.headers.authorization).toBeUndefined()
  })

  it('sends name and password only after a Basic challenge, then without being asked', async () => {
    const server = await use.server({ auth: 'basic' })
    seedRegistry(server, 'team/app', sampleImage(), '1')
    const repository = use
      .client({ environment: loggedIn(server.host, password()) })
      .repository(at(server.host))
    await repository.resolve('1')
    await repository.resolve('1')
    const sent = server.requests
      .filter((r) => r.url.includes('/manifests/'))
      .map((r) => r.headers.authorization)
    expect(sent).toEqual([undefined, basicHeader('user', 'secret'), basicHeader('user', 'secret')])
  })

  it('sends nothing to a registry the user has no credentials for', async () => {
    const server = await use.server({ auth: 'basic' })
    const environment = loggedIn('other.example', password())
    const failure = await use
      .client({ environment })
      .repository(at(server.host))
      .resolve('1')
      .catch((t: unknown) => t)
    expect(failure).toMatchObject({
      code: 'ERR_REGISTRY_UNAUTHORIZED',
      message: `fetch manifest ${server.host}/team/app:1: 401 unauthorized: authentication required`,
      hint: expect.stringContaining('docker login'),
    })
    expect(server.requests.every((r) => r.headers.authorization === undefined)).toBe(true)
  })

  it.each(['basic', 'bearer'] as const)(
    'says so when the %s password is wrong, and shows it nowhere',
    async (auth) => {
      const server = await use.server({ auth })
      const log: string[] = []
      const client = use.client({
        environment: loggedIn(server.host, password('user', 'hunter22hunter22')),
        debug: (message, fields) => log.push(message + JSON.stringify(fields)),
      })
      const failure = await client
        .repository(at(server.host))
        .resolve('1')
        .catch((t: unknown) => t)
      expect(failure).toMatchObject({ code: 'ERR_REGISTRY_UNAUTHORIZED' })
      for (const secret of ['hunter22', Buffer.from('user:hunter22hunter22').toString('base64')]) {
        expect(JSON.stringify(failure) + String(failure) + log.join()).not.toContain(secret)
      }
    },
  )

  it('renews a token that was revoked or has run out, once', async () => {
    const server = await use.server({ auth: 'bearer', isPublic: true })
    seedRegistry(server, 'team/app', sampleImage(), '1')
    const repository = use.client().repository(at(server.host))
    await repository.resolve('1')
    server.revokeTokens()
    await repository.resolve('1')
    expect(server.requests.filter((r) => r.server === 'token')).toHaveLength(2)
  })

  it('does not loop when every token is refused', async () => {
    const server = await use.server({ auth: 'bearer', isPublic: true })
    server.fail(
      /manifests/,
      {
        kind: 'status',
        status: 401,
        headers: { 'www-authenticate': `Bearer realm="http://${server.host}/v2/nowhere"` },
      },
      100,
    )
    server.fail(/nowhere/, { kind: 'status', status: 200, body: '{"token":"t"}' }, 100)
    await expect(use.client().repository(at(server.host)).resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_UNAUTHORIZED',
    })
    expect(server.count(/manifests/)).toBeLessThan(4)
  })

  it('forgets a challenge that led nowhere', async () => {
    const server = await use.server({ auth: 'bearer', isPublic: true })
    seedRegistry(server, 'team/app', sampleImage(), '1')
    const broken = { 'www-authenticate': 'Bearer realm="ftp://x/"' }
    server.fail(/manifests/, { kind: 'status', status: 401, headers: broken })
    const repository = use.client().repository(at(server.host))
    await expect(repository.resolve('1')).rejects.toMatchObject({ code: 'ERR_REGISTRY_CHALLENGE' })
    await repository.resolve('1')
  })

  it.each([
    ['another scheme', 'file:///etc/passwd'],
    ['no URL', 'token'],
    ['credentials inside', 'https://a:b@127.0.0.1/token'],
    ['a link-local address', 'http://169.254.169.254/latest'],
    ['a private address', 'https://10.0.0.1/token'],
    ['plain HTTP elsewhere', 'http://auth.example/token'],
  ])('refuses a token server with %s', async (_what, realm) => {
    const server = await use.server({ auth: 'bearer', realm })
    const client = use.client({ environment: loggedIn(server.host, password()) })
    await expect(client.repository(at(server.host)).resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_CHALLENGE',
    })
  })

  it.each([
    ['no JSON', '<html>'],
    ['no token', '{}'],
    ['a token with a line break', '{"token":"a\\nb"}'],
    ['far too much', `{"token":"${'x'.repeat(1_100_000)}"}`],
  ])('refuses a token answer with %s', async (_what, body) => {
    const server = await use.server({ auth: 'bearer', isPublic: true })
    server.fail(/token/, { kind: 'status', status: 200, body })
    await expect(use.client().repository(at(server.host)).resolve('1')).rejects.toMatchObject({
      code: 'ERR_REGISTRY_ANSWER',
    })
  })

  it('tries the token server again when it is busy', async () => {
    const server = await use.server({ auth: 'bearer', isPublic: true })
    seedRegistry(server, 'team/app', sampleImage(), '1')
    server.fail(/token/, { kind: 'status', status: 503 }, 2)
    await use.client().repository(at(server.host)).resolve('1')
  })
})
