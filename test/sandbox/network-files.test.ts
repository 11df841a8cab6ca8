import { describe, expect, test } from 'vitest'
import { hostsText, networkFiles, resolvConf } from '../../src/sandbox/network-files.ts'
import type { ProcessSpec } from '../../src/sandbox/types.ts'

describe('resolvConf', () => {
  const drop = { keepLoopback: false }
  test('keeps servers, the last search list, options and unknown lines', () => {
    const text =
      '# c\nnameserver 10.0.0.1\nsearch a b\ndomain last.example\noptions ndots:2\nnameserver fe80::1%eth0\noptions rotate\n; c\nsortlist 1.2.3.4\n'
    expect(resolvConf(text, drop)).toBe(
      'nameserver 10.0.0.1\nnameserver fe80::1%eth0\nsearch last.example\noptions ndots:2 rotate\nsortlist 1.2.3.4\n',
    )
  })
  test('drops loopback servers, they answer on the host only', () => {
    expect(resolvConf('nameserver 127.0.0.53\nnameserver 9.9.9.9\nnameserver ::1\n', drop)).toBe(
      'nameserver 9.9.9.9\n',
    )
  })
  test('uses public servers when none is left', () => {
    const fallback =
      'nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n'
    expect(resolvConf('nameserver 127.0.0.1\n', drop)).toBe(fallback)
    expect(resolvConf('', drop)).toBe(fallback)
    expect(resolvConf('nameserver nonsense\n', { keepLoopback: true })).toBe(fallback)
  })
  test('uses the servers of the network when none is left and it has some', () => {
    const options = { keepLoopback: false, fallback: ['10.0.2.3'] }
    expect(resolvConf('nameserver 127.0.0.1\nsearch a\n', options)).toBe('nameserver 10.0.2.3\nsearch a\n')
    expect(resolvConf('nameserver 9.9.9.9\n', options)).toBe('nameserver 9.9.9.9\n')
  })
  test('keeps loopback servers on the host network', () => {
    expect(resolvConf('nameserver 127.0.0.53\n', { keepLoopback: true })).toBe('nameserver 127.0.0.53\n')
  })
})

test('hostsText names the container and the extra hosts', () => {
  expect(hostsText('box', [{ name: 'db', ip: '10.0.0.2' }])).toBe(
    '127.0.0.1\tlocalhost box\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.2\tdb\n',
  )
})

test('a network of its own knows no address of the machine', async () => {
  const spec: ProcessSpec = {
    root: { lower: [], upper: '/u', work: '/w' },
    args: ['a'],
    env: [],
    cwd: '/',
    user: '',
    hostname: 'h',
    network: 'default',
    security: 'sandbox',
    mounts: [],
    hosts: [{ name: 'db', ip: 'host-gateway' }],
  }
  expect(networkFiles(spec)).toHaveLength(2)
  const networkNamespace = { path: '/proc/self/ns/net' }
  expect(() => networkFiles({ ...spec, networkNamespace })).toThrow(/^add host db: .* no way to this machine/)
  expect(networkFiles({ ...spec, networkNamespace, network: 'host' })).toHaveLength(2)
})
