// How long a large Dockerfile takes from its text to its plan, in processes of its own, because the first time counts,
// and what the grammars cost at start-up. Images are known already: no registry, no store.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { build } from 'esbuild'
import { run } from './peers.mjs'

const root = new URL('../..', import.meta.url).pathname

const real = {
  base: 'debian:12',
  parent: (i) => `stage${i - 1}`,
  file: '/etc/hostname "/h${VERSION#1.}"',
  command:
    'set -eux; \\\n    apt-get update; \\\n    apt-get install -y --no-install-recommends curl=${VERSION:-1}',
  script: (i) => `RUN <<EOF\necho ${i} > /done\nEOF`,
}

/** 50 stages, 500 instructions, of every kind that people use; each stage needs the one before, and stands on its `parent`. */
export function largeDockerfile({ base, parent, file, command, script } = real) {
  const stage = (i) => [
    `FROM ${i === 0 ? base : parent(i)} AS stage${i}`,
    `ARG VERSION=1.${i}`,
    `ENV APP_HOME=/srv/app${i} PATH="/srv/app${i}/bin:\${PATH}"`,
    `WORKDIR \${APP_HOME}`,
    `RUN --mount=type=cache,target=/var/cache/apt ${command}`,
    `COPY --chown=1000:1000 package.json lib/*.js ./`,
    `COPY --from=${i === 0 ? base : `stage${i - 1}`} ${file}`,
    script(i),
    `LABEL org.example.stage="${i}" org.example.version=$VERSION`,
    i === 49 ? `CMD ["node", "main.js"]` : `EXPOSE ${8000 + i}/tcp`,
  ]
  return `${Array.from({ length: 50 }, (_, i) => stage(i).join('\n')).join('\n')}\n`
}

const measured = `
const started = performance.now()
const { parseDockerfile } = require('./src/dockerfile/parse.ts')
const { toStages } = require('./src/dockerfile/stages.ts')
const { lint } = require('./src/dockerfile/lint/lint.ts')
const { plan } = require('./src/plan/plan.ts')
const { defaultPlanOptions } = require('./src/plan/types.ts')
const { delayOptimization } = require('./src/cli/engine.ts')
const loaded = performance.now()

const pin = { kind: 'image', manifest: 'sha256:' + '1'.repeat(64), layers: 1, config: {
  architecture: 'amd64', os: 'linux', config: { Env: ['PATH=/bin'] },
  rootfs: { type: 'layers', diff_ids: ['sha256:' + 'a'.repeat(64)] },
} }
const pins = { 'docker.io/library/debian:12 linux/amd64': pin }
function read(text) {
  const begun = performance.now()
  const parsed = parseDockerfile(text, 'Dockerfile')
  const stages = toStages(parsed.value)
  lint({ file: parsed.value, stages: stages.value })
  const files = [{ name: 'Dockerfile', text }]
  const planned = plan(stages.value, defaultPlanOptions({ os: 'linux', architecture: 'amd64' }, files), pins)
  const errors = [...parsed.diagnostics, ...stages.diagnostics, ...planned.diagnostics]
    .filter(({ severity, code }) => severity === 'error' && code !== 'NotSupportedYet')
  if (errors.length > 0 || planned.value.kind !== 'ready') throw new Error(JSON.stringify([errors, planned.value.kind]))
  return performance.now() - begun
}
const small = 'FROM debian:12\\nENV A=\${B:-c}\\nRUN a\\n'
function measure() {
  delayOptimization()
  const grammars = read(small)
  const text = require('node:fs').readFileSync(0, 'utf8')
  const first = read(text)
  const times = Array.from({ length: 9 }, () => read(text)).sort((a, b) => a - b)
  console.log(JSON.stringify({ load: loaded - started, grammars, first, later: times[4] }))
}
const { startupSnapshot } = require('node:v8')
if (startupSnapshot.isBuildingSnapshot()) {
  require('./src/app/warm-up.ts').warmUpBuild()
  startupSnapshot.setDeserializeMainFunction(measure)
} else measure()
`

/**
 * Milliseconds, medians of 9 processes: the file at `first` and again `later` in a process that starts as slipway does,
 * from a snapshot; and what that saves, `load`ing the code and building the `grammars`, in one that does not.
 */
export async function largeFile(work) {
  const at = (name) => join(work, name)
  const stdin = { contents: measured, resolveDir: root, sourcefile: 'language.js', loader: 'js' }
  const outfile = at('language.cjs')
  const supported = { 'dynamic-import': false }
  await build({ bundle: true, platform: 'node', format: 'cjs', target: 'node20', supported, stdin, outfile })
  const frozen = ['--no-rehash-snapshot', '--snapshot-blob', at('language.blob')]
  run([process.execPath, ...frozen, '--build-snapshot', outfile])
  const input = largeDockerfile()
  const medians = (argv) => {
    const runs = Array.from({ length: 9 }, () =>
      JSON.parse(execFileSync(process.execPath, argv, { input, encoding: 'utf8' })),
    )
    return Object.fromEntries(
      Object.keys(runs[0]).map((name) => [name, runs.map((one) => one[name]).sort((a, b) => a - b)[4]]),
    )
  }
  const { first, later } = medians(frozen)
  const { load, grammars } = medians([outfile])
  return { first, later, load, grammars }
}
