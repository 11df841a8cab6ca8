// A client for tests: fast retries, short timeouts, an environment that holds nothing of the user's.
import { afterEach } from 'vitest'
import type { Context } from '../../src/core/context.ts'
import type { BuildEvent } from '../../src/core/event.ts'
import { openRegistry } from '../../src/registry/registry.ts'
import type { Registry, RegistryOptions } from '../../src/registry/types.ts'
import { startRegistry, type TestRegistry, type TestRegistryOptions } from '../support/registry.ts'

/** Disposes everything opened through it after each test. */
export function useRegistries() {
  const open: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close()
  })
  return {
    async server(options: TestRegistryOptions = {}): Promise<TestRegistry> {
      const server = await startRegistry(options)
      open.push(async () => server[Symbol.asyncDispose]())
      return server
    },
    client(options: Partial<RegistryOptions> = {}): Registry {
      const client = openRegistry({
        environment: {},
        retry: { tries: 4, baseMs: 4 },
        timeouts: { connectMs: 2000, headersMs: 300, idleMs: 300 },
        ...options,
      })
      open.push(() => client.close())
      return client
    },
  }
}

/** docker's config for one registry, as an environment. */
export function loggedIn(host: string, entry: Record<string, string>): Readonly<Record<string, string>> {
  return { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: entry } }) }
}

export function password(username = 'user', secret = 'secret'): Record<string, string> {
  return { auth: Buffer.from(`${username}:${secret}`).toString('base64') }
}

export function testContext(
  signal: AbortSignal = new AbortController().signal,
): Context & { readonly events: BuildEvent[] } {
  const events: BuildEvent[] = []
  return {
    signal,
    events,
    emit: (event) => events.push(event),
    now: () => '2026-01-01T00:00:00Z',
    debug: () => undefined,
  }
}
