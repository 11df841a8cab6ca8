// `slipway context ls`, and which ignore file a build obeys: the list is what COPY . copies.
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Workspace, workspace } from './support/slipway.ts'

const isRoot = process.getuid?.() === 0

const files = {
  Dockerfile: 'FROM scratch\nCOPY . /\n',
  '.dockerignore': '# what is made\n/nm\n!nm/x/k.js\n**/*.key\n\nDockerfile*\n.dockerignore\n',
  'src/a.ts': 'a'.repeat(1500),
  'src/b.key': 'k',
  'nm/x/k.js': 'k',
  'nm/z.js': 'z',
}

describe('a build context', () => {
  let ws: Workspace
  let context: string
  beforeEach(() => {
    ws = workspace()
    context = ws.context('app', files)
  })
  afterEach(() => ws?.[Symbol.dispose]())

  const ls = (...args: string[]) => ws.slipway('context', 'ls', ...args)
  const listed = (...args: string[]): string[] =>
    ls(...args, context)
      .stdout.split('\n')
      .slice(0, -1)
  /** What COPY . copies. */
  const copied = (...args: string[]): string[] => {
    const out = join(ws.directory, 'out')
    ws.ok('build', ...args, '-o', `type=local,dest=${out}`, context)
    return readdirSync(out, { recursive: true, withFileTypes: true })
      .map(
        (entry) =>
          `${join(entry.parentPath, entry.name).slice(out.length + 1)}${entry.isDirectory() ? '/' : ''}`,
      )
      .sort()
  }

  it('is listed, directories before what is in them', () => {
    expect(ls(context)).toEqual({
      status: 0,
      signal: null,
      stdout: 'nm/\nnm/x/\nnm/x/k.js\nsrc/\nsrc/a.ts\n',
      stderr: '',
    })
  })

  it('is listed with sizes and their sum', () => {
    expect(ls('--sizes', context).stdout).toBe(`      1B  nm/
      1B  nm/x/
      1B  nm/x/k.js
   1.5kB  src/
   1.5kB  src/a.ts
   1.5kB  in 2 files, 3 directories
`)
  })

  it('is listed as JSON', () => {
    expect(JSON.parse(ls('--format=json', context).stdout)).toEqual({
      ignoreFile: '.dockerignore',
      entries: [
        { path: 'nm', type: 'directory', sizeBytes: 1 },
        { path: 'nm/x', type: 'directory', sizeBytes: 1 },
        { path: 'nm/x/k.js', type: 'file', sizeBytes: 1 },
        { path: 'src', type: 'directory', sizeBytes: 1500 },
        { path: 'src/a.ts', type: 'file', sizeBytes: 1500 },
      ],
      files: 2,
      directories: 3,
      sizeBytes: 1501,
    })
  })

  it.each([
    [
      'src/a.ts',
      'src/a.ts is in the context: no pattern of .dockerignore matches it\n  src       included\n  src/a.ts  included\n',
    ],
    [
      '/src//b.key',
      'src/b.key is ignored: .dockerignore:4: **/*.key\n  src        included\n  src/b.key  ignored   .dockerignore:4: **/*.key\n',
    ],
    ['nm', 'nm is ignored: .dockerignore:2: nm; it is there only for what is brought back in it\n'],
    [
      'nm/x/k.js',
      'nm/x/k.js is in the context: .dockerignore:3: !nm/x/k.js\n  nm         ignored   .dockerignore:2: nm\n  nm/x       ignored   .dockerignore:2: nm\n  nm/x/k.js  included  .dockerignore:3: !nm/x/k.js\n',
    ],
    ['gone.key', 'gone.key does not exist; it would be ignored: .dockerignore:4: **/*.key\n'],
    ['gone', 'gone does not exist; it would be in the context: no pattern of .dockerignore matches it\n'],
    ['../..', '. is in the context: it is the context\n'],
  ])('says why: %s', (path, stdout) => {
    expect(ls('--why', path, context)).toMatchObject({ status: 0, stdout, stderr: '' })
  })

  it('says why as JSON', () => {
    expect(JSON.parse(ls('--why=nm/x/k.js', '--format', 'json', context).stdout)).toEqual({
      ignoreFile: '.dockerignore',
      path: 'nm/x/k.js',
      exists: true,
      visible: true,
      steps: [
        { path: 'nm', ignored: true, by: { pattern: 'nm', line: 2 } },
        { path: 'nm/x', ignored: true, by: { pattern: 'nm', line: 2 } },
        { path: 'nm/x/k.js', ignored: false, by: { pattern: '!nm/x/k.js', line: 3 } },
      ],
    })
  })

  it('shows names that would drive a terminal in quotes', () => {
    const odd = ws.context('odd', { 'a\nb': '', 'c\u001b[2J': '', 'é \u009b': '' })
    expect(ls(odd).stdout).toBe('"a\\nb"\n"c\\u001b[2J"\n"é \\u009b"\n')
  })

  it('is listed without an ignore file, links as they are', () => {
    const plain = ws.context('plain', { 'd/f': 'x' })
    symlinkSync('/etc', join(plain, 'd/link'))
    expect(ls(plain).stdout).toBe('d/\nd/f\nd/link\n')
    expect(ls('--why', 'd/f', plain).stdout).toContain('d/f is in the context: there is no ignore file\n')
    expect(ls('--why', 'd/link/passwd', plain).stdout).toContain('d/link/passwd does not exist')
  })

  it.each<[string[], number, RegExp]>([
    [['nowhere'], 1, /^ERROR: open context .*nowhere: no such directory\n/],
    [['app/Dockerfile'], 1, /not a directory/],
    [['-'], 1, /open context -: only a directory is listed/],
    [[], 1, /"slipway context" requires 2 arguments, got 1/],
    [['--sizes', '--why', 'x', 'app'], 1, /answer different questions/],
    [['--format', 'xml', 'app'], 125, /invalid value "xml" for --format/],
    [
      ['https://u:pw@example.com/x.git'],
      1,
      /open context https:[^ ]*example.com\/x.git: only a directory is listed/,
    ],
    [['git@example.com:x'], 1, /only a directory is listed/],
  ])('bad question: %j', (args, status, stderr) => {
    const result = ls(...args)
    expect(result).toMatchObject({ status, stdout: '' })
    expect(result.stderr).toMatch(stderr)
    expect(result.stderr).not.toMatch(/^ {4}at |:pw/m)
  })

  it('shows what is wrong in the ignore file, where it is', () => {
    writeFileSync(join(context, '.dockerignore'), 'ok\n[b\n! \n')
    const { status, stdout, stderr } = ls(context)
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toContain('.dockerignore:2:1')
    expect(stderr).toContain('.dockerignore:3:1')
    expect(stderr).toMatch(/ERROR: 2 errors in \.dockerignore\n$/)
  })

  it('warns of a pattern that fails where it is asked, and fails there', () => {
    writeFileSync(join(context, '.dockerignore'), 'nm\n!obj\\keep\n')
    const { status, stderr } = ls(context)
    expect(status).toBe(1)
    expect(stderr).toContain('.dockerignore:2:1')
    expect(stderr).toMatch(/ERROR: invalid pattern "!obj\\\\keep": syntax error in pattern\n$/)
  })

  describe.skipIf(!isRoot)('and the build of it (needs root)', () => {
    it('agree', () => {
      expect(copied()).toEqual(['nm/', 'nm/x/', 'nm/x/k.js', 'src/', 'src/a.ts'])
      expect(listed()).toEqual(copied())
    })

    it('obey the ignore file of the Dockerfile first, and only that, even if it is empty', () => {
      writeFileSync(join(context, 'Dockerfile.dockerignore'), 'nm\n*ocker*\nsrc/b.key\n')
      expect(copied()).toEqual(['src/', 'src/a.ts'])
      expect(listed()).toEqual(copied())
      writeFileSync(join(context, 'Dockerfile.dockerignore'), '')
      expect(copied()).toContain('src/b.key')
      expect(listed()).toContain('src/b.key')
    })

    it('obey the one beside a Dockerfile that is elsewhere', () => {
      const elsewhere = ws.context('elsewhere', {
        'my.df': files.Dockerfile,
        'my.df.dockerignore': '*\n!src/a.ts\n',
      })
      writeFileSync(join(context, 'my.df.dockerignore'), '')
      const file = join(elsewhere, 'my.df')
      expect(copied('-f', file)).toEqual(['src/', 'src/a.ts'])
      expect(listed('-f', file)).toEqual(['src/', 'src/a.ts'])
      expect(ls('-f', file, '--why', 'nm', context).stdout).toBe('nm is ignored: my.df.dockerignore:1: *\n')
    })

    it('obey that of the context where the Dockerfile has none or comes on standard input', () => {
      const elsewhere = ws.context('elsewhere', { Dockerfile: files.Dockerfile, '.dockerignore': '*' })
      expect(copied('-f', join(elsewhere, 'Dockerfile'))).toEqual(listed())
      writeFileSync(join(context, 'Dockerfile.dockerignore'), '*')
      expect(listed()).toEqual([])
      expect(listed('-f', '-')).toEqual(['nm/', 'nm/x/', 'nm/x/k.js', 'src/', 'src/a.ts'])
    })

    it('go by the name that was asked for where it is written small', () => {
      const small = ws.context('small', {
        dockerfile: files.Dockerfile,
        'dockerfile.dockerignore': '*',
        'Dockerfile.dockerignore': '*ocker*',
        x: '',
      })
      expect(ls(small).stdout).toBe('x\n')
      const out = join(ws.directory, 'small-out')
      ws.ok('build', '-o', `type=local,dest=${out}`, small)
      expect(readdirSync(out)).toEqual(['x'])
    })

    it('obey the ignore file of a named context, and show what is wrong in one', () => {
      const named = ws.context('named', { '.dockerignore': '*\n!a\n', a: '', b: '' })
      const dockerfile = join(
        ws.context('user', { Dockerfile: 'FROM scratch\nCOPY --from=n . /\n' }),
        'Dockerfile',
      )
      const args = ['-f', dockerfile, '--build-context', `n=${named}/`]
      expect(copied(...args)).toEqual(['a'])
      writeFileSync(join(named, '.dockerignore'), '#\n\n[a\n!x\\y\n')
      const { status, stderr } = ws.slipway('build', ...args, context)
      expect(status).toBe(1)
      const file = `${named}/.dockerignore`
      expect(stderr).toContain(`error[InvalidIgnorePattern]: failed parsing ${file}: syntax error in pattern
  --> ${file}:3:1
  3 | [a
    | ^^
`)
      expect(stderr).toContain(`is no pattern: what it is asked about fails the build (${file}, line 4)
  4 | !x\\y
    | ^^^^
`)
      expect(stderr).toMatch(/ERROR: failed to build: 1 error in [^ ]*named\/\.dockerignore\n$/)
      // Nobody reads it, so nobody minds, as in BuildKit.
      ws.ok('build', '--build-context', `n=${named}`, context)
    })

    it.each(['build', 'build --check', 'build --call=outline'])('%s shows what is wrong', (command) => {
      writeFileSync(join(context, 'Dockerfile.dockerignore'), 'ok\n[b\n! \n')
      const { status, stderr } = ws.slipway(...command.split(' '), context)
      expect(status).toBe(1)
      expect(stderr).toContain(`failed parsing Dockerfile.dockerignore: syntax error in pattern
  --> Dockerfile.dockerignore:2:1
  2 | [b
    | ^^
`)
      expect(stderr).toContain('--> Dockerfile.dockerignore:3:1\n')
      expect(stderr).toMatch(/ERROR: failed to build: 2 errors in Dockerfile\.dockerignore\n$/)
    })

    it('show a pattern that fails where it is asked, and what was to be copied', () => {
      writeFileSync(join(context, '.dockerignore'), 'nm\n!obj\\keep\n')
      const { status, stderr } = ws.slipway('build', context)
      expect(status).toBe(1)
      expect(stderr).toContain('fails the build (.dockerignore, line 2)\n  2 | !obj\\keep\n    | ^^^^^^^^^\n')
      expect(stderr).toContain('   2 | >>> COPY . /\n')
      expect(stderr).toMatch(/invalid pattern "!obj\\\\keep": syntax error in pattern\n$/)
    })
  })
})
