// The kernel answers a step's system calls as the interpreter of the other tests does, call by call.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nativeSandbox } from '../../src/sandbox/native-sandbox.ts'
import { stepFilter } from '../../src/sandbox/seccomp/step-filter.ts'
import { openNative } from '../../src/sys/native.ts'
import { runIn } from '../contract/sandbox/run-in.ts'
import { dist } from '../sys/native.ts'
import { readProgram } from './bpf.ts'
import { containersMissing, type Layers, makeLayers } from './busybox-root.ts'
import { askArguments, compileDecisions, readDecisions } from './decisions.ts'

const lacking = existsSync(join(dist, 'slipway-helper')) ? containersMissing() : 'needs dist/slipway-helper'

describe.skipIf(lacking !== undefined)(`the filter of a step${lacking ? ` (${lacking})` : ''}`, () => {
  let layers: Layers
  beforeAll(() => {
    layers = makeLayers()
    compileDecisions(join(layers.base, 'bin/decisions'))
  })
  afterAll(() => layers.remove())

  test('answers every call as the interpreter says', async () => {
    const box = nativeSandbox({ native: openNative(dist) })
    const { out, err } = await runIn(layers, box, { args: ['/bin/decisions', ...askArguments()] })
    expect(err).toBe('')
    const program = readProgram(stepFilter)
    const decisions = readDecisions(out)
    expect(decisions.length).toBeGreaterThan(600)
    const wrong = decisions.filter(({ call, verdict }) => program.answer(call).verdict !== verdict)
    expect(wrong).toEqual([])
  })

  test('is the only thing between the asking program and the answers', () => {
    const program = join(layers.base, 'bin/decisions')
    const decisions = readDecisions(execFileSync(program, askArguments(), { encoding: 'utf8' }))
    expect(decisions.filter(({ verdict }) => verdict !== 'allow')).toEqual([])
  })
})
