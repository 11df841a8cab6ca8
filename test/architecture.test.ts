// The direction of imports, the absence of cycles and the purity of the pure folders, as failing tests.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/** Who may import whom; a folder may always import itself and npm packages. */
const allowed: Record<string, readonly string[]> = {
  grammar: [],
  core: [],
  dockerfile: ['core', 'grammar'],
  image: ['core'],
  graph: ['core'],
  buildkit: ['core', 'graph'],
  plan: ['core', 'dockerfile', 'image', 'graph'],
  solve: ['core', 'graph'],
  explain: ['core', 'graph', 'solve'],
  sys: ['core'],
  store: ['core', 'sys'],
  sandbox: ['core', 'sys', 'snapshot'],
  compression: ['core', 'sys'],
  layer: ['core', 'sys', 'store', 'compression'],
  snapshot: ['core', 'sys', 'store', 'layer'],
  registry: ['core', 'image', 'store', 'sys'],
  fetch: ['core', 'store', 'sys', 'registry', 'compression'],
  cache: ['core', 'graph', 'solve', 'explain', 'store', 'registry', 'sys'],
  disk: ['core', 'graph', 'solve', 'sys', 'store', 'snapshot', 'cache', 'cache-mounts'],
  ssh: ['core'],
  'cache-mounts': ['core', 'sys', 'store', 'compression', 'layer', 'snapshot'],
  'remote-cache': [
    'core',
    'graph',
    'buildkit',
    'solve',
    'image',
    'store',
    'registry',
    'export',
    'compression',
    'cache-mounts',
    'sys',
  ],
  ops: [
    'buildkit',
    'cache-mounts',
    'ssh',
    'core',
    'dockerfile',
    'graph',
    'image',
    'solve',
    'sys',
    'store',
    'compression',
    'layer',
    'snapshot',
    'sandbox',
    'registry',
    'fetch',
  ],
  export: ['core', 'image', 'compression', 'store', 'layer', 'snapshot', 'registry', 'sys'],
  progress: ['core'],
  cli: ['core', 'graph', 'progress', 'app', 'root'],
  app: [
    'buildkit',
    'remote-cache',
    'cache-mounts',
    'disk',
    'ssh',
    'core',
    'dockerfile',
    'image',
    'graph',
    'plan',
    'solve',
    'explain',
    'sys',
    'store',
    'sandbox',
    'compression',
    'layer',
    'snapshot',
    'registry',
    'fetch',
    'cache',
    'ops',
    'export',
  ],
  root: ['core', 'graph', 'plan', 'solve', 'explain', 'store', 'cache', 'app'],
}
const pure = ['grammar', 'core', 'dockerfile', 'image', 'graph', 'buildkit', 'plan', 'solve', 'explain']
const ambient = ['cli', 'progress']

const files = ['src', 'grammar'].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(top, name)),
)
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))

/** The folder a file belongs to; a file directly in src (build.ts) is in `root`. */
function folderOf(file: string): string {
  const [top, second, third] = file.split('/')
  if (top === 'grammar') return 'grammar'
  return third === undefined ? 'root' : (second ?? '')
}

function importsOf(file: string): string[] {
  const text = sources.get(file) ?? ''
  const statements = text.matchAll(/^(?:import|export)\b(?:[^'"`;]*?\bfrom)?\s*'([^'\n]+)'/gm)
  const dynamic = text.matchAll(/\bimport\(\s*'([^'\n]+)'\s*\)/g)
  return [...new Set([...statements, ...dynamic].map((m) => m[1] ?? ''))]
}

function localImports(file: string): string[] {
  return importsOf(file)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(root, resolve(root, dirname(file), name)))
}

function isData(target: string): boolean {
  return target.endsWith('.json') && existsSync(join(root, target))
}

describe('architecture', () => {
  it('knows every folder', () => {
    expect(files.map(folderOf).filter((folder) => !(folder in allowed))).toEqual([])
    expect(files.length).toBeGreaterThan(50)
  })

  it('imports only point the allowed way', () => {
    const wrong: string[] = []
    for (const file of files) {
      const from = folderOf(file)
      for (const target of localImports(file)) {
        const to = folderOf(target)
        if (!sources.has(target) && !isData(target))
          wrong.push(`${file} imports ${target}, which does not exist`)
        else if (to !== from && !allowed[from]?.includes(to)) wrong.push(`${file} → ${target}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('has no cycle of files, type imports included', () => {
    const state = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
        return
      }
      state.set(file, 'open')
      for (const target of localImports(file)) visit(target, [...path, file])
      state.set(file, 'done')
    }
    for (const file of files) visit(file, [])
    expect(cycles).toEqual([])
  })

  it('keeps the pure folders free of the outside world', () => {
    const wrong = files.flatMap((file) =>
      pure.includes(folderOf(file))
        ? importsOf(file)
            .filter((name) => /^node:(?!crypto|buffer|util|zlib$)/.test(name) || name === 'undici')
            .map((name) => `${file} imports ${name}`)
        : [],
    )
    expect(wrong).toEqual([])
  })

  it('reads clock, environment and chance only at the edge', () => {
    const wrong = files.flatMap((file) => {
      if (ambient.includes(folderOf(file))) return []
      const code = (sources.get(file) ?? '').replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')
      return [
        ...code.matchAll(/process\.(?:env|cwd)\b|\bnew Date\(\)|\bDate\.now\b|\bMath\.random\b|\bconsole\./g),
      ].map((m) => `${file}: ${m[0]}`)
    })
    expect(wrong).toEqual([])
  })

  it('has no barrels, default exports or vague names', () => {
    const wrong = files.filter(
      (file) =>
        /(^|\/)(index|util|utils|helpers?|manager|common)\.ts$/.test(file) ||
        /^export default\b/m.test(sources.get(file) ?? ''),
    )
    expect(wrong).toEqual([])
  })

  it('has only the agreed entries at the top level', () => {
    const tracked = [
      'LICENSE',
      'README.md',
      'fixtures',
      'grammar',
      'native',
      'package-lock.json',
      'package.json',
      'src',
      'test',
      'tsconfig.json',
    ]
    const found = readdirSync(root).filter(
      (name) => !name.startsWith('.') && name !== 'node_modules' && name !== 'dist',
    )
    expect(found.sort()).toEqual(tracked.sort())
  })
})
