// A context for driver tests that keeps what was emitted.
import type { Context } from '../../../src/core/context.ts'
import type { BuildEvent } from '../../../src/core/event.ts'

export interface TestContext extends Context {
  readonly events: BuildEvent[]
  abort(): void
}

export function testContext(): TestContext {
  const controller = new AbortController()
  const events: BuildEvent[] = []
  return {
    signal: controller.signal,
    emit: (event) => void events.push(event),
    now: () => '2026-01-02T03:04:05.123456789Z',
    debug: () => undefined,
    events,
    abort: () => controller.abort(),
  }
}
