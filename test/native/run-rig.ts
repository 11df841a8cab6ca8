// Tests of `slipway-helper run` with a root file system of layers; all of them need root.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import { prepareRoot } from '../../src/sandbox/prepare-root.ts'
import { encodeRunRequest } from '../../src/sandbox/run-request.ts'
import { stepFilter } from '../../src/sandbox/seccomp/step-filter.ts'
import type { ProcessSpec, Sandbox } from '../../src/sandbox/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { containersMissing, type Layers, makeLayers } from '../sandbox/busybox-root.ts'
import { dist } from '../sys/native.ts'

export const helper = join(dist, 'slipway-helper')
const lacking = existsSync(helper) ? containersMissing() : 'needs dist/slipway-helper'

/** Made before the first test. */
export interface RunRig {
  readonly layers: Layers
  readonly box: Sandbox
}

/** Registers tests that run the helper, which are skipped where that cannot be; the suite's name then says why. */
export function describeHelper(name: string, body: () => void): void {
  const needs = lacking === undefined ? '' : ` (${lacking})`
  describe.skipIf(lacking !== undefined)(`${name}${needs}`, body)
}

/** Registers tests of what steps are run by the helper. */
export function describeRun(body: (rig: RunRig) => void): void {
  describeHelper('slipway-helper run', () => {
    let layers: Layers
    let box: Sandbox
    beforeAll(() => {
      layers = makeLayers()
      box = nativeSandbox({ native: openNative(dist) })
    })
    afterAll(() => layers.remove())
    body({
      get layers() {
        return layers
      },
      get box() {
        return box
      },
    })
  })
}

/** What the helper is told on its third descriptor. */
export function requestFor(spec: ProcessSpec, stdio: 'pipe' | 'inherit' = 'pipe'): Buffer {
  const native = openNative(dist)
  const prepared = prepareRoot(spec, native)
  return encodeRunRequest(spec, { stdio, filter: stepFilter, namespace: native.userNamespace(), prepared })
}
