// The README's first command line: an image built and started with no base image, registry or daemon.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { repository, workspace } from './support/slipway.ts'

it('builds the demo image and runs it', () => {
  using ws = workspace()
  const demo = join(repository, 'fixtures/hello')
  execFileSync('make', ['-s', '-C', demo])
  const built = ws.ok('build', '--progress=plain', '-t', 'hello', demo)
  expect(built.stderr).toContain('rendered /site/greeting.txt')
  const ran = ws.ok('run', '--rm', 'hello')
  expect(ran.stdout).toMatch(
    /^Hello from a container built by slipway\nuid 1000, gid 1000, directory \/site, host name .+\n$/,
  )
  const again = ws.ok('build', '--progress=plain', '-t', 'hello', demo)
  expect(again.stderr).not.toContain('rendered')
  expect(again.stderr.match(/CACHED/g)?.length).toBeGreaterThanOrEqual(4)
  expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
})
