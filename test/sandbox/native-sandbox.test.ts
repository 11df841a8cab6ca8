import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import { openSpareHelpers } from '../../src/sandbox/spare-helper.ts'
import { openNative } from '../../src/sys/native.ts'
import { describeSandbox } from '../contract/sandbox.ts'

const repository = new URL('../..', import.meta.url).pathname

// The same suite with the helper built by `make sanitize`: a memory error or undefined behaviour ends it.
for (const [name, built] of [
  ['native sandbox', 'dist'],
  ['native sandbox, address and undefined-behaviour sanitizers', 'dist/sanitize'],
] as const) {
  const helper = join(repository, built, 'slipway-helper')
  const missing = existsSync(helper) ? undefined : `needs ${built}/slipway-helper`
  // The addon has no sanitized form: node itself would have to be built with them.
  const native = { ...openNative(join(repository, 'dist')), helper }
  // As builds run their steps: the helper of each was started while the one before ran.
  const spares = openSpareHelpers(native)
  afterAll(() => spares[Symbol.asyncDispose]())
  describeSandbox(name, { sandbox: () => nativeSandbox({ native, spares }), missing })
}
