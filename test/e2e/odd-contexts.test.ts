// Build contexts whose files are odd or hostile: what leads out of the context ends inside it, what cannot be copied is
// named, nothing is waited for, and a file that is being written to is copied whole or not at all.
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRoot } from '../sys/native.ts'
import { expectClean, secret } from './support/canary.ts'
import { executable, type Finished, finish, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('setpriv')

describe.skipIf(!isRoot)('odd and hostile contexts (needs root)', () => {
  let ws: Workspace
  let host: string
  let turn = 0
  beforeAll(() => {
    ws = workspace()
    host = mkdtempSync(join(tmpdir(), 'slipway-canary-'))
    mkdirSync(join(host, 'dir'))
    for (const name of ['canary', 'dir/canary', 'mine']) writeFileSync(join(host, name), `${secret}\n`)
  })
  afterAll(() => {
    // Node removes nothing that is nested this deep.
    if (ws !== undefined) execFileSync('rm', ['-rf', ws.directory])
    ws?.[Symbol.dispose]()
    rmSync(host, { recursive: true, force: true })
  })

  /** A context with these files; links are written `-> target`. */
  const contextOf = (files: Record<string, string>): string => {
    const context = join(ws.directory, `context-${turn++}`)
    mkdirSync(context)
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(context, path)), { recursive: true })
      if (content.startsWith('-> ')) symlinkSync(content.slice(3).replace('HOST', host), join(context, path))
      else writeFileSync(join(context, path), content)
    }
    return context
  }
  const output = (context: string): string => `${context}-out`
  const build = async (context: string, dockerfile: string, ...flags: string[]): Promise<Finished> => {
    const file = `${context}.Dockerfile`
    writeFileSync(file, `FROM scratch\n${dockerfile}\n`)
    rmSync(output(context), { recursive: true, force: true })
    const result = await ws.start('build', '-f', file, '-o', output(context), ...flags, context).ended
    expectClean(result)
    return result
  }
  /** What was made: files with their content, links with their target, directories with a slash, other things by kind. */
  const listing = (context: string): Record<string, string> => {
    const list: Record<string, string> = {}
    const out = output(context)
    const found = execFileSync('find', [out, '-mindepth', '1', '-printf', '%P\\0%y\\0%l\\0'], {
      encoding: 'latin1',
    })
    const fields = found.split('\0')
    for (let i = 0; i + 2 < fields.length; i += 3) {
      const [path = '', kind = '', target = ''] = fields.slice(i)
      const read = (): string => readFileSync(Buffer.from(`${out}/${path}`, 'latin1'), 'latin1')
      if (kind === 'd') list[`${path}/`] = ''
      else list[path] = kind === 'l' ? `-> ${target}` : kind === 'f' ? read() : kind
    }
    return list
  }
  const copied = async (context: string, dockerfile: string): Promise<Record<string, string>> => {
    const { status, stderr } = await build(context, dockerfile)
    expect(stderr).not.toContain('ERROR')
    expect(status).toBe(0)
    return listing(context)
  }
  const refused = async (context: string, dockerfile: string, ...flags: string[]): Promise<string> => {
    const { status, stderr } = await build(context, dockerfile, ...flags)
    expect(status, stderr).toBe(1)
    return stderr.slice(stderr.lastIndexOf('ERROR: '))
  }

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
          Object.entries(files).map(([path, content]) => [path, content.replace('HOST', host)]),
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
      ws.ok('build', '-f', file, '-o', output(context), '--build-context', `n=${link}`, link)
      expect(listing(context)).toEqual({ f: 'f', 'n/': '', 'n/f': 'f' })
    })

    it('a directory that is swapped for a link out again and again', async () => {
      const context = contextOf({ 'd/canary': 'inner', ignored: '', '.dockerignore': 'ignored\n' })
      // Both names are always one of the two, so that a build may meet either at every look.
      const swapper = spawn(
        'sh',
        ['-c', `ln -s ${host}/dir l; while :; do mv -T d x; mv -T l d; mv -T d l; mv -T x d; done`],
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
      return await ws.start('build', '-f', file, '-o', out, context).ended
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
      const { status, stderr } = await ws.start('build', context).ended
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
      return await finish('setpriv', args, ws.env)
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

  describe('a file that is being written to', () => {
    /** Runs `script` in the context while `act` runs; it says `ready` when the writing has begun. */
    const during = async <T>(context: string, script: string, act: () => Promise<T>): Promise<T> => {
      const writer = spawn(process.execPath, ['-e', script], {
        cwd: context,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const closed = new Promise((resolve) => writer.on('close', resolve))
      await new Promise((resolve) => writer.stdout.once('data', resolve))
      try {
        return await act()
      } finally {
        writer.kill('SIGKILL')
        await closed
      }
    }
    const header = `const fs = require('fs'); const fd = fs.openSync('f', 'r+'); let n = 0; let said = false
const ready = () => { if (!said) fs.writeSync(1, 'ready'); said = true }
`
    const mebibyte = 1 << 20
    const block = 1 << 16
    const letterAt = (content: Buffer, at: number): number | undefined => {
      const part = content.subarray(at, at + block)
      return part.every((byte) => byte === part[0]) ? part[0] : undefined
    }
    /** What writes to the file, and whether it was ever like that: a build that met no change may succeed. */
    const writers: Record<
      string,
      { readonly script: string; wasLike(content: Buffer, size: number): boolean }
    > = {
      'of one size': {
        script: `for (;;) { n++; const b = Buffer.alloc(${block}, 65 + n % 26); for (let at = 0; at < ${mebibyte}; at += b.length) fs.writeSync(fd, b, 0, b.length, at); ready() }`,
        // From the start on it has the next letter, up to where the writer has come.
        wasLike(content, size) {
          const first = letterAt(content, 0) ?? 0
          const letters = Array.from({ length: mebibyte / block }, (_, i) => letterAt(content, i * block))
          const come = letters.findIndex((letter) => letter !== first)
          const rest = come === -1 ? [] : letters.slice(come)
          const former = first === 65 ? 90 : first - 1
          return content.length === size && rest.every((letter) => letter === former)
        },
      },
      'that grows': {
        script: `const end = fs.fstatSync(fd).size; for (;;) { fs.writeSync(fd, 'more', end + 4 * n++); ready() }`,
        wasLike: (content, size) =>
          content.toString('latin1', size) === 'more'.repeat(Math.trunc((content.length - size) / 4)),
      },
      'that shrinks and grows': {
        script: `for (;;) { fs.ftruncateSync(fd, n++ % 2 ? 100 : ${mebibyte}); fs.writeSync(fd, 'x', 0); ready() }`,
        wasLike: ({ length }) => length === 100 || length === mebibyte,
      },
      'that is replaced': {
        script: `for (;;) { fs.writeFileSync('../' + process.pid, Buffer.alloc(${mebibyte}, 65 + n++ % 26)); fs.renameSync('../' + process.pid, 'f'); ready() }`,
        wasLike: (content) => content.length === mebibyte && content.every((byte) => byte === content[0]),
      },
    }

    describe.each([
      ['small', mebibyte],
      ['large and with holes', 64 * mebibyte],
    ])('%s', (_, size) => {
      it.each(Object.entries(writers))('%s is not copied half', async (_how, { script, wasLike }) => {
        const context = contextOf({ f: 'A'.repeat(mebibyte) })
        truncateSync(join(context, 'f'), size)
        await during(context, header + script, async () => {
          for (const dockerfile of ['COPY . /', 'COPY f /', 'ADD f /']) {
            const { status, stderr } = await build(context, dockerfile, '--no-cache')
            if (status === 0) expect(wasLike(readFileSync(join(output(context), 'f')), size)).toBe(true)
            else expect(stderr).toMatch(/ERROR: failed to build: (read|copy) .*f.*(changed|disappeared)/)
          }
        })
        // Nothing of what was seen meanwhile is remembered.
        const before = readFileSync(join(context, 'f'))
        expect((await build(context, 'COPY . /')).status).toBe(0)
        expect(readFileSync(join(output(context), 'f')).equals(before)).toBe(true)
      })
    })

    it("beside the files that a step uses is in nobody's way", async () => {
      const context = contextOf({ f: 'A'.repeat(1 << 20), g: 'g' })
      await during(context, header + writers['that grows']?.script, async () => {
        expect(await copied(context, 'COPY g /')).toEqual({ g: 'g' })
        expect(await copied(context, 'COPY --exclude=f . /')).toEqual({ g: 'g' })
      })
    })
  })

  it('leave nothing behind', () => {
    expect(ws.ok('store', 'verify').stdout).toMatch(/ 0 problems\n$/)
    expect(readdirSync(join(ws.root, 'store-v1/ingest'))).toEqual([])
    expect(readdirSync(join(ws.root, 'store-v1/active'))).toEqual([])
    for (const name of ['canary', 'dir/canary', 'mine']) {
      expect(readFileSync(join(host, name), 'utf8')).toBe(`${secret}\n`)
    }
    expect(readdirSync(host).sort()).toEqual(['canary', 'dir', 'mine'])
  })
})
