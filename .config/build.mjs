// Bundles src/cli/main.ts into one CommonJS file for Node and freezes that file into a V8 start-up
// snapshot, which the native launcher (native/launch.c) uses when it fits the machine.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const root = new URL('..', import.meta.url).pathname
const dist = `${root}dist`
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

// One bundle for both ways of starting. In a snapshot, process.argv has no script name.
const entry = `
import { startupSnapshot } from 'node:v8'
import { printFailure } from './src/cli/failure.ts'
import { leave } from './src/cli/leave.ts'
import * as program from './src/cli/main.ts'

function start(argv) {
  const fail = (bug) => process.exit(printFailure(bug))
  process.on('uncaughtException', fail)
  // Nothing is under way any more, and nobody has come to an end: Node would call that success.
  process.on('beforeExit', () => fail(new Error('slipway stopped before it was done')))
  program.main(argv).then(leave, fail)
}

if (startupSnapshot.isBuildingSnapshot()) {
  // The snapshot is taken when nothing is left to wait for.
  program.warm().catch((bug) => {
    process.stderr.write(\`\${bug?.stack ?? bug}\n\`)
    process.exit(1)
  })
  startupSnapshot.setDeserializeMainFunction(() => start(process.argv.slice(ARGUMENTS_AT)))
} else {
  start(process.argv.slice(2))
}
`

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  absWorkingDir: root,
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
  // A program in a start-up snapshot has no import(); built-in modules are required instead.
  supported: { 'dynamic-import': false },
}

// Almost half of the program's text that only traffic with registries needs: it would be read at every start.
const apart = ['undici', 'undici/lib/dispatcher/agent.js', 'undici/lib/api/api-request.js']
await build({
  ...common,
  stdin: {
    contents: `module.exports = { ${apart.map((path) => `get '${path}'() { return require('${path}') }`)} }`,
    resolveDir: root,
    sourcefile: 'undici.js',
    loader: 'js',
  },
  outfile: `${dist}/slipway-undici.cjs`,
})

const fromApart = {
  name: 'apart',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici(\/|$)/ }, ({ path }) => ({ path, namespace: 'apart' }))
    onLoad({ filter: /./, namespace: 'apart' }, ({ path }) => {
      if (!apart.includes(path)) return { errors: [{ text: `${path} must be listed in .config/build.mjs` }] }
      const file = `require('node:path').resolve(process.env.SLIPWAY_DIST ?? __dirname, 'slipway-undici.cjs')`
      const load = `require('node:module').createRequire(${file})(${file})`
      return { contents: `module.exports = ${load}['${path}']` }
    })
  },
}

const unnamed = 'the digest of this program'

await build({
  ...common,
  plugins: [fromApart],
  stdin: { contents: entry, resolveDir: root, sourcefile: 'entry.js', loader: 'js' },
  outfile: `${dist}/slipway.cjs`,
  define: {
    'process.env.SLIPWAY_VERSION': JSON.stringify(version),
    'process.env.SLIPWAY_PROGRAM': JSON.stringify(unnamed),
    ARGUMENTS_AT: '1',
  },
})
nameProgram(`${dist}/slipway.cjs`)
checkText(`${dist}/slipway.cjs`)
freeze()

// What one program remembers another one may have to think over.
function nameProgram(path) {
  const text = readFileSync(path, 'utf8')
  const digest = createHash('sha256').update(text).digest('hex')
  writeFileSync(path, text.replaceAll(JSON.stringify(unnamed), JSON.stringify(digest)))
}

// One character outside of Latin-1, which esbuild leaves as it is in patterns, and V8 holds all of the text in twice the memory.
function checkText(path) {
  const [, before, character] = /^(.*)([^\0-\xff])/m.exec(readFileSync(path, 'utf8')) ?? []
  if (character === undefined) return
  throw new Error(
    `write \\u${character.codePointAt(0).toString(16)} for the ${character} behind ${before.slice(-80)}`,
  )
}

function freeze() {
  // Without the stamp the launcher takes the plain bundle, so it goes first and comes last.
  rmSync(`${dist}/slipway.stamp`, { force: true })
  if (!existsSync(`${dist}/slipway`)) return warn('there is no launcher (make -C native)')
  const environment = { PATH: process.env.PATH ?? '', SLIPWAY_NODE: process.execPath }
  const rehearsal = `${dist}/rehearsal`
  let frozen = prepareRehearsal(rehearsal, environment)
  if (frozen.status === 0) frozen = freezeWith({ ...environment, SLIPWAY_REHEARSAL: rehearsal })
  // Who tests the snapshot cannot see by what it does whether it is the better one.
  rmSync(`${dist}/slipway.rehearsed`, { force: true })
  if (frozen.status === 0) writeFileSync(`${dist}/slipway.rehearsed`, '')
  else {
    process.stderr.write(
      `warning: not rehearsed, unchanged builds will start more slowly: ${frozen.stderr}\n`,
    )
    frozen = freezeWith(environment)
  }
  rmSync(rehearsal, { recursive: true, force: true })
  if (frozen.status !== 0) return warn(`${frozen.stderr}`.trim())
  renameSync(`${dist}/slipway.blob.new`, `${dist}/slipway.blob`)
  const stamp = execFileSync(`${dist}/slipway`, { env: { ...environment, SLIPWAY_LAUNCHER: 'stamp' } })
  writeFileSync(`${dist}/slipway.stamp.new`, stamp)
  renameSync(`${dist}/slipway.stamp.new`, `${dist}/slipway.stamp`)
}

function freezeWith(environment) {
  return spawnSync(
    process.execPath,
    [
      // As in native/launch.c: node takes a snapshot only with the options that it was made with.
      '--no-rehash-snapshot',
      '--snapshot-blob',
      `${dist}/slipway.blob.new`,
      '--build-snapshot',
      `${dist}/slipway.cjs`,
    ],
    { env: environment, encoding: 'utf8' },
  )
}

// What src/cli/rehearse.ts builds has been built before, by a program without a snapshot.
function prepareRehearsal(directory, environment) {
  rmSync(directory, { recursive: true, force: true })
  cpSync(`${root}.config/rehearsal`, `${directory}/context`, { recursive: true })
  const env = { ...environment, SLIPWAY_ROOT: `${directory}/state` }
  const build = (name) => {
    const flags = ['-t', name, '-f', `${directory}/context/${name}.Dockerfile`]
    return spawnSync(`${dist}/slipway`, ['build', ...flags, `${directory}/context`], {
      env,
      encoding: 'utf8',
    })
  }
  const base = build('base')
  return base.status === 0 ? build('example') : base
}

function warn(reason) {
  process.stderr.write(`warning: no start-up snapshot, slipway will start more slowly: ${reason}\n`)
}
