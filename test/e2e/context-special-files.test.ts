// Build contexts with what is no file or may not be read: it is copied as what it is or named, and nothing waits for it.
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { secret } from './support/canary.ts'
import { describeOddContexts } from './support/odd-contexts.ts'
import { executable, type Finished, finish, missing } from './support/slipway.ts'

const lacking = missing('setpriv')

describeOddContexts((odd) => {
  const { contextOf, output, copied, refused } = odd

  describe('files that are no files', () => {
    const special = (): string => {
      const context = contextOf({ 'd/f': 'f' })
      for (const path of ['pipe', 'pipe.tar', 'd/pipe']) execFileSync('mkfifo', [join(context, path)])
      execFileSync('mknod', [join(context, 'zero'), 'c', '1', '5'])
      execFileSync('mknod', [join(context, 'full.tar'), 'c', '1', '7'])
      return context
    }

    it('pipes and devices are copied as such, never read', async () => {
      const context = special()
      const expected = {
        'd/': '',
        'd/f': 'f',
        'd/pipe': 'p',
        pipe: 'p',
        'pipe.tar': 'p',
        zero: 'c',
        'full.tar': 'c',
      }
      expect(await copied(context, 'COPY . /')).toEqual(expected)
      expect(await copied(context, 'ADD . /')).toEqual(expected)
      expect(await copied(context, 'ADD pipe.tar full.tar pip* /x/')).toEqual({
        'x/': '',
        'x/pipe.tar': 'p',
        'x/full.tar': 'c',
        'x/pipe': 'p',
      })
      const { rdev } = statSync(join(output(context), 'x/full.tar'))
      expect(rdev).toBe(statSync('/dev/full').rdev)
    })

    it('sockets are left out, and refused by name', async () => {
      const context = contextOf({ 'd/f': 'f' })
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(join(context, 'd/sock'), resolve))
      try {
        expect(await copied(context, 'COPY d /')).toEqual({ f: 'f' })
        expect(await copied(context, 'COPY d/* /')).toEqual({ f: 'f' })
        expect(await refused(context, 'COPY d/sock /')).toContain(
          '"/d/sock" is a socket, which cannot be copied',
        )
      } finally {
        server.close()
      }
    })

    it.each(['Dockerfile', '.dockerignore'])('a pipe for a %s is not waited for', async (name) => {
      const context = contextOf({ Dockerfile: 'FROM scratch\n' })
      rmSync(join(context, name), { force: true })
      execFileSync('mkfifo', [join(context, name)])
      const { status, stderr } = await odd.ws.start('build', context).ended
      expect(status).toBe(1)
      expect(stderr).toMatch(
        /ERROR: failed to build: read (Dockerfile|ignore file) .*: it is no regular file\n$/,
      )
    })

    it('a file of 1 TiB of holes that no step uses is not read', async () => {
      const context = contextOf({ small: 's', big: '', 'd/big': '' })
      for (const name of ['big', 'd/big']) truncateSync(join(context, name), 2 ** 40)
      expect(await copied(context, 'COPY small /')).toEqual({ small: 's' })
      writeFileSync(join(context, '.dockerignore'), '**/big\n.dockerignore\n')
      expect(await copied(context, 'COPY . /')).toEqual({ small: 's', 'd/': '' })
      writeFileSync(join(context, '.dockerignore'), '.dockerignore\n')
      expect(await copied(context, 'COPY --exclude=**/big . /')).toEqual({ small: 's', 'd/': '' })
    })
  })

  describe.skipIf(lacking !== undefined)('files that may not be read (needs setpriv)', () => {
    // Root without the right to read what is not its own.
    const asOther = async (context: string, dockerfile: string): Promise<Finished> => {
      const file = `${context}.Dockerfile`
      writeFileSync(file, `FROM scratch\n${dockerfile}\n`)
      const without = '-dac_override,-dac_read_search'
      const program = ['--bounding-set', without, '--inh-caps', without, executable]
      const args = [...program, 'build', '-f', file, '-o', output(context), context]
      return await finish('setpriv', args, odd.ws.env)
    }
    const locked = (path: string): string => {
      const context = contextOf({ 'd/locked/f': secret, 'd/g': 'g' })
      chownSync(join(context, path), 1234, 1234)
      chmodSync(join(context, path), 0)
      return context
    }

    it.each([
      ['d/locked/f', 'COPY d /'],
      ['d/locked/f', 'COPY d/locked/f /'],
      ['d/locked', 'COPY d /'],
      ['d/locked', 'COPY d/locked /'],
      ['d/locked', 'COPY d/locked/f /'],
      ['d/locked', 'COPY d/*/f /'],
    ])('%s is named: %s', async (path, dockerfile) => {
      const { status, stderr } = await asOther(locked(path), dockerfile)
      expect(status).toBe(1)
      expect(stderr).toMatch(
        /ERROR: failed to build: read "d\/locked(\/f)?": permission denied\n {2}help: make the file readable/,
      )
    })

    it("they are in nobody's way where they are ignored or not asked for", async () => {
      const context = locked('d/locked')
      expect((await asOther(context, 'COPY d/g /')).status).toBe(0)
      writeFileSync(join(context, '.dockerignore'), '**/locked\n.dockerignore\n')
      const { status, stderr } = await asOther(context, 'COPY . /')
      expect([status, stderr]).toEqual([0, expect.not.stringContaining('ERROR')])
      expect(existsSync(join(output(context), 'd/g'))).toBe(true)
      // Something in it is brought back: it must be read.
      writeFileSync(join(context, '.dockerignore'), '**/locked\n!d/locked/f\n')
      expect((await asOther(context, 'COPY . /')).stderr).toContain('read "d/locked": permission denied')
    })
  })
})
