// Small cases of COPY, ADD and .dockerignore: the tree they copy from, the image they copy onto, and where the versions
// of BuildKit differ among themselves or slipway from the newest on purpose.
import type { PeerCase, PeerCases } from './case.ts'
import { smallCases } from './small.ts'

const tree: Omit<PeerCase, 'dockerfile'> = {
  files: {
    f: 'f\n',
    'a.txt': 'a\n',
    'b.txt': 'b\n',
    'c.md': 'c\n',
    none: '',
    '.hidden': 'hidden\n',
    '.config/inner': 'inner\n',
    'd/one': '1\n',
    'd/two': '2\n',
    'd/.dot': 'dot\n',
    'd/sub/three': '3\n',
    'd/sub/deep/four': '4\n',
    'same/name': 'same\n',
    'other/name': 'other\n',
    'hard/first': 'hard\n',
    'modes/set-user': 'u\n',
    'modes/set-group': 'g\n',
    'modes/nothing': 'n\n',
    'modes/private/in': 'p\n',
    'noted/file': 'n\n',
    'odd/[x]': '1\n',
    'odd/a*b': '2\n',
    'odd/aXb': '3\n',
    'odd/q?m': '4\n',
    'odd/back\\slash': '5\n',
    'odd/ lead': '6\n',
    'odd/trail ': '7\n',
    'odd/ü': '8\n',
    'odd/-dash': '9\n',
    'odd/#hash': '10\n',
    'odd/new\nline': '11\n',
    'odd/$dollar': '12\n',
    'odd/co:lon,comma': '13\n',
    'links/f': 'in\n',
  },
  prepare: `mkdir -m 1777 d/empty; chmod 750 d/sub; chmod 640 d/two
ln -s f link; ln -s d dirlink; ln -s /d/one absolute; ln -s link chain
ln -s f links/rel; ln -s /f links/abs; ln -s ../d links/up; ln -s nowhere links/dangling; ln -s loop links/loop; ln -s ../../../f links/out; ln -s ../../../gone links/gone
ln -s f links/chain-end; ln -s chain-end links/chain
ln hard/first hard/second; mkdir hard/sub; ln hard/first hard/sub/third; ln hard/first hard-outside
chmod 4755 modes/set-user; chmod 2755 modes/set-group; chmod 0 modes/nothing; chmod 700 modes/private; mkdir -m 2775 modes/group; mkdir -m 1777 modes/sticky
setfattr -n user.note -v x noted/file; setfattr -n user.note -v y noted
mkdir -p special/dir; mkfifo -m 640 special/pipe; mknod -m 666 special/null c 1 3
mkdir sparse; truncate -s 300000 sparse/file; printf end >> sparse/file
export TAR_OPTIONS='--mtime=@1400000000 --numeric-owner --owner=3 --group=4 --sort=name'
tar -cf plain.tar d/one d/sub; gzip -n -c plain.tar > packed.tar.gz; gzip -n -c f > single.gz; cp plain.tar plain.txt
mkdir archives; cp plain.tar archives/in.tar; ln -s plain.tar archive-link; head -c 513 plain.tar > cut.tar; head -c 1024 /dev/zero > zeros.tar`,
  images: {
    furnished: `FROM base
RUN mkdir -p /dir/sub /real/below && echo old > /dir/one && echo old > /dir/sub/three && chmod 700 /dir && chown app:app /dir
RUN echo old > /file && ln -s real /link && ln -s /real /absolute && ln -s /nowhere /dangling && ln -s loop /loop
RUN ln -s file /file-link && ln -s ../../../../real /outside && ln -s /absolute /chain && ln -s nowhere/deep /deep-dangling && ln -s /real /dir/linked && ln -s file /dir/two
`,
    accounts: `FROM scratch
COPY <<EOT /etc/passwd
root:x:0:0:root:/root:/bin/sh
app:x:1000:1001::/:
twice:x:7:8::/:
twice:x:9:10::/:
+nis
# comment
broken:x:abc:1::/:
short:x:11
12:x:13:14::/:
with-dash:x:15:16::/:
EOT
COPY <<EOT /etc/group
root:x:0:
app:x:1001:
extra:x:2000:app
12:x:21:
EOT
`,
  },
}

/** BuildKit's transfer of parts of the context gives directories times of its own, not the same ones in every run. */
const context: Omit<PeerCase, 'dockerfile'> = { ...tree, received: /./ }

const plainMore: Readonly<Record<string, Partial<PeerCase>>> = {
  // BuildKit before 0.11 copies devices as empty files and leaves pipes out.
  'a star matches names that begin with a dot': { apart: /^to\/(null|pipe)$/ },
  'a variable without a value as a source': { apart: /^to\/special\// },
  'the whole context': { apart: /^to\/special\// },
}

/** Of which dockerd is asked, too. */
export const copyPlainCases: PeerCases = smallCases('copy', plainMore, context)

/** With flags that dockerd 20.10 does not know, or where it is not as newer versions are. */
export const copyNewerCases: PeerCases = smallCases('copy-newer', {}, context)

/** What no builder builds. */
export const copyRefusals: PeerCases = smallCases('copy-refusals', {}, context)

/** What dockerd 20.10 builds. */
export const copyNewerRefusals: PeerCases = smallCases('copy-newer-refusals', {}, context)
