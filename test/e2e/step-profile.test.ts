// What a RUN may do beside what docker's default container may: two programs run in both, one that asks about every
// system call and one that tries what is forbidden. Nothing may be allowed here that docker denies, but what is named
// below; and the table of what a step is denied is kept, so that any change of it is seen.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import numbers from '../../src/sandbox/seccomp/numbers.json' with { type: 'json' }
import { containersMissing } from '../sandbox/busybox-root.ts'
import {
  askArguments,
  compileDecisions,
  compileProbe,
  type Decided,
  readDecisions,
} from '../sandbox/decisions.ts'
import { type Docker, dockerdMissing, startDocker } from './support/docker.ts'
import { repository, type Workspace, workspace } from './support/slipway.ts'

const lacking = containersMissing() ?? dockerdMissing()
const table = join(repository, `fixtures/sandbox/forbidden-${process.arch}.txt`)

describe.skipIf(lacking !== undefined)(
  `a step's profile beside docker's${lacking ? ` (needs ${lacking})` : ''}`,
  () => {
    let ws: Workspace
    let docker: Docker
    let directory: string
    beforeAll(async () => {
      ws = workspace()
      directory = mkdtempSync(join(tmpdir(), 'slipway-profile-'))
      const bin = join(directory, 'bin')
      mkdirSync(bin)
      mkdirSync(join(directory, 'tmp'))
      copyFileSync('/bin/busybox', join(bin, 'sh'))
      compileDecisions(join(bin, 'decisions'))
      compileProbe('forbidden.c', join(bin, 'forbidden'))
      writeFileSync(join(directory, 'Dockerfile'), dockerfile)
      docker = await startDocker()
      const archive = `${directory}.tar`
      execFileSync('tar', ['-C', directory, '-cf', archive, 'bin', 'tmp'])
      docker.run('import', archive, 'profile:1')
      rmSync(archive)
      ws.ok('build', '-o', `type=local,dest=${directory}/out`, directory)
    })
    afterAll(async () => {
      await docker?.stop()
      ws?.[Symbol.dispose]()
      rmSync(directory, { recursive: true, force: true })
    })
    const inStep = (name: string): string => readFileSync(join(directory, 'out', name), 'utf8')
    const inDocker = (...command: readonly string[]): string =>
      docker.run('run', '--rm', '--network=host', 'profile:1', ...command)

    it('decides every system call as docker does, but for what is named here', () => {
      const step = verdicts(readDecisions(inStep('decisions')))
      const container = verdicts(readDecisions(inDocker('/bin/decisions', ...askArguments())))
      expect([...step.keys()]).toEqual([...container.keys()])
      const loosened = new Set<string>()
      const tightened = new Set<string>()
      for (const [question, verdict] of step) {
        const other = container.get(question) ?? ''
        if (verdict === other) continue
        const name = nameOf(question)
        if (verdict === 'allow') loosened.add(name)
        else if (other === 'allow') tightened.add(name)
        // Refusals may have another errno: docker's numbers end earlier, what is behind them it calls unknown.
      }
      // Newer versions of docker's profile allow these, too.
      expect([...loosened].filter((name) => !allowedByNewerDocker.has(name))).toEqual([])
      expect([...tightened].filter((name) => !deniedOnlyHere.test(name))).toEqual([])
      expect(tightened.size).toBeGreaterThan(0)
    })

    it('denies what docker denies, and what it always denied', () => {
      const step = inStep('forbidden')
      const allowed = (text: string): string[] =>
        text.split('\n').flatMap((line) => (line.endsWith(' ALLOWED') ? [line.split(' ')[0] ?? ''] : []))
      const container = inDocker('/bin/forbidden')
      expect(step.split('\n').length).toBeGreaterThan(200)
      expect(step.split('\n').map(firstWord)).toEqual(container.split('\n').map(firstWord))
      const byDocker = allowed(container)
      expect(allowed(step).filter((name) => !byDocker.includes(name))).toEqual([])
      if (process.env.UPDATE_GOLDEN === '1' && !process.env.CI) writeFileSync(table, step)
      expect(step).toBe(readFileSync(table, 'utf8'))
    })
  },
)

const dockerfile = `FROM scratch
COPY bin /bin
COPY tmp /tmp
RUN /bin/decisions ${askArguments().join(' ')} > /decisions
RUN ["/bin/forbidden", "/forbidden"]
`

const allowedByNewerDocker = new Set([
  ...[
    'name_to_handle_at',
    'process_vm_readv',
    'process_vm_writev',
    'pkey_alloc',
    'pkey_free',
    'pkey_mprotect',
  ],
  // Unknown to its libseccomp.
  ...[
    'cachestat',
    'fchmodat2',
    'map_shadow_stack',
    'futex_wake',
    'futex_wait',
    'futex_requeue',
    'statmount',
    'listmount',
  ],
  ...[
    'mseal',
    'setxattrat',
    'getxattrat',
    'listxattrat',
    'removexattrat',
    'memfd_secret',
    'process_mrelease',
  ],
  ...['futex_waitv', 'landlock_create_ruleset', 'landlock_add_rule', 'landlock_restrict_self'],
])

/** io_uring and sockets of AF_ALG and AF_VSOCK as newer versions of docker's profile; the rest is slipway's own. */
const deniedOnlyHere = /^(io_uring_\w+|socket|ioctl|x32 \d+)$/

function verdicts(decisions: readonly Decided[]): Map<string, string> {
  return new Map(
    decisions.map(({ architecture, call, verdict }) => [
      `${architecture} ${call.number} ${(call.args ?? []).join(',')}`,
      verdict,
    ]),
  )
}

function nameOf(question: string): string {
  const [architecture = '', text] = question.split(' ')
  const number = Number(text)
  if (number >= 0x40000000) return `x32 ${number - 0x40000000}`
  const column = numbers.architectures.indexOf(architecture)
  const found = Object.entries(numbers.calls).find(([, row]) => row[column] === number)
  return found?.[0] ?? question
}

function firstWord(line: string): string {
  return line.split(' ')[0] ?? ''
}
