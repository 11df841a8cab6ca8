// Bundles src/cli/main.ts for Node and freezes it into a V8 start-up snapshot beside the native launcher.
import { execFileSync } from 'node:child_process'
import { readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const root = new URL('..', import.meta.url).pathname
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  absWorkingDir: root,
  legalComments: 'none',
  logLevel: 'warning',
  define: { 'process.env.SLIPWAY_VERSION': JSON.stringify(version) },
}
await build({ ...common, entryPoints: { slipway: 'src/cli/main.ts' }, outdir: 'dist', outExtension: { '.js': '.cjs' } })
