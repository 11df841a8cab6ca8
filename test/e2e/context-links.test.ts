// Links in build contexts: what leads out of the context ends inside it, and nothing follows one for ever.
import { spawn } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { secret } from './support/canary.ts'
import { describeOddContexts } from './support/odd-contexts.ts'

describeOddContexts((odd) => {
  const { contextOf, output, build, listing, copied, refused, expectNothingLeft } = odd

  describe('what leads out of the context ends in it', () => {
    const files = {
      mine: 'mine',
      'dir/canary': 'inner',
      'etc/passwd': 'of the context',
      absolute: '-> HOST/canary',
      relative: '-> ../../../../../../../../../../mine',
      above: '-> ../mine',
      passwd: '-> /etc/passwd',
      hostdir: '-> HOST/dir',
      'd/dir': '-> ../../dir',
      proc: '-> /proc/self/environ',
      magic: '-> /proc/self/root/etc/passwd',
    }
    it.each<[string, Record<string, string>]>([
      ['COPY ../mine /', { mine: 'mine' }],
      ['COPY ../../../../../mine /x/', { 'x/': '', 'x/mine': 'mine' }],
      ['COPY dir/../../mine /', { mine: 'mine' }],
      ['ADD ../mine* /', { mine: 'mine' }],
      ['COPY /etc/passwd /', { passwd: 'of the context' }],
      ['COPY passwd /p', { p: 'of the context' }],
      ['COPY relative above /', { relative: 'mine', above: 'mine' }],
      ['COPY d/dir /', { canary: 'inner' }],
      ['COPY d/dir/canary /', { canary: 'inner' }],
      ['COPY d/dir/../../mine /', { mine: 'mine' }],
      ['COPY d /', { dir: '-> ../../dir' }],
    ])('%s', async (dockerfile, expected) => {
      expect(await copied(contextOf(files), dockerfile)).toEqual(expected)
    })

    it.each<[string, RegExp]>([
      [
        'COPY absolute /',
        /"\/absolute": not found in the build context\n.*is a link to ".*\/canary", which leads to nothing/,
      ],
      ['ADD absolute /', /ADD failed: "\/absolute": not found/],
      ['COPY hostdir /', /"\/hostdir": not found/],
      [
        'COPY hostdir/canary /',
        /"\/hostdir\/canary": not found in the build context\n.*"\/hostdir" is a link to ".*\/dir", which leads to nothing/,
      ],
      ['COPY hostd* /', /"\/hostdir": not found/],
      ['COPY --parents hostdir/canary /', /not found/],
      ['COPY proc /', /"\/proc": not found/],
      ['COPY magic /', /"\/magic": not found/],
      ['COPY ../../../../proc/self/environ /', /"\/..\/|not found/],
    ])('%s finds nothing', async (dockerfile, message) => {
      expect(await refused(contextOf(files), dockerfile)).toMatch(message)
    })

    it('links of a directory that is copied stay what they are', async () => {
      const context = contextOf(files)
      expect(await copied(context, 'COPY . /')).toEqual({
        ...Object.fromEntries(
          Object.entries(files).map(([path, content]) => [path, content.replace('HOST', odd.host)]),
        ),
        'd/': '',
        'dir/': '',
        'etc/': '',
      })
    })

    it('the context may be a link, its Dockerfile and a named context, too', async () => {
      const context = contextOf({ f: 'f' })
      const link = `${context}-link`
      symlinkSync(context, link)
      const file = `${context}.Dockerfile`
      writeFileSync(file, 'FROM scratch\nCOPY f /\nCOPY --from=n ../f ../../canar[y] /n/\n')
      odd.ws.ok('build', '-f', file, '-o', output(context), '--build-context', `n=${link}`, link)
      expect(listing(context)).toEqual({ f: 'f', 'n/': '', 'n/f': 'f' })
    })

    it('a directory that is swapped for a link out again and again', async () => {
      const context = contextOf({ 'd/canary': 'inner', ignored: '', '.dockerignore': 'ignored\n' })
      // Both names are always one of the two, so that a build may meet either at every look.
      const swapper = spawn(
        'sh',
        ['-c', `ln -s ${odd.host}/dir l; while :; do mv -T d x; mv -T l d; mv -T d l; mv -T x d; done`],
        { cwd: context, stdio: 'ignore' },
      )
      try {
        for (const dockerfile of [
          'COPY d /d/',
          'COPY . /',
          'COPY d/canary /',
          'ADD d/* /',
          'COPY */canary /',
        ]) {
          const { status, stderr } = await build(context, dockerfile, '--no-cache')
          if (status !== 0) {
            // What was met, and when, is up to chance: the file is gone, was replaced, is behind a link.
            expect(stderr).toMatch(/^ERROR: failed to build: \S.*\n/m)
            continue
          }
          expect(Object.values(listing(context)).filter((content) => content.includes(secret))).toEqual([])
        }
      } finally {
        swapper.kill('SIGKILL')
      }
    })
  })

  describe('links that do not end', () => {
    it.each<[string, RegExp]>([
      ['COPY a /', /"\/a": not found in the build context\n.*"\/a" is a link to "b", which leads to nothing/],
      ['COPY self/x /', /"\/self\/x": not found in the build context\n.*"\/self" is a link to "self", which/],
      ['COPY sel* /', /"\/self": not found/],
      ['COPY l41 /', /"\/l41": not found/],
    ])('%s', async (dockerfile, message) => {
      const context = contextOf({ a: '-> b', b: '-> a', self: '-> self', l0: 'end' })
      for (let i = 1; i <= 41; i++) symlinkSync(`l${i - 1}`, join(context, `l${i}`))
      expect(await refused(context, dockerfile)).toMatch(message)
    })

    it('are copied with a directory, and directories in circles are not walked', async () => {
      const files = {
        a: '-> b',
        b: '-> a',
        self: '-> self',
        'd/again': '-> ../d',
        'd/up': '-> ..',
        'd/x': 'x',
      }
      const context = contextOf(files)
      expect(await copied(context, 'COPY . /')).toEqual({ ...files, 'd/': '' })
      expect(await copied(context, 'COPY d/again/up/d/again/x /')).toEqual({ x: 'x' })
      writeFileSync(join(context, '.dockerignore'), '**/x\n.dockerignore\n')
      expect(await copied(context, 'COPY . /')).not.toHaveProperty('d/x')
    })
  })

  it('leave nothing behind', () => expectNothingLeft())
})
