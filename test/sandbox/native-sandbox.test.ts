import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import { openNative } from '../../src/sys/native.ts'
import { describeSandbox } from '../contract/sandbox.ts'

const dist = new URL('../../dist', import.meta.url).pathname

// The same suite with the helper built by `make sanitize`: a memory error or undefined behaviour ends it.
for (const [name, directory] of [
  ['native sandbox', dist],
  ['native sandbox, address and undefined-behaviour sanitizers', join(dist, 'sanitize')],
] as const) {
  const missing = existsSync(join(directory, 'slipway-helper')) ? undefined : 'the helper is not built'
  describeSandbox(name, { sandbox: () => nativeSandbox({ native: openNative(directory) }), missing })
}
