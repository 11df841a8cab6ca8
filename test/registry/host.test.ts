import { describe, expect, it } from 'vitest'
import { hostOf, isLoopback, isPrivateLiteral } from '../../src/registry/host.ts'

describe('hosts', () => {
  it('knows where Docker Hub answers', () => {
    expect(hostOf('docker.io')).toBe('registry-1.docker.io')
    expect(hostOf('ghcr.io')).toBe('ghcr.io')
    expect(hostOf('127.0.0.1:5000')).toBe('127.0.0.1:5000')
  })

  it.each(['localhost', 'localhost:5000', '127.0.0.1', '127.9.9.9:1', '::1', '[::1]', '[::1]:5000'])(
    'counts %s as this machine',
    (host) => expect(isLoopback(host)).toBe(true),
  )

  it.each(['127.0.0.1.nip.io', 'localhost.evil.org', '128.0.0.1', 'registry', '10.0.0.1', '[::2]:5000'])(
    'does not count %s as this machine',
    (host) => expect(isLoopback(host)).toBe(false),
  )

  it.each([
    '10.1.2.3',
    '192.168.1.1:80',
    '172.16.0.1',
    '169.254.169.254',
    '[fd00::1]',
    '[fe80::1]',
    '0.0.0.0',
    '[::]',
    '127.0.0.1',
    '[::ffff:10.0.0.1]',
  ])('sees that %s is inside a private network', (host) =>
    expect(isPrivateLiteral(new URL(`http://${host}`).hostname)).toBe(true),
  )

  it.each(['auth.docker.io', '8.8.8.8', '172.32.0.1', '[2001:db8::1]'])('lets %s be public', (host) =>
    expect(isPrivateLiteral(host)).toBe(false),
  )
})
