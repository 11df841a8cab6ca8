// Where redirects of the web may lead, without a network.
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { askUrl } from '../../src/fetch/http-ask.ts'
import type { Exchange } from '../../src/registry/exchange.ts'

/** Redirects once from `url` to `location`; the answer is the hosts that were asked. */
async function follow(url: string, location: string): Promise<readonly string[]> {
  const asked: string[] = []
  const exchange: Pick<Exchange, 'send'> = {
    async send({ url: at }) {
      asked.push(at.hostname)
      const isFirst = asked.length === 1
      return {
        status: isFirst ? 302 : 200,
        header: (name: string) => (name === 'location' && isFirst ? location : undefined),
        headerValues: () => [],
        body: Readable.from([]),
        discard: async () => undefined,
      }
    },
  }
  const signal = new AbortController().signal
  const secret = async (): Promise<undefined> => undefined
  await askUrl({ act: 'fetch', url, headers: {}, signal }, { exchange: exchange as Exchange, secret })
  return asked
}

describe('a redirect', () => {
  it.each([
    'http://127.0.0.1/x',
    'http://127.1/x',
    'http://0x7f000001/x',
    'http://0/x',
    'http://localhost:8080/x',
    'http://LOCALHOST/x',
    'http://a.localhost/x',
    'http://[::1]/x',
    'http://[::]/x',
    'http://[::ffff:127.0.0.1]/x',
    'http://[fe80::1]/x',
    'http://169.254.169.254/latest/meta-data/',
  ])('from elsewhere does not lead to %s', async (location) => {
    await expect(follow('http://example.com/a', location)).rejects.toMatchObject({
      code: 'ERR_HTTP_REDIRECT',
      message: expect.stringContaining('which another machine has no business with'),
    })
  })

  it.each([
    ['http://example.com/a', 'https://other.example/b'],
    ['http://example.com/a', 'http://10.0.0.1/b'],
    ['http://127.0.0.1/a', 'http://localhost:8080/b'],
    ['https://example.com/a', '/b'],
  ])('leads from %s to %s', async (url, location) => {
    expect(await follow(url, location)).toHaveLength(2)
  })

  it.each([
    ['https://example.com/a', 'http://example.com/b', 'which is not encrypted'],
    ['http://example.com/a', 'file:///etc/passwd', 'which is no web address'],
    ['http://example.com/a', 'gopher://x', 'which is no web address'],
  ])('leads not from %s to %s', async (url, location, why) => {
    await expect(follow(url, location)).rejects.toMatchObject({ message: expect.stringContaining(why) })
  })
})
