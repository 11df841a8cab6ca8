// Builds to `out.tar` in a workspace; not blocking, because the servers they ask live in this process.
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Finished, tool, type Workspace } from './slipway.ts'

export interface TarBuilds {
  build(...args: readonly string[]): Promise<Finished>
  /** Builds and expects that it works. */
  ok(...args: readonly string[]): Promise<Finished>
  /** The content of a file of the image that was built last. */
  read(path: string): string
}

/** `ws` gives the workspace of the test that runs. */
export function tarBuilds(ws: () => Workspace): TarBuilds {
  const build = (...args: readonly string[]): Promise<Finished> =>
    ws().start('build', '--progress=plain', '-o', 'type=tar,dest=out.tar', ...args).ended
  return {
    build,
    async ok(...args) {
      const result = await build(...args)
      expect(result.stderr).not.toContain('ERROR')
      expect(result.status).toBe(0)
      return result
    },
    read: (path) => tool('tar', ['-xOf', join(ws().directory, 'out.tar'), path]),
  }
}

/** The same with the text of a Dockerfile as the first argument, and with the context `context`. */
export function dockerfileBuilds(ws: () => Workspace): TarBuilds {
  const { build, ok, read } = tarBuilds(ws)
  const argsOf = ([text = '', ...flags]: readonly string[]): readonly string[] => [
    ...flags,
    ws().context('context', { Dockerfile: text }),
  ]
  return { build: (...args) => build(...argsOf(args)), ok: (...args) => ok(...argsOf(args)), read }
}
