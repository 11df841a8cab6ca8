// Build checks as a person meets them: after every build, failing it when asked to.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Workspace, workspace } from './support/slipway.ts'

let w: Workspace
beforeAll(() => {
  w = workspace()
})
afterAll(() => w[Symbol.dispose]())

const doubtful = 'FROM scratch AS App\nCOPY Dockerfile /\nCMD echo\n'
const said = `
WARNING: StageNameCasing: Stage name 'App' should be lowercase (line 1)
  1 | FROM scratch AS App
    |                 ^^^
  = help: write app

WARNING: JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 3)
  3 | CMD echo
    |     ^^^^
  = help: write it as CMD ["executable", "argument"]
`

describe('build checks', () => {
  it('are told once after every build, cached ones too, and not to those who want quiet', () => {
    const context = w.context('doubtful', { Dockerfile: doubtful })
    for (const mode of ['plain', 'plain', 'tty']) {
      const { stderr } = w.ok('build', '-t', 'doubtful', `--progress=${mode}`, context)
      expect(stderr.endsWith(said), stderr).toBe(true)
      expect(stderr.match(/WARNING/g)).toHaveLength(2)
    }
    expect(w.ok('build', '-q', context).stderr).toBe('')
  })

  it('are told after a build that failed', () => {
    const context = w.context('failing', { Dockerfile: 'FROM scratch AS App\nCOPY nothing /\n' })
    const { status, stderr } = w.slipway('build', '--progress=plain', context)
    expect(status).toBe(1)
    expect(stderr).toContain("WARNING: StageNameCasing: Stage name 'App' should be lowercase (line 1)\n")
  })

  const wrong = 'FROM scratch AS App\nFROM scratch a b\nCOPY --from=ap / /\nEXPOSE eighty\nUSER ${\n'

  it('are told with every mistake of a file that cannot be read, wrong names of stages among them', () => {
    const context = w.context('wrong', { Dockerfile: wrong })
    const { status, stderr } = w.slipway('build', '--progress=plain', context)
    expect(status).toBe(1)
    const headings = stderr.split('\n').filter((line) => /^(?:error\[|WARNING|ERROR)/.test(line))
    expect(headings).toEqual([
      "WARNING: StageNameCasing: Stage name 'App' should be lowercase (line 1)",
      'error[InvalidFrom]: FROM requires either one or three arguments',
      expect.stringMatching(/^error\[UnknownStage\]: there is no such stage above, and no such image: /),
      'error[InvalidPort]: invalid containerPort: eighty',
      'error[InvalidSubstitution]: failed to process "${": syntax error: missing \'}\'',
      'ERROR: failed to build: 4 errors in Dockerfile',
    ])
    expect(stderr).toContain('= help: did you mean the stage app?\n')
    const checked = w.slipway('build', '--check', context)
    expect(checked.status).toBe(1)
    expect(checked.stdout).toContain(
      'Check complete, 1 warning has been found!\n\nWARNING: StageNameCasing - ',
    )
    expect(checked.stderr.match(/^error\[.*?\]/gm)).toEqual([
      'error[InvalidFrom]',
      'error[InvalidPort]',
      'error[InvalidSubstitution]',
      'error[UnknownStage]',
    ])
  })

  it('are data beside the mistakes for programs, too', () => {
    const context = w.context('wrong-data', { Dockerfile: wrong })
    const checked = w.slipway('build', '--call=check,format=json', context)
    const json = JSON.parse(checked.stdout)
    expect(json.warnings.map((warning: { ruleName: string }) => warning.ruleName)).toEqual([
      'StageNameCasing',
    ])
    expect(json.errors.map((error: { code: string }) => error.code)).toEqual([
      'InvalidFrom',
      'InvalidPort',
      'InvalidSubstitution',
      'UnknownStage',
    ])
    const events = w.slipway('build', '--progress=rawjson', context).stderr.split('\n')
    const told = events.find((line) => line.includes('"type":"diagnostics"')) ?? '{}'
    expect(JSON.parse(told).diagnostics).toMatchObject([
      { code: 'StageNameCasing', severity: 'warning' },
      { code: 'InvalidFrom', severity: 'error' },
      { code: 'UnknownStage', severity: 'error' },
      { code: 'InvalidPort', severity: 'error' },
      { code: 'InvalidSubstitution', severity: 'error' },
    ])
  })

  it('are data for programs', () => {
    const context = w.context('data', { Dockerfile: doubtful })
    const events = w.ok('build', '--progress=rawjson', context).stderr.trimEnd().split('\n')
    const told = events.map((line) => JSON.parse(line)).filter(({ type }) => type === 'diagnostics')
    expect(told).toHaveLength(1)
    expect(told[0].diagnostics).toMatchObject([
      { code: 'StageNameCasing', severity: 'warning', place: { start: { line: 1, column: 17 } } },
      { code: 'JSONArgsRecommended', severity: 'warning', place: { start: { line: 3, column: 5 } } },
    ])
  })

  it('fail the build with error=true before anything is built or written', () => {
    const context = w.context('strict', { Dockerfile: `# check=error=true\n${doubtful}` })
    const archive = join(w.directory, 'strict.tar')
    const { status, stderr } = w.slipway(
      'build',
      '--progress=plain',
      '-o',
      `type=oci,dest=${archive}`,
      context,
    )
    expect(status).toBe(1)
    expect(stderr).toContain('lint violation found for rules: JSONArgsRecommended, StageNameCasing\n')
    expect(stderr).not.toContain('COPY Dockerfile /\n#')
    expect(existsSync(archive)).toBe(false)
  })

  it('obey BUILDKIT_DOCKERFILE_CHECK instead of the directive', () => {
    const context = w.context('argued', { Dockerfile: `# check=error=true\n${doubtful}` })
    const only = (options: string) =>
      w.slipway('build', '--progress=plain', '--build-arg', `BUILDKIT_DOCKERFILE_CHECK=${options}`, context)
    const all = only('skip=all')
    expect(all.status).toBe(0)
    expect(all.stderr).not.toContain('WARNING')
    const one = only('skip=StageNameCasing')
    expect(one.status).toBe(0)
    expect(one.stderr.match(/WARNING: \w+/g)).toEqual(['WARNING: JSONArgsRecommended'])
    const strict = only('skip=StageNameCasing;error=true')
    expect(strict.status).toBe(1)
    expect(strict.stderr).toContain('lint violation found for rules: JSONArgsRecommended\n')
    const wrong = only('skip')
    expect(wrong.status).toBe(1)
    expect(wrong.stderr).toContain('failed to parse BUILDKIT_DOCKERFILE_CHECK: invalid check option "skip"')
  })
})
