// Builds whose point is COPY and ADD: what is selected, where it goes, whose it is.
import { contextRoot, type PeerCases } from './case.ts'

export const copyCases: PeerCases = {
  'modes, owners, links, directories': {
    dockerfile: `FROM base
COPY . /all/
COPY dir /contents
COPY dir/one dir/two /several/
COPY --chown=app:extra dir /owned
COPY --chown=1234 dir/one /numeric
COPY --chown=app dir/one /by-name
COPY --chown=:extra dir/one /group-only
COPY --chown=5:daemon dir/two /new/parents/file
COPY exact /renamed
COPY exact /bin
COPY d*/o* /wild/
COPY nothing-matches* ex?ct [d-e]*/tw* /more-wild/
WORKDIR /w
COPY exact relative/
COPY exact ./
COPY dir/link /followed
`,
    differs: contextRoot('all'),
    files: {
      exact: 'exact\n',
      'dir/one': '1\n',
      'dir/two': '2\n',
      'dir/sub/three': '3\n',
      'dir/sub/deep/er/four': '4\n',
      '.dockerignore': 'ignored\n',
      ignored: 'x',
    },
    prepare:
      'chmod 4755 exact; chmod 0700 dir/sub; ln -s one dir/link; ln -s /nowhere dir/dangling; ln dir/two dir/hard; chown 5:6 dir/one; mkdir -m 1777 dir/empty; chmod 2750 dir/sub/deep',
  },
  'onto what exists': {
    dockerfile: `FROM base
RUN mkdir -m 700 /dir && chown app:app /dir && echo old > /dir/old && echo old > /dir/new && ln -s /elsewhere /link-to-nowhere
RUN mkdir /real && ln -s real /link-to-dir && ln -s /etc/passwd /link-to-file && ln -s ../real /dir/sub && mkdir /full && ln -s /real /full/linked
COPY src /dir
COPY one /dir/
COPY one /link-to-dir
COPY one /link-to-dir/two
COPY one /link-to-dir/a/b/
COPY --chown=app src /full
COPY one /link-to-file
COPY tree/ /link-to-dir/
COPY one /bin/../bin/./one
`,
    files: { one: 'one\n', 'src/new': 'new\n', 'src/added/x': 'x\n', 'tree/t/u': 'u\n' },
    prepare: 'chmod 750 src; chmod 711 tree/t; chmod 600 one',
  },
  'through links of a stage': {
    dockerfile: `FROM base AS made
RUN mkdir -p /real/sub && echo f > /real/sub/f && ln -s real /link && ln -s /real/sub /abs && ln -s ../../real/sub/f /real/sub/up \\
 && ln -s /../../../real/sub/f /escape && ln -s loop /loop && ln -s sub /real/inner
FROM base
COPY --from=made /link /a
COPY --from=made /link/sub/f /b
COPY --from=made /abs /c
COPY --from=made /real/sub/up /d
COPY --from=made /escape /e
COPY --from=made /real /g
COPY --from=made real/inner/ /h/
COPY --from=made /link/inner/../sub/f /link/s*b/f /i/
`,
  },
  'from stages and images': {
    dockerfile: `FROM base AS one
RUN mkdir -p /out/x && echo 1 > /out/x/f && chown -R app:app /out && ln -s x /out/l && chmod 711 /out/x && ln /out/x/f /out/x/hard && chmod 4711 /out/x/f
FROM base AS unused
RUN exit 1
FROM one AS Two
RUN echo two > /out/two && rm /out/l
FROM base
COPY --from=two /out /copied
COPY --from=0 /out/x/f /file
COPY --from=one /out/l/f /through-link
COPY --from=one --chown=3:4 /out/x /chowned
COPY --from=other-image /srv/ /srv/
COPY --from=other-image:latest /srv/dev* /etc/passwd /got/
COPY --from=base bin/busybox /bb
`,
    // BuildKit before 0.11 copies devices as empty files and leaves pipes out.
    apart: /^(srv\/dev\/n|srv\/p|got\/n)$/,
    images: {
      'other-image':
        'FROM base\nRUN mkdir /srv && echo o > /srv/o && chown 9:9 /srv/o && mkdir /srv/dev && mknod /srv/dev/n c 1 3 && mkfifo /srv/p && rm /bin/wget\n',
    },
  },
  'attributes of copied files': {
    dockerfile: 'FROM base\nCOPY capable plain /x/\nCOPY --chown=app capable /y\nRUN cp /x/plain /x/again\n',
    files: { capable: '#!/bin/sh\n', plain: 'p\n' },
    prepare: 'setcap cap_net_raw,cap_chown+ep capable; setfattr -n user.note -v context plain',
  },
  // No set-id bits: 0.8 drops those of the flag and keeps those of the source.
  'modes set by a flag': {
    dockerfile: `FROM base
COPY --chmod=640 file /file
COPY --chmod=711 --chown=app file /owned
COPY --chmod=0777 file link tree/* /several/
COPY --from=base --chmod=700 /bin/busybox /etc/group /from/
`,
    // BuildKit 0.8 does not give the mode of the flag to missing parents.
    apart: /^(several|from)$/,
    files: { file: 'f', 'tree/a': 'a', 'tree/b': 'b' },
    prepare: 'chmod 600 file; ln -s file link',
  },
  'ignored files': {
    dockerfile: 'FROM base\nCOPY . /all\nCOPY docs/*.md /docs/\nCOPY --chown=app a /a\n',
    differs: contextRoot('all'),
    files: {
      '.dockerignore': `# comment
*.log
!keep.log
docs/**
!docs/*.md
docs/secret.md
**/node_modules
a/*/c
!a/keep/c
  spaced
/rooted
tmp*/
[x-z]?
\\#hash
Dockerfile
.dockerignore
`,
      'a.log': 'x',
      'keep.log': 'x',
      'sub/b.log': 'x',
      'docs/a.md': 'x',
      'docs/secret.md': 'x',
      'docs/b.txt': 'x',
      'docs/sub/c.md': 'x',
      'node_modules/m': 'x',
      'a/node_modules/m/n': 'x',
      'a/b/c': 'x',
      'a/keep/c': 'x',
      'a/b/d': 'x',
      spaced: 'x',
      rooted: 'x',
      'sub/rooted': 'x',
      'tmp1/f': 'x',
      y1: 'x',
      '#hash': 'x',
    },
  },
  'unusual names': {
    dockerfile: `FROM base
COPY . /all/
COPY ["with space", "quo\\\\\\"te", "/json dir/"]
COPY with?space quo\\"te /wild/
COPY quo\\"te /an\\"other
COPY ü/ /umlaut/
COPY [[]bracket] /bracket
COPY *.txt /stars/
RUN cd /all && mv 'with space' "$(printf 'line\\nbreak')" && echo x > "back\\\\slash\\\\ü	t" && rm "quo\\"te" && touch ./-dash '$dollar' '...' '.wh' && ln -s 'a b	c' 'lïnk'
`,
    differs: contextRoot('all'),
    files: {
      'with space': '1',
      'quo"te': '2',
      'ü/ö/文字': '3',
      '[bracket]': '4',
      'star*.txt': '5',
      'new\nline': '6',
      'back\\slash': '7',
      [`long-${'x'.repeat(240)}`]: '8',
      [`${'deep/'.repeat(60)}file`]: '9',
    },
  },
  'ADD of archives': {
    dockerfile: `FROM base
ADD plain.tar /plain/
ADD z.tar.gz z.tar.bz2 /several/
ADD z.tar.xz /xz
ADD --chown=app:extra plain.tar /owned
ADD z.tar.gz file /mixed/
ADD not-a.tar /not-a.tar
ADD not-a.tar /dir/
COPY plain.tar /kept.tar
RUN mkdir -m 700 /over && echo old > /over/f && ln -s /etc /over/d && echo file > /over/e
ADD over.tar /over/
ADD dir /from-dir
`,
    // --chown did not reach what is in an archive before BuildKit 0.23.
    apart: /^owned\//,
    // BuildKit may give a directory the time at which it received what is in it.
    differs: /^from-dir$/,
    files: { 'in/f': 'f\n', 'in/d/g': 'g\n', file: 'x\n', 'not-a.tar': 'no archive\n', 'dir/x.tar': 'y' },
    prepare: `chmod 750 in/d; chmod 4755 in/f; ln -s d/g in/l; ln in/f in/hard; mkdir -m 1777 in/empty; mkfifo in/p; mknod in/n c 1 5; setcap cap_chown+ep in/d/g
find in -exec touch -h -d @1400000000 {} +
tar -C in --numeric-owner --owner=11 --group=12 --xattrs --xattrs-include='*' --pax-option=delete=atime,delete=ctime -cf plain.tar .
export TAR_OPTIONS=--mtime=@1400000000; mkdir z; echo z > z/z; tar -cf z1.tar z; gzip -c z1.tar > z.tar.gz; echo b > z/b; tar -cf z2.tar z; bzip2 -c z2.tar > z.tar.bz2; echo x > z/x; tar -cf z3.tar z; xz -c z3.tar > z.tar.xz
rm z1.tar z2.tar z3.tar; mkdir o; echo new > o/f; mkdir o/e; echo in-e > o/e/in; tar -C o -cf over.tar f e; rm -r o z in`,
  },
  'a file in place of a directory of the base and back': {
    dockerfile: `FROM base
RUN mkdir -p /d/x && echo 1 > /d/x/1 && echo f > /f
RUN rm -r /d && echo now > /d && rm /f && mkdir /f
COPY one /f/
RUN rm /d && mkdir /d
COPY src /d
`,
    files: { one: '1', 'src/2': '2' },
  },
}
