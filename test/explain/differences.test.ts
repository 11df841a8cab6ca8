import { describe, expect, test } from 'vitest'
import { broughtBy, type Compared, differences } from '../../src/explain/differences.ts'
import { decodeFiles, encodeFiles, fileReason, mostFiles } from '../../src/explain/file-list.ts'
import { outlineOf, variables } from '../../src/explain/outline.ts'
import type { ExecOp, FileOp } from '../../src/graph/op.ts'

const exec = (args: readonly string[], env: readonly string[]): ExecOp => ({
  kind: 'exec',
  inputs: [],
  root: null,
  args,
  env,
  cwd: '/',
  user: '',
  network: 'default',
  security: 'sandbox',
  hostname: 'h',
  mounts: [],
})
const run = (
  args: readonly string[],
  env: readonly string[],
  declared: readonly string[] = [],
): Compared => ({
  title: `RUN ${args.join(' ')}`,
  outline: outlineOf(exec(args, env)),
  args: variables(declared),
})

describe('variables of another base', () => {
  const isBrought = broughtBy(
    { HOME: '/root', NUMBER: '1', PATH: '/usr/bin:/bin', GONE: 'x' },
    {
      HOME: '/home',
      NUMBER: '2',
      PATH: '/bin',
      NEW: 'y',
    },
  )
  test.each([
    ['HOME', '/root', '/home', true],
    ['HOME', '/root', '/else', false],
    ['GONE', 'x', undefined, true],
    ['NEW', undefined, 'y', true],
    ['NEW', undefined, 'z', false],
    ['NUMBER', '1', '2', true],
    ['LEVEL', '1', '2', false],
    ['PATH', '/tools:/usr/bin:/bin', '/tools:/bin', true],
    ['PATH', '/tools:/usr/bin:/bin', '/other:/bin', false],
    ['PATH', '/root/bin:/usr/bin:/bin', '/home/bin:/bin', true],
    ['CONFIG', '$&/root', '$&/home', true],
    ['CONFIG', undefined, '/home', false],
  ] as const)('%s from %s to %s: %s', (name, before, after, expected) => {
    expect(isBrought(name, before, after)).toBe(expected)
  })
})

describe('outlines', () => {
  test('have no credentials of addresses, and still tell one from another', () => {
    const [first, second] = ['http://u:one@proxy:1', 'http://u:two@proxy:1'].map((proxy) => {
      const { outline, args } = run(['curl', proxy], [`A=${proxy}`], [`B=${proxy}`])
      return JSON.stringify([outline, args])
    })
    expect(first).toContain('http://xxxxx@proxy:1')
    expect(first).not.toContain('one')
    expect(first).not.toBe(second)
  })
})

