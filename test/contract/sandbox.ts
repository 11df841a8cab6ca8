// What every Sandbox promises, as tests against the real kernel; the tests are in the files of the folder sandbox/.
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { SlipwayError } from '../../src/core/error.ts'
import type { Sandbox } from '../../src/sandbox/types.ts'
import { containersMissing, type Layers, makeLayers } from '../sandbox/busybox-root.ts'
import { describeMounts } from './sandbox/mounts.ts'
import { describeProcess } from './sandbox/process.ts'
import { describeRights } from './sandbox/rights.ts'
import { describeRoot } from './sandbox/root.ts'
import { runIn, type SandboxLack, type SandboxUnderTest } from './sandbox/run-in.ts'
import { describeUser } from './sandbox/user.ts'

export interface SandboxCase {
  readonly sandbox: () => Sandbox
  /** What it needs and is not here; the suite's name then says so. */
  readonly missing?: string | undefined
  readonly lacks?: readonly SandboxLack[]
}

/** Registers the suite for one implementation. */
export function describeSandbox(name: string, { sandbox, missing, lacks = [] }: SandboxCase): void {
  const reason = missing ?? containersMissing()
  const title = reason === undefined ? name : `${name} (${reason})`
  describe.skipIf(reason !== undefined)(title, () => {
    let layers: Layers
    let box: Sandbox
    beforeAll(() => {
      layers = makeLayers()
      box = sandbox()
    })
    afterAll(() => layers.remove())
    const run: SandboxUnderTest['run'] = (changes) => runIn(layers, box, changes)
    const under: SandboxUnderTest = {
      get layers() {
        return layers
      },
      get box() {
        return box
      },
      lacks,
      run,
      script: (text, changes = {}) => run({ script: text, ...changes }),
      async failure(changes) {
        const thrown: unknown = await run(changes).then(
          () => undefined,
          (error: unknown) => error,
        )
        expect(thrown).toBeInstanceOf(SlipwayError)
        return thrown as SlipwayError
      },
    }
    for (const part of [describeProcess, describeUser, describeRights, describeRoot, describeMounts])
      part(under)
  })
}
