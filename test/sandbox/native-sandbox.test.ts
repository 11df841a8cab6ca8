import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import { openNative } from '../../src/sys/native.ts'
import { describeSandbox } from '../contract/sandbox.ts'

const repository = new URL('../..', import.meta.url).pathname

// The same suite with the helper built by `make sanitize`: a memory error or undefined behaviour ends it.
for (const [name, built] of [
  ['native sandbox', 'dist'],
  ['native sandbox, address and undefined-behaviour sanitizers', 'dist/sanitize'],
] as const) {
  const directory = join(repository, built)
  const missing = existsSync(join(directory, 'slipway-helper')) ? undefined : `needs ${built}/slipway-helper`
  describeSandbox(name, { sandbox: () => nativeSandbox({ native: openNative(directory) }), missing })
}