describe('differences', () => {
  test('names variables, as ARG where one has its say', () => {
    expect(
      differences(
        run(['x'], ['A=1', 'B=1', 'GONE=1'], ['A=1']),
        run(['x'], ['A=2', 'B=2', 'NEW=1'], ['A=2']),
      ),
    ).toEqual([
      { kind: 'variable', name: 'A', from: 'ARG', was: '1', now: '2' },
      { kind: 'variable', name: 'B', from: 'ENV', was: '1', now: '2' },
      { kind: 'variable', name: 'GONE', from: 'ENV', was: '1' },
      { kind: 'variable', name: 'NEW', from: 'ENV', now: '1' },
    ])
  })

  test.each(['API_TOKEN', 'DB_PASSWORD', 'dbpassword', 'AWS_SECRET_ACCESS_KEY', 'GITHUB_PAT', 'SSHKEY'])(
    'never has a value of %s, and neither has what is kept of it',
    (name) => {
      const [was, now] = ['hunter1', 'hunter2'].map((value) =>
        run(['x'], [`${name}=${value}`], [`${name}=${value}`]),
      )
      if (was === undefined || now === undefined) return
      expect(differences(was, now)).toEqual([{ kind: 'variable', name, from: 'ARG', isMasked: true }])
      expect(JSON.stringify([was, now])).not.toContain('hunter')
    },
  )

  test('tells a changed instruction as a whole, and a variable that changed with it', () => {
    expect(differences(run(['a'], ['V=1']), run(['b'], ['V=2']))).toEqual([
      { kind: 'variable', name: 'V', from: 'ENV', was: '1', now: '2' },
      { kind: 'op', field: 'instruction', was: 'RUN a', now: 'RUN b' },
    ])
  })

  test('tells what else is different by the field', () => {
    const was = run(['a'], [])
    const now = { ...was, outline: outlineOf({ ...exec(['a'], []), user: 'app', cwd: '/w' }) }
    expect(differences(was, now)).toEqual([
      { kind: 'op', field: 'cwd', was: '/', now: '/w' },
      { kind: 'op', field: 'user', was: '', now: 'app' },
    ])
    expect(differences(was, { ...was, title: 'RUN  a' })).toEqual([])
  })

  test('tells another SHELL as such', () => {
    const title = 'RUN make'
    const shells = ['-c', '-ec'].map((flag) => ({ ...run(['/bin/sh', flag, 'make'], []), title }))
    const longer = { ...run(['/bin/bash', '-e', '-c', 'make'], []), title }
    const [was, now] = shells
    if (was === undefined || now === undefined) return
    expect(differences(was, now)).toEqual([
      { kind: 'op', field: 'SHELL', was: '/bin/sh -c', now: '/bin/sh -ec' },
    ])
    expect(differences(was, longer)).toEqual([
      { kind: 'op', field: 'SHELL', was: '/bin/sh -c', now: '/bin/bash -e -c' },
    ])
  })

  test('tells the ARG that a COPY has its path from', () => {
    const copy = (path: string): Compared => ({
      title: 'COPY $SRC /',
      outline: outlineOf({
        ...({ kind: 'file', inputs: [], base: null } as const),
        actions: [
          {
            ...{ kind: 'copy', from: 0, sources: [path], destination: '/', exclude: [] },
            ...{ parents: false, unpack: false, instruction: 'COPY' },
          },
        ],
      } as FileOp),
      args: variables([`SRC=${path}`]),
    })
    expect(differences(copy('a'), copy('b'))).toEqual([
      { kind: 'variable', name: 'SRC', from: 'ARG', was: 'a', now: 'b' },
    ])
  })

  test('keeps long texts as their digests', () => {
    const [one, two] = ['x', 'y'].map((end) => outlineOf(exec([`${'a'.repeat(100_000)}${end}`], [])))
    expect(JSON.stringify(one).length).toBeLessThan(500)
    expect(one).not.toEqual(two)
  })
})

describe('file lists', () => {
  const files = (entries: Readonly<Record<string, string>>) => new Map(Object.entries(entries))

  test('tell what changed, came and went', () => {
    expect(fileReason(1, files({ a: '1', b: '1', c: '1' }), files({ a: '1', b: '2', d: '1' }))).toEqual({
      ...{ kind: 'files', input: 1, more: 0 },
      ...{ changed: ['b'], added: ['d'], removed: ['c'] },
    })
  })

  test('name ten of a sort, and count the others', () => {
    const many = files(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, '1'])))
    const reason = fileReason(0, files({}), many)
    expect(reason).toMatchObject({ kind: 'files', more: 20 })
  })

  test('without one of two lists only say that there is a difference', () => {
    expect(fileReason(0, undefined, files({}))).toEqual({ kind: 'content', input: 0 })
    expect(fileReason(0, files({ a: '1' }), files({ a: '1' }))).toEqual({ kind: 'content', input: 0 })
  })

  test('survive their text, unless they are too long for one', () => {
    const list = files({ 'a b\n': 'file 644 0123', 'ü/x': 'directory 755' })
    expect(decodeFiles(encodeFiles(list) ?? '')).toEqual(list)
    expect(decodeFiles(encodeFiles(files({})) ?? '')).toEqual(files({}))
    const many = new Map(Array.from({ length: mostFiles + 1 }, (_, i) => [String(i), '']))
    expect(encodeFiles(many)).toBeUndefined()
  })
})
