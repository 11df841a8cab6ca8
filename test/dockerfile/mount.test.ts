// RUN --mount: fields to typed mounts, and every place a mistake is reported at.
import { expect, test } from 'vitest'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { Run } from '../../src/dockerfile/ast.ts'
import { mountFrom, readMounts } from '../../src/dockerfile/mount.ts'
import type { Mount } from '../../src/dockerfile/mount-types.ts'
import { parseDockerfile } from '../../src/dockerfile/parse.ts'
import { newReport } from '../../src/dockerfile/report.ts'

function readAll(line: string, expand = (text: string): string | undefined => text) {
  const text = `FROM x\n${line}\n`
  const parsed = parseDockerfile(text, 'Dockerfile')
  const run = parsed.value.instructions.find((i): i is Run => i.kind === 'RUN')
  const report = newReport()
  const mounts = run === undefined ? [] : readMounts(run, { expand: (word) => expand(word.text), report })
  const diagnostics = [...parsed.diagnostics, ...report.diagnostics]
  return { run, mounts, diagnostics, at: ({ span }: Diagnostic) => text.slice(span?.start, span?.end) }
}

/** A mount without its spans. */
function plain(mount: Mount | undefined): unknown {
  return JSON.parse(
    JSON.stringify(mount ?? null, (key, value: unknown) => {
      if (key === 'span') return undefined
      return typeof value === 'object' && value !== null && 'text' in value ? value.text : value
    }),
  )
}

test.each<[string, object]>([
  ['target=/a', { kind: 'bind', target: '/a', readonly: true }],
  ['type=bind,source=a,dst=b,from=c', { kind: 'bind', target: 'b', from: 'c', source: 'a', readonly: true }],
  ['rw,target=/a', { kind: 'bind', target: '/a', readonly: false }],
  ['readwrite=0,TARGET=/a', { kind: 'bind', target: '/a', readonly: true }],
  ['ro=f,target=/a', { kind: 'bind', target: '/a', readonly: false }],
  ['"target=/a,b"', { kind: 'bind', target: '/a,b', readonly: true }],
  ['type=cache,target=/c', { kind: 'cache', target: '/c', sharing: 'shared', owner: {}, readonly: false }],
  [
    'type=CACHE,id=i,sharing=Locked,mode=0700,uid=1,gid=2,target=/c,ro',
    {
      kind: 'cache',
      target: '/c',
      id: 'i',
      sharing: 'locked',
      owner: { mode: 0o700, uid: 1, gid: 2 },
      readonly: true,
    },
  ],
  ['type=tmpfs,target=/t,size=1.5k', { kind: 'tmpfs', target: '/t', sizeBytes: 1536, readonly: false }],
  ['type=secret,id=s', { kind: 'secret', id: 's', required: false, owner: {} }],
  ['type=secret,source=s,env=S', { kind: 'secret', id: 's', env: 'S', required: false, owner: {} }],
  [
    'type=secret,target=/a/b/,required',
    { kind: 'secret', target: '/a/b/', id: 'b', required: true, owner: {} },
  ],
  ['type=ssh', { kind: 'ssh', id: 'default', required: false, owner: {} }],
  [
    'type=ssh,id=k,required=true,mode=0666,target=/s',
    { kind: 'ssh', target: '/s', id: 'k', required: true, owner: { mode: 0o666 } },
  ],
])('%s', (value, mount) => {
  const { mounts, diagnostics } = readAll(`RUN --mount=${value.includes('"') ? `'${value}'` : value} x`)
  expect(diagnostics).toEqual([])
  expect(plain(mounts[0])).toEqual(mount)
})

