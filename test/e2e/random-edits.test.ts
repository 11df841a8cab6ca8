// A small project edited fifty times at random (files, ignore file, Dockerfile, args), each time built with the cache that
// all the builds before it have filled and, in a state directory of its own, without any: the file trees are the same to
// the byte. Times are pinned, because the one build copied at another moment than the other.
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import '../support/property-seed.ts'
import { busyboxTar, imageFromTar } from './support/bases.ts'
import { missing, type Workspace, workspace } from './support/slipway.ts'

const lacking = missing('busybox')
const edits = 50
const epoch = 1_700_000_000
/** Times before the epoch are kept, and no cache tells them apart. */
const laterThanEpoch = epoch + 10_000_000

const paths = [
  'src/main.txt',
  'src/util/a.txt',
  'src/util/b.txt',
  'assets/logo',
  'assets/deep/x',
  'docs/read.md',
]
const path = fc.constantFrom(...paths)
const edit = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), path, text: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), path }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('mode' as const),
      path,
      mode: fc.constantFrom(0o600, 0o644, 0o755),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('link' as const),
      path,
      to: fc.constantFrom('main.txt', '../x'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('touch' as const), path }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), path, to: path }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('ignore' as const),
      line: fc.constantFrom('docs', 'src/util', '**/x', '!src/util/a.txt'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('arg' as const),
      name: fc.constantFrom('LEVEL', 'SUFFIX'),
      value: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('env' as const), value: fc.nat(2) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('step' as const),
      stage: fc.nat(1),
      text: fc.nat(2),
      at: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('flags' as const),
      flags: fc.constantFrom('', '--chmod=640', '--chown=1000:1000', '--link'),
    }),
  },
)
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

/** What the Dockerfile says besides what stays. */
interface Options {
  env: number
  flags: string
  /** Further RUNs by stage, in order. */
  readonly more: [string[], string[]]
  readonly args: Record<string, number>
  readonly ignored: Set<string>
}

function dockerfile({ env, flags, more }: Options): string {
  return [
    'FROM base AS build',
    'ARG LEVEL=0',
    'WORKDIR /w',
    'COPY src ./src',
    ...more[0],
    'RUN find src -type f | sort | xargs -r cat > all; echo $LEVEL >> all',
    'FROM base AS check',
    'RUN --mount=type=bind,target=/c find /c -type f | sort | xargs -r md5sum > /sums',
    'FROM base',
    `ENV MODE=${env}`,
    `COPY ${flags} assets /assets`,
    'ARG SUFFIX=0',
    'RUN find /assets | sort | xargs stat -c "%a %u:%g %n" > /listing; echo $MODE $SUFFIX > /mode',
    ...more[1],
    'COPY --from=build /w/all /out/',
    'COPY --from=check /sums /out/',
    '',
  ].join('\n')
}

type FileEdit = Extract<Edit, { path: string }>

function applyToFile(context: string, e: FileEdit): void {
  const at = join(context, e.path)
  const found = lstatSync(at, { throwIfNoEntry: false })
  if (e.kind === 'write' || e.kind === 'link') {
    rmSync(at, { force: true })
    mkdirSync(dirname(at), { recursive: true })
    if (e.kind === 'link') symlinkSync(e.to, at)
    else writeFileSync(at, `text ${e.text} of ${e.path}\n`)
  } else if (found === undefined) return
  else if (e.kind === 'remove') rmSync(at)
  else if (e.kind === 'rename') renameSync(at, join(context, e.to))
  else if (found.isSymbolicLink()) return
  else if (e.kind === 'mode') chmodSync(at, e.mode)
  else utimesSync(at, laterThanEpoch, laterThanEpoch)
}

function apply(context: string, options: Options, e: Edit): void {
  if ('path' in e) {
    applyToFile(context, e)
    return
  }
  switch (e.kind) {
    case 'ignore':
      if (!options.ignored.delete(e.line)) options.ignored.add(e.line)
      writeFileSync(join(context, '.dockerignore'), [...options.ignored, ''].join('\n'))
      break
    case 'arg':
      options.args[e.name] = e.value
      break
    case 'env':
      options.env = e.value
      break
    case 'flags':
      options.flags = e.flags
      break
    case 'step': {
      const steps = options.more[e.stage === 0 ? 0 : 1]
      const line = `RUN echo ${e.text} > /tmp/step${e.text}`
      const known = steps.indexOf(line)
      if (known === -1) steps.splice(Math.min(e.at, steps.length), 0, line)
      else steps.splice(known, 1)
    }
  }
  writeFileSync(join(context, 'Dockerfile'), dockerfile(options))
}

describe.skipIf(lacking !== undefined)(`random edits (needs ${lacking ?? 'nothing more'})`, () => {
  let cached: Workspace
  let plain: Workspace
  beforeAll(() => {
    cached = workspace()
    plain = workspace()
    imageFromTar(cached, 'base', busyboxTar())
    imageFromTar(plain, 'base', busyboxTar())
  })
  afterAll(() => {
    cached?.[Symbol.dispose]()
    plain?.[Symbol.dispose]()
  })

  it('give what a build without a cache gives', { timeout: 600_000 }, () => {
    const options: Options = { env: 0, flags: '', more: [[], []], args: {}, ignored: new Set() }
    // So that no COPY ever finds nothing.
    const kept = { 'src/kept': 'kept\n', 'assets/kept': 'kept\n' }
    const files = Object.fromEntries(paths.map((name) => [name, `first ${name}\n`]))
    const context = cached.context('project', {
      Dockerfile: dockerfile(options),
      '.dockerignore': '',
      ...files,
      ...kept,
    })
    const journal = join(cached.directory, 'edits')
    const tree = (
      ws: Workspace,
      ...flags: string[]
    ): { readonly digest: string; readonly stderr: string } => {
      const out = join(ws.directory, 'out.tar')
      const args = Object.entries(options.args).flatMap(([name, value]) => [
        '--build-arg',
        `${name}=${value}`,
      ])
      const { stderr } = ws.ok(
        ...['build', '--progress=plain', '--explain', '--build-arg', `SOURCE_DATE_EPOCH=${epoch}`],
        ...['-o', `type=tar,dest=${out}`, ...args, ...flags, context],
      )
      return { digest: createHash('sha256').update(readFileSync(out)).digest('hex'), stderr }
    }
    tree(cached)
    let hits = 0
    let misses = 0
    const random = fc.sample(edit, edits)
    for (const [i, e] of random.entries()) {
      appendFileSync(journal, `${JSON.stringify(e)}\n`)
      apply(context, options, e)
      const { digest, stderr } = tree(cached)
      const told = `edit ${i} of\n${readFileSync(journal, 'utf8')}\n${readFileSync(join(context, 'Dockerfile'), 'utf8')}\n${stderr}`
      expect(digest, told).toBe(tree(plain, '--no-cache').digest)
      hits += stderr.match(/CACHED/g)?.length ?? 0
      misses += stderr.match(/^#\d+ (?:MISS|miss): /gm)?.length ?? 0
      // Whatever a step ran for, it is an edit: nothing was ever evicted, and nothing ran for no reason.
      expect(stderr, told).not.toMatch(/not in the cache any more/)
      expect(digest, told).toBe(tree(cached).digest)
    }
    expect(hits).toBeGreaterThan(edits)
    expect(misses).toBeGreaterThan(edits / 5)
  })
})
