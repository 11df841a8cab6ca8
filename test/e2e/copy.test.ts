// COPY and ADD where no other builder says what is right: error texts, what layers cannot hold (nanoseconds, holes, sockets),
// the cache, and where slipway takes what BuildKit's transfer of the context loses. The rest is in peers.test.ts.
import { execFileSync } from 'node:child_process'
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { type Finished, missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox', 'perl', 'setfattr', 'getfattr')

const files = {
  f: 'f\n',
  'a.txt': 'a\n',
  'b.txt': 'b\n',
  'd/one': '1\n',
  'd/two': '2\n',
  'd/sub/three': '3\n',
  'odd/[x]': 'x\n',
  'odd/back\\slash': 'b\n',
  'odd/trail ': 't\n',
  'odd/ü': 'u\n',
  'named/.wh.f': 'w\n',
  'links/f': 'f\n',
}
const prepare = `ln -s nowhere links/dangling; ln -s loop links/loop; ln -s ../../../../etc/passwd links/outside; ln -s ../f links/up
ln -s sub d/link; mkdir sparse; truncate -s 8M sparse/file; printf end >> sparse/file
mkdir special; mkfifo special/pipe; mknod -m 660 special/block b 7 0; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "special/socket", Listen => 1)'
setfattr -n user.note -v file f; setfattr -n user.note -v directory d/sub
tar -cf plain.tar -C d one; head -c 512 plain.tar > header.tar; mkdir empty
find . -exec touch -h -d 2001-02-03T04:05:06.123456789Z {} +`

describe.skipIf(lacking !== undefined)(`COPY and ADD (needs ${lacking ?? 'nothing more'})`, () => {
  let ws: Workspace
  let context: string
  let count = 0
  beforeAll(() => {
    ws = workspace()
    imageFromTar(ws, 'base', busyboxTar())
    context = ws.context('context', files)
    execFileSync('sh', ['-ec', prepare], { cwd: context })
  })
  afterAll(() => ws?.[Symbol.dispose]())

  /** Builds a Dockerfile that is not in the context; `more` are flags. */
  const build = (dockerfile: string, ...more: readonly string[]): Finished => {
    const file = join(ws.directory, `Dockerfile-${++count}`)
    writeFileSync(file, dockerfile)
    return ws.slipway('build', '--progress=plain', '-f', file, ...more, context)
  }
  /** The directory that the build's tree is written to. */
  const built = (dockerfile: string, ...more: readonly string[]): string => {
    const tree = join(ws.directory, `tree-${count}`)
    const { status, stderr } = build(dockerfile, '-o', `type=local,dest=${tree}`, ...more)
    expect(status, stderr).toBe(0)
    return tree
  }
  const names = (tree: string): string[] => readdirSync(tree, { recursive: true }).map(String).sort()

  describe('says what is wrong', () => {
    const failures: readonly [dockerfile: string, message: RegExp][] = [
      ['COPY fo /', /COPY failed: "\/fo": not found in the build context/],
      ['COPY d/tow /', /"\/d\/tow": not found in the build context[\s\S]*did you mean "\/d\/two"\?/],
      ['COPY nowhere/* /to/', /"\/nowhere": not found in the build context/],
      ['COPY f/x /', /"\/f\/x": not found/],
      ['ADD gone.tar /', /ADD failed: "\/gone.tar": not found in the build context/],
      ['COPY links/dangling /', /"\/links\/dangling": not found/],
      ['COPY links/loop /', /"\/links\/loop": not found/],
      ['COPY links/outside /', /"\/links\/outside": not found/],
      ['COPY --from=base /nope /', /"\/nope": not found in the image/],
      ['COPY d /etc/passwd', /cannot copy to non-directory: "\/etc\/passwd"/],
      ['COPY f /etc/passwd/f', /not a directory: "\/etc\/passwd"/],
      ['COPY f /etc/passwd/', /not a directory: "\/etc\/passwd"/],
      ['RUN mkdir -p /to/f\nCOPY f /to', /cannot replace to directory "\/to\/f" with file/],
      ['RUN mkdir /to && touch /to/sub\nCOPY d /to', /cannot copy to non-directory: "\/to\/sub"/],
      ['RUN ln -s l /l\nCOPY f /l', /resolve destination "\/l": too many levels of symbolic links/],
      ['COPY --chown=nobody f /', /unable to find user "nobody" .*no matching entry in \/etc\/passwd/],
      ['COPY --chown=0:nogroup f /', /unable to find group "nogroup" .*no matching entry in \/etc\/group/],
      ['COPY --chmod=u+q f /', /invalid chmod parameter: 'u\+q'/],
      ['COPY --link --chown=app f /', /user and group names can't be resolved when used with --link/],
      ['COPY --parents d/nope /', /"\/d\/nope": not found/],
      ['COPY --parents d/./ /', /"\/d": with --parents it names nothing to copy/],
      ['COPY --parents gone/./d /', /"\/gone": not found/],
      ['COPY [a /', /syntax error in pattern "\[a"/],
      ['COPY --exclude=[a d /', /syntax error in pattern "\[a"/],
      ['COPY special/socket /', /"\/special\/socket" is a socket, which cannot be copied/],
      ['COPY named /to', /"\/to\/\.wh\.f": names that begin with \.wh\. are whiteouts/],
      ['COPY f /.wh.x', /"\/\.wh\.x": names that begin with \.wh\. are whiteouts/],
      ['COPY https://127.0.0.1:9/f /', /source can't be a URL for COPY/],
      ['COPY git@127.0.0.1:f.git /', /source can't be a git ref for COPY/],
      ['ADD --checksum=sha256:00 f /', /checksum requires HTTP\(S\) or Git sources/],
    ]
    it.each(failures)('%s', (text, message) => {
      const { status, stderr } = build(`FROM base\n${text}\n`)
      expect(status).toBe(1)
      expect(stderr).toMatch(message)
    })

    it('an owner by name where there is no accounts file', () => {
      const { status, stderr } = build('FROM scratch\nCOPY --chown=app f /\n')
      expect([status, stderr]).toEqual([
        1,
        expect.stringMatching(/unable to find user "app" .*\/etc\/passwd/),
      ])
    })

    it('that one file is written over another, and goes on', () => {
      const { status, stderr } = build('FROM scratch\nCOPY *.txt /to\n')
      expect([status, stderr]).toEqual([
        0,
        expect.stringContaining('warning: "a.txt" and "b.txt" both become "/to": only the last one stays'),
      ])
    })
  })

  describe('copies what is there', () => {
    const accepted: readonly [dockerfile: string, names: readonly string[]][] = [
      // BuildKit does not find these: its transfer of the context reads the names as patterns once more.
      ['COPY odd/back\\\\slash /', ['back\\slash']],
      ['COPY ["odd/trail ", "/"]', ['trail ']],
      ['COPY odd/\\\\[?\\\\] /', ['[x]']],
      // Nor a directory of which nothing was asked for.
      ['COPY d/nothing* f /to/', ['to', 'to/f']],
      // Nor a pivot of --parents that is a link.
      ['COPY --parents d/link/./three /', ['three']],
      // The documentation has it so, BuildKit judges only what is in directories (moby/buildkit#5489).
      ['COPY --exclude=a* *.txt /to/', ['to', 'to/b.txt']],
      ['COPY --exclude=f f a.txt /to/', ['to', 'to/a.txt']],
      ['ADD --exclude=*.tar plain.tar f /to/', ['to', 'to/f']],
      // BuildKit copies the files that the pattern before a pivot means, too.
      ['COPY --parents ./*/./one /to/', ['to', 'to/one']],
      ['COPY links/up /', ['up']],
      ['COPY d/? odd/? /', ['ü']],
      ['COPY empty /to', ['to']],
      ['COPY nothing* d/*nothing /to/', []],
    ]
    it.each(accepted)('%s', (text, expected) => {
      expect(names(built(`FROM scratch\n${text}\n`))).toEqual(expected)
    })

    it('but no socket that it sweeps over, and every device as what it is', () => {
      const tree = built('FROM scratch\nCOPY special /to\n')
      expect(names(tree)).toEqual(['to', 'to/block', 'to/pipe'])
      // BuildKit makes a character device of it.
      expect(lstatSync(join(tree, 'to/block')).isBlockDevice()).toBe(true)
      expect(lstatSync(join(tree, 'to/pipe')).isFIFO()).toBe(true)
    })

    it('with times to the nanosecond, also of links, directories and copies of copies', () => {
      const tree = built('FROM scratch AS one\nCOPY d /one\nFROM scratch\nCOPY --from=one /one /two\n')
      for (const name of ['two', 'two/one', 'two/link', 'two/sub', 'two/sub/three']) {
        expect([name, lstatSync(join(tree, name), { bigint: true }).mtimeNs]).toEqual([
          name,
          981173106123456789n,
        ])
      }
    })

    it('with the holes of files, also in a stage and from it', () => {
      const blocks = 'stat -c "%b %s" /x/file /ctx/file > /blocks && cmp /x/file /ctx/file'
      const tree = built(
        `FROM base AS one\nCOPY sparse /x\nFROM base\nCOPY --from=one /x /x\nCOPY sparse /ctx\nRUN ${blocks}\n`,
      )
      const [copy = '', direct] = readFileSync(join(tree, 'blocks'), 'utf8').trim().split('\n')
      const [used, size] = copy.split(' ').map(Number)
      expect([used, size, direct]).toEqual([expect.any(Number), (8 << 20) + 3, copy])
      expect(used).toBeLessThan(64)
    })

    it('with attributes of files and directories', () => {
      const tree = built('FROM scratch AS one\nCOPY f d /x/\nFROM scratch\nCOPY --from=one /x /y\n')
      const note = (name: string) =>
        execFileSync('getfattr', ['--only-values', '-n', 'user.note', join(tree, name)], { encoding: 'utf8' })
      expect([note('y/f'), note('y/sub')]).toEqual(['file', 'directory'])
    })

    it('from a named context, by its own ignore file', () => {
      const other = ws.context('other', { 'x/y': 'y\n', 'x/z': 'z\n', '.dockerignore': 'x/z\n' })
      const tree = built('FROM scratch\nCOPY --from=other x /x\n', '--build-context', `other=${other}`)
      expect(names(tree)).toEqual(['x', 'x/y'])
    })

    it('by the ignore file that belongs to the Dockerfile', () => {
      const own = ws.context('own', {
        ...files,
        'x.Dockerfile': 'FROM scratch\nCOPY *.txt /\n',
        'x.Dockerfile.dockerignore': 'a.txt\n',
        '.dockerignore': 'b.txt\n',
      })
      const tree = join(ws.directory, 'own-tree')
      ws.ok('build', '-f', join(own, 'x.Dockerfile'), '-o', `type=local,dest=${tree}`, own)
      expect(names(tree)).toEqual(['b.txt'])
    })
  })

  describe('runs only what has changed', () => {
    /** Which of a build's steps had a result already, by the words they begin with. */
    const cached = ({ status, stderr }: Finished): string[] => {
      expect(status, stderr).toBe(0)
      return [...stderr.matchAll(/^#\d+ \[[^\]]*\] (.*)\n#\d+ CACHED$/gm)].map(([, title = '']) => title)
    }

    it('not what was linked, when only the base has changed', () => {
      const text = (base: string) =>
        `FROM base\nRUN echo ${base} > /base\nCOPY --link --chown=7 f d /to/\nCOPY f /g\nRUN stat -c %u /to/one > /owner\n`
      expect(cached(build(text('first')))).toEqual([])
      expect(cached(build(text('second')))).toEqual(['COPY --link --chown=7 f d /to/'])
      const tree = built(text('third'))
      expect(readFileSync(join(tree, 'base'), 'utf8')).toBe('third\n')
      expect(readFileSync(join(tree, 'owner'), 'utf8')).toBe('7\n')
    })

    it('nothing for times, owners, other names and what is excluded', () => {
      const own = ws.context('cache', files)
      const file = join(own, 'Dockerfile')
      writeFileSync(file, 'FROM scratch\nCOPY --exclude=two d /d\nCOPY *.txt /t/\n')
      const again = () => cached(ws.slipway('build', '--progress=plain', own))
      const [directory, wild] = ['COPY --exclude=two d /d', 'COPY *.txt /t/']
      expect(again()).toEqual([])
      utimesSync(join(own, 'd/one'), 1, 2)
      execFileSync('chown', ['5:6', join(own, 'd/sub/three')])
      writeFileSync(join(own, 'd/two'), 'changed\n')
      writeFileSync(join(own, 'other'), 'new\n')
      expect(again()).toEqual([directory, wild])
      chmodSync(join(own, 'd/sub'), 0o700)
      expect(again()).toEqual([])
      writeFileSync(join(own, 'c.txt'), 'new\n')
      expect(again()).toEqual([directory])
      rmSync(join(own, 'd/one'))
      expect(again()).toEqual([])
    })
  })
})
