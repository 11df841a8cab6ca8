// Build contexts with names of any bytes and directories of any depth.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeOddContexts } from './support/odd-contexts.ts'
import { type Finished, missing } from './support/slipway.ts'

describeOddContexts((odd) => {
  const { contextOf, build, copied, refused } = odd

  describe('names', () => {
    const names = [
      'a\nb',
      '\xff\xfe',
      'tab\t',
      ' blank ',
      '-rf',
      '\x1b[2J',
      'x'.repeat(255),
      'q"',
      'back\\slash',
      '*',
      '[x',
    ]
    const named = (): string => {
      const context = contextOf({})
      mkdirSync(join(context, 'n'))
      for (const name of names) {
        const directory = Buffer.from(`${context}/n/${name}`, 'latin1')
        mkdirSync(directory)
        writeFileSync(Buffer.from(`${context}/n/${name}/${name}`, 'latin1'), name, 'latin1')
      }
      return context
    }
    const all = Object.fromEntries(
      names.flatMap((name) => [
        [`${name}/`, ''],
        [`${name}/${name}`, name],
      ]),
    )

    it('of every kind are copied byte by byte', async () => {
      expect(await copied(named(), 'COPY n /')).toEqual(all)
    })

    it('are matched by wildcards and patterns', async () => {
      const context = named()
      expect(await copied(context, 'COPY n/?? /')).toEqual({ '\xff\xfe': '\xff\xfe', '[x': '[x', 'q"': 'q"' })
      expect(await copied(context, 'COPY ["n/a\\nb", "/"]')).toEqual({ 'a\nb': 'a\nb' })
      writeFileSync(join(context, '.dockerignore'), 'n/*\n!n/a?b\n!n/??/[^q]?\n')
      expect(await copied(context, 'COPY n /')).toEqual({
        'a\nb/': '',
        'a\nb/a\nb': 'a\nb',
        '\xff\xfe/': '',
        '\xff\xfe/\xff\xfe': '\xff\xfe',
        '[x/': '',
        '[x/[x': '[x',
      })
    })

    it('are shown on one line that does not drive the terminal', async () => {
      const context = contextOf({ 'a\nb\x1b[2J': 'x' })
      const { stderr } = await build(context, 'COPY ["a\\nb\\u001b]0;x", "/"]')
      expect(stderr).not.toContain('\x1b')
      expect(stderr).toContain('"/a\\nb\\u001b]0;x": not found in the build context\n')
    })

    it('that are reserved in layers are refused', async () => {
      expect(await refused(contextOf({ 'd/.wh.x': '' }), 'COPY d /')).toMatch(
        /"\/.wh.x": names that begin with .wh./,
      )
    })
  })

  describe.skipIf(missing('python3') !== undefined)('depth (needs python3)', () => {
    const deep = (leaf: boolean): string => {
      const context = contextOf({})
      // No call takes so long a path: step by step.
      const script = `import os,sys
os.chdir(sys.argv[1])
for _ in range(5000):
  os.mkdir('d'); os.chdir('d')
if len(sys.argv) > 2: open('leaf', 'w').write('leaf')`
      execFileSync('python3', ['-c', script, context, ...(leaf ? ['leaf'] : [])])
      return context
    }
    const remove = (context: string): void => void execFileSync('rm', ['-rf', context])
    /** How deep the one directory in another goes in the layer of an OCI archive. */
    const depthOf = (archive: string): number => {
      const script = `import io,sys,tarfile
for blob in (outer := tarfile.open(sys.argv[1])):
  try: layer = tarfile.open(fileobj=io.BytesIO(outer.extractfile(blob).read()))
  except Exception: continue
  print(max(m.name.count('d') for m in layer))`
      return Number(execFileSync('python3', ['-c', script, archive], { encoding: 'utf8' }))
    }
    const image = async (context: string): Promise<Finished> => {
      const file = `${context}.Dockerfile`
      writeFileSync(file, 'FROM scratch\nCOPY . /\n')
      const out = `type=oci,dest=${context}.tar,compression=uncompressed`
      return await odd.ws.start('build', '-f', file, '-o', out, context).ended
    }

    it('5,000 directories are copied, past an ignore file, too', async () => {
      const context = deep(false)
      try {
        for (const patterns of [undefined, '**/x\n.dockerignore\n', '*\n!**/d\n']) {
          if (patterns !== undefined) writeFileSync(join(context, '.dockerignore'), patterns)
          const { status, stderr } = await image(context)
          expect([patterns, status, stderr]).toEqual([patterns, 0, expect.not.stringContaining('ERROR')])
          expect(depthOf(`${context}.tar`)).toBe(5000)
        }
      } finally {
        remove(context)
      }
    })

    it('a file below them is named, not in full, and can be ignored', async () => {
      const context = deep(true)
      try {
        const { status, stderr } = await image(context)
        expect(status).toBe(1)
        const message = stderr.slice(stderr.lastIndexOf('ERROR: '))
        expect(message).toMatch(/read "d\/d\/d[d/]*…[d/]*\/leaf": its path is longer than Linux takes/)
        expect(message.length).toBeLessThan(700)
        writeFileSync(join(context, '.dockerignore'), 'd\n.dockerignore\n')
        expect(await copied(context, 'COPY . /')).toEqual({})
      } finally {
        remove(context)
      }
    })
  })
})
