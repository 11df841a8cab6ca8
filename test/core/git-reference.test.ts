// References to git repositories: every form, every key, every contradiction.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isGitUrl, isHttpUrl, readGitReference } from '../../src/core/git-reference.ts'

function read(text: string): unknown {
  const found = readGitReference(text)
  if (found.kind !== 'git') return found.kind === 'none' ? null : found.message
  const { fetchByCommit, isUnencrypted, isAmbiguous, shortName, ...rest } = found.reference
  return {
    ...rest,
    ...(fetchByCommit ? { fetchByCommit } : {}),
    ...(isUnencrypted ? { isUnencrypted } : {}),
    ...(isAmbiguous ? { isAmbiguous } : {}),
  }
}

const https = 'https://host/a/b.git'
const commit = '0123456789abcdef0123456789abcdef01234567'

describe('what is a git repository', () => {
  test.each<[string, unknown]>([
    [https, { remote: https }],
    ['HTTPS://host/a/b.git', { remote: https }],
    ['http://host/b.git', { remote: 'http://host/b.git', isUnencrypted: true }],
    ['git://host/b', { remote: 'git://host/b', isUnencrypted: true }],
    ['ssh://git@host:22/b', { remote: 'ssh://git@host:22/b' }],
    ['git@host:a/b.git', { remote: 'git@host:a/b.git' }],
    ['other_user@h-1.x:/srv/b', { remote: 'other_user@h-1.x:/srv/b' }],
    ['github.com/a/b', { remote: 'github.com/a/b', isAmbiguous: true }],
    [`${https}#main`, { remote: https, ref: 'main' }],
    [`${https}#v1:sub/../dir/`, { remote: https, ref: 'v1', subdir: 'dir' }],
    [`${https}#:a/b`, { remote: https, subdir: 'a/b' }],
    [`${https}#a%20b`, { remote: https, ref: 'a b' }],
    ['git@host:b.git#v1:dir', { remote: 'git@host:b.git', ref: 'v1', subdir: 'dir' }],
    ['git@host:b.git?ref=v1#x', 'ref conflicts: "x" vs "v1"'],
    [`${https}?tag=v1`, { remote: https, ref: 'refs/tags/v1' }],
    [`${https}?tag=refs/tags/v1`, { remote: https, ref: 'refs/tags/v1' }],
    [`${https}?branch=main&subdir=a`, { remote: https, ref: 'refs/heads/main', subdir: 'a' }],
    [
      `${https}?ref=main&commit=abc1&keep-git-dir&submodules=false`,
      { remote: https, ref: 'main', checksum: 'abc1', keepGitDir: true, submodules: false },
    ],
    [`${https}?checksum=ABC&mtime=commit`, { remote: https, checksum: 'ABC', mtime: 'commit' }],
    [`${https}?commit=${commit}&fetch-by-commit=1`, { remote: https, checksum: commit, fetchByCommit: true }],
  ])('%s', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  test.each([
    'a',
    './a.git',
    '../git@host:x',
    'https://host/a.tar.gz',
    'https://host/a.git/',
    'ftp://host/a.git',
    'https://host:port/a.git',
    'https://host/%zz.git',
    'git@host',
    'a.b@host:x',
    'https://',
    '',
  ])('not %j', (text) => {
    expect(read(text)).toBeNull()
    expect(isGitUrl(text)).toBe(false)
  })
})

test.each([
  [`${https}?foo=1`, 'unexpected query "foo"'],
  [`${https}?ref=`, 'query "ref" has no value'],
  [`${https}?ref=a&ref=b`, 'query "ref" has multiple values'],
  [`${https}?ref=a#b`, 'ref conflicts: "b" vs "a"'],
  [`${https}?subdir=a#:b`, 'subdir conflicts: "b" vs "a"'],
  [`${https}?tag=a&branch=b`, 'branch conflicts with tag'],
  [`${https}?ref=main&branch=main`, 'ref conflicts: "main" vs "refs/heads/main"'],
  [`${https}?submodules=yes`, 'invalid submodules value: "yes"'],
  [`${https}?keep-git-dir=x`, 'invalid keep-git-dir value: "x"'],
  [`${https}?mtime=now`, 'invalid mtime value: "now" (must be "checkout" or "commit")'],
  [`${https}?commit=xyz`, 'invalid checksum xyz for Git URL, expected hex commit hash'],
  [`${https}?fetch-by-commit`, 'fetch-by-commit requires a checksum or a commit SHA ref'],
  [`${https}?fetch-by-commit&commit=abc`, 'fetch-by-commit requires a full commit SHA checksum, got "abc"'],
  [`${https}#--upload-pack=x`, 'invalid git ref "--upload-pack=x": it must not begin with -'],
  ['ssh://-oProxyCommand=x/a', 'invalid git remote "ssh://-oProxyCommand=x/a": it must not begin with -'],
])('%s says what is wrong', (text, message) => {
  expect(read(text)).toBe(message)
})

test('a URL that is no repository is a file', () => {
  expect(['http://h/a', 'https://h/a.git', 'ftp://h/a', 'HTTP://h/a', 'a'].map(isHttpUrl)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ])
})

test('no text makes it throw, and git is never given an option', () => {
  const parts = fc.constantFrom(
    'https://',
    'ssh://',
    'git@',
    'h',
    ':',
    '/',
    '.git',
    '#',
    '?',
    '&',
    '=',
    '%',
    '-',
    'ref',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(parts, fc.string()), { maxLength: 12 }), (some) => {
      const found = readGitReference(some.join(''))
      if (found.kind !== 'git') return
      expect(found.reference.remote).not.toMatch(/^-/)
      expect(found.reference.ref ?? '').not.toMatch(/^-/)
    }),
  )
})
