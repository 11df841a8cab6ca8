import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SlipwayError } from '../../src/core/error.ts'
import { findRuntime } from '../../src/sandbox/find-runtime.ts'
import { type OciSandboxOptions, ociSandbox } from '../../src/sandbox/oci-runtime.ts'
import type { Sandbox } from '../../src/sandbox/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { type Changes, runIn } from '../contract/sandbox/run-in.ts'
import { describeSandbox } from '../contract/sandbox.ts'
import { cgroupHierarchies, cgroupsMissing } from '../support/cgroups.ts'
import { containersMissing, type Layers, makeLayers } from './busybox-root.ts'

const native = openNative(join(import.meta.dirname, '../../dist'))
const path = process.env.PATH ?? ''
let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-oci-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

function open(runtime: string, more: Partial<OciSandboxOptions> = {}): Sandbox {
  return ociSandbox({ native, runtime, path, directory: join(directory, 'notes'), ...more })
}

for (const runtime of ['runc', 'crun']) {
  describeSandbox(`OCI runtime ${runtime}`, {
    sandbox: () => open(runtime),
    missing: isInstalled(runtime) ? undefined : `needs ${runtime}`,
    lacks: ['a passwd that is no file', ...(runtime === 'runc' ? (['ids above 2^31-1'] as const) : [])],
  })
}

function isInstalled(runtime: string): boolean {
  try {
    findRuntime(runtime, path)
    return true
  } catch {
    return false
  }
}

async function failureOf(action: () => unknown): Promise<SlipwayError> {
  const thrown: unknown = await Promise.resolve()
    .then(action)
    .then(
      () => undefined,
      (error: unknown) => error,
    )
  expect(thrown).toBeInstanceOf(SlipwayError)
  return thrown as SlipwayError
}

describe('finding a runtime', () => {
  test('one that is missing is named with what to install', async () => {
    const error = await failureOf(() => open('crun', { path: directory }))
    expect([error.code, error.message]).toEqual([
      'ERR_RUNTIME_MISSING',
      'find OCI runtime crun: it is not in $PATH',
    ])
    expect(error.hint).toMatch(/apt-get install crun/)
    expect((await failureOf(() => open(`${directory}/none`))).message).toMatch(/it is not a program/)
    expect((await failureOf(() => open(directory))).message).toMatch(/it is not a program/)
  })
  test('only absolute directories of $PATH count', () => {
    expect(() => findRuntime('sh', '.:bin:')).toThrow(/not in \$PATH/)
    expect(findRuntime('sh', 'bin::/bin')).toBe('/bin/sh')
  })
})