test.each<[string, string, string]>([
  ['type=vol', 'unsupported mount type "vol"', 'vol'],
  ['type=cahce,target=/a', 'unsupported mount type "cahce" (did you mean cache?)', 'cahce'],
  ['tagret=/a', "unexpected key 'tagret' in 'tagret=/a' (did you mean target?)", 'tagret'],
  ['target', "invalid field 'target' must be a key=value pair", 'target'],
  ['type=cache,', "invalid field '' must be a key=value pair", ''],
  ['required,type=ssh', "unexpected key 'required' for mount type 'bind'", 'required'],
  ['size=1m,type=tmpfs,target=/a', "unexpected key 'size' for mount type 'bind'", 'size'],
  ['type=tmpfs,target=/a,size=1x', 'invalid value for size: 1x', '1x'],
  ['type=tmpfs,target=/a,mode=1', 'mode not allowed for "tmpfs" type mounts', 'mode=1'],
  ['type=cache,target=/a,mode=8', 'invalid value 8 for mode', '8'],
  ['type=cache,target=/a,uid=root', 'invalid value root for uid', 'root'],
  ['type=cache,target=/a,gid=4294967296', 'invalid value 4294967296 for gid', '4294967296'],
  ['type=cache,target=/a,sharing=lock', 'unsupported sharing value "lock" (did you mean locked?)', 'lock'],
  ['target=/a,ro=yes', 'invalid value for ro: yes', 'yes'],
  ['type=secret,id=a,from=b', 'secret mount should not have a from', 'from=b'],
  ['type=secret,id=a,sharing=shared', 'secret mount should not define sharing', 'sharing=shared'],
  ['type=secret,id=a,src=b', "both source and id can't be set", 'src=b'],
  ['target=/a,sharing=shared', 'invalid cache sharing set for bind mount', 'sharing=shared'],
  ['type=ssh,source=a', 'ssh does not support source', 'source=a'],
  ['type=secret,id=a,env=', 'invalid value for env: "" names no variable', ''],
  ['type=cache,target=/a,source=b', 'source of a cache mount without from is not supported yet', 'source=b'],
  ['target=/a,from=a$b', "'from' doesn't support variable expansion, define alias stage instead", 'a$b'],
])('%s is refused where it is wrong', (value, message, place) => {
  const { diagnostics, at } = readAll(`RUN --mount=${value} x`)
  expect(diagnostics.map((d) => [d.severity, d.message, at(d)])).toEqual([['error', message, place]])
})

test('all that is wrong with a mount is said at once', () => {
  const { diagnostics, at } = readAll('RUN --mount=type=cache,mode=9,shraing=x,ro=2 --mount=type=secret y')
  expect(diagnostics.map(at)).toEqual(['9', 'shraing', '2', '--mount=type=secret'])
})

test('places are found behind quotes, escapes and continuations', () => {
  const quoted = readAll(`RUN --mount=type=ca\\\nche,'"sha\\ring=no"',ta\\rget=/x x`)
  expect(quoted.diagnostics.map(quoted.at)).toEqual(['no'])
})

test.each([
  ['type=tmpfs,target=/a,source=b', 'source=b'],
  ['target=/a,id=b', 'id=b'],
  ['type=cache,target=/a,from=c,source=b,uid=1', 'uid=1'],
  ['type=ssh,rw', 'rw'],
])('%s has an option that changes nothing', (value, place) => {
  const { mounts, diagnostics, at } = readAll(`RUN --mount=${value} x`)
  expect(diagnostics.map((d) => [d.severity, d.code, at(d)])).toEqual([
    ['warning', 'IgnoredMountOption', place],
  ])
  expect(mounts).toHaveLength(1)
})

test('the source of a cache may be its root', () => {
  expect(readAll('RUN --mount=type=cache,target=/a,source=./ x').diagnostics).toEqual([])
})

test('what depends on an unknown value is not judged', () => {
  const known = (text: string) => (text.includes('$') ? undefined : text)
  const { mounts, diagnostics } = readAll('RUN --mount=type=$T,size=1,sharing=locked,required x', known)
  expect([mounts, diagnostics]).toEqual([[], []])
})

test('from is read before any variable has a value', () => {
  const { run } = readAll('RUN --mount=from=a,FROM=b --mount=from= --mount=target=/x x')
  expect(run?.mounts.map((mount) => mountFrom(mount)?.text)).toEqual(['b', undefined, undefined])
})
