// Starting: the bundle is frozen with its grammars built, and what it was frozen with says nothing about the machine.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { repository } from './support/slipway.ts'

const dist = join(repository, 'dist')

it('was frozen into a start-up snapshot by the build', () => {
  // Without the stamp the launcher takes the plain bundle, which works and is twice as slow.
  expect(existsSync(join(dist, 'slipway.stamp'))).toBe(true)
  expect(existsSync(join(dist, 'slipway.rehearsed'))).toBe(true)
})

it('prints its version with and without the snapshot', () => {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    version: string
  }
  const frozen = execFileSync(join(dist, 'slipway'), ['--version'], { encoding: 'utf8' })
  const plain = execFileSync(process.execPath, [join(dist, 'slipway.cjs'), '--version'], { encoding: 'utf8' })
  expect([frozen, plain]).toEqual([`${version}\n`, `${version}\n`])
})

it('takes the environment of each start, not that of the build', () => {
  const args = ['build', '--help']
  const help = (BUILDKIT_PROGRESS: string) =>
    execFileSync(join(dist, 'slipway'), args, {
      encoding: 'utf8',
      env: { ...process.env, BUILDKIT_PROGRESS },
    })
  expect(help('rawjson')).not.toBe(help('plain'))
})