const lacking = containersMissing()
describe.skipIf(lacking !== undefined)(
  `a runtime that fails${lacking === undefined ? '' : ` (${lacking})`}`,
  () => {
    let layers: Layers
    beforeAll(() => {
      layers = makeLayers()
    })
    afterAll(() => layers.remove())
    const runtime = (name: string, script: string): string => {
      const program = join(directory, name)
      writeFileSync(program, `#!/bin/sh\n${script}\n`)
      chmodSync(program, 0o755)
      return program
    }
    const failure = (program: string, changes: Changes = {}): Promise<SlipwayError> =>
      failureOf(() => runIn(layers, open(program), changes))

    test('to say its version is not used', async () => {
      const program = runtime('mute', 'echo "cannot load libfoo" >&2; exit 127')
      const error = await failure(program)
      expect([error.code, error.message]).toEqual([
        'ERR_RUNTIME_FAILED',
        `ask for its version with OCI runtime ${program}: 127: cannot load libfoo`,
      ])
    })
    test('to say its version once is asked again by the next step', async () => {
      const program = runtime(
        'late',
        `test -e ${directory}/asked && exit 5; touch ${directory}/asked; exit 9`,
      )
      const sandbox = open(program)
      const reason = async (): Promise<string> => (await failureOf(() => runIn(layers, sandbox, {}))).message
      expect(await reason()).toMatch(/: 9$/)
      expect(await reason()).toMatch(/: 5$/)
    })
    test('and says a lot takes little memory, and ends', async () => {
      const program = runtime(
        'loud',
        'test "$1" = --version && exit 0; head -c 20000000 /dev/zero | tr "\\0" x >&2; exit 3',
      )
      expect((await failure(program)).message).toMatch(/: exit code 3: x{600}…$/)
    })
    test('to create is quoted in one line, and its words are no output of the step', async () => {
      const program = runtime(
        'broken',
        `test "$1" = --version && exit 0
echo 'time="2024-01-01T00:00:00Z" level=error msg="no \\"room\\""' >&2; printf 'second\\033[2J\\n' >&2; exit 3`,
      )
      const error = await failure(program)
      expect([error.code, error.message]).toEqual([
        'ERR_RUNTIME_FAILED',
        `create container with OCI runtime ${program}: exit code 3: no "room"; second [2J`,
      ])
      expect(error.hint).toMatch(/leave --runtime out/)
    })
    test('to start is told apart', async () => {
      const program = runtime(
        'half',
        'test "$1" = --version && exit 0; for a; do case $a in */pid) sleep 1000 & echo $! > "$a"; exit 0;; esac; done; echo later >&2; exit 4',
      )
      expect((await failure(program)).message).toBe(
        `start container with OCI runtime ${program}: exit code 4: later`,
      )
    })
    test('to name a process is told', async () => {
      const program = runtime('silent', 'exit 0')
      expect((await failure(program)).message).toBe(
        `create container with OCI runtime ${program}: it left no pid file that names a process`,
      )
    })
    test('gets the bundle that the golden files show, and no environment of ours', async () => {
      const program = runtime(
        'curious',
        `test "$1" = --version && exit 0; env > ${directory}/env; cp "$(dirname "$2")/config.json" ${directory}/seen; echo "$@" > ${directory}/args; exit 1`,
      )
      process.env.SLIPWAY_TEST_SECRET = 'x'
      await failure(program, { env: ['A=1'], user: '7:8' })
      delete process.env.SLIPWAY_TEST_SECRET
      const config = JSON.parse(readFileSync(join(directory, 'seen'), 'utf8'))
      expect(config.process).toMatchObject({ user: { uid: 7, gid: 8 }, env: ['A=1', 'HOME=/'] })
      expect(readFileSync(join(directory, 'env'), 'utf8')).not.toMatch(/SLIPWAY|NODE/)
      expect(readFileSync(join(directory, 'args'), 'utf8')).toMatch(
        /^--root \S+\/store\/state create --bundle \S+\/store --pid-file \S+\/store\/pid slipway-[0-9a-f]{16}\n$/,
      )
    })
    test('leaves no note', () => {
      expect(readdirSync(join(directory, 'notes'))).toEqual([])
    })
  },
)

const noCgroups = cgroupsMissing()
const noRunc =
  lacking ??
  (isInstalled('runc') ? undefined : 'needs runc') ??
  (noCgroups === undefined ? undefined : `needs ${noCgroups}`)
describe.skipIf(noRunc !== undefined)(`cgroups of runc${noRunc === undefined ? '' : ` (${noRunc})`}`, () => {
  test('those of a killed slipway go with the next step', async () => {
    const layers = makeLayers()
    const notes = join(directory, 'notes')
    const id = 'slipway-00000000deadbeef'
    const group = join(cgroupHierarchies()[0] ?? '', id)
    try {
      execFileSync('mkdir', ['-p', notes, group])
      writeFileSync(join(notes, id), '')
      expect((await runIn(layers, open('runc'), { script: 'echo ran' })).out).toBe('ran\n')
      expect(readdirSync(notes)).toEqual([])
      expect(() => readdirSync(group)).toThrow(/ENOENT/)
    } finally {
      layers.remove()
      if (existsSync(group)) rmdirSync(group)
    }
  })
})
