// The records that BuildKit itself wrote for a Dockerfile are found by what slipway makes of the same files. How the
// fixture was made stands in fixtures/remote-cache/README.md.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseCacheConfig } from '../../src/buildkit/cache-config.ts'
import { indexRecords, matchRecords } from '../../src/buildkit/match.ts'
import { vertexOf } from '../../src/buildkit/vertices.ts'
import { parseDigest } from '../../src/core/digest.ts'
import { parseIgnoreFile } from '../../src/dockerfile/ignore-file.ts'
import type { Graph, OpRef } from '../../src/graph/op.ts'
import { walk } from '../../src/graph/walk.ts'
import { openSources } from '../../src/ops/copy/sources.ts'
import { plan } from '../../src/plan/plan.ts'
import type { PlanOptions } from '../../src/plan/types.ts'
import type { Result } from '../../src/solve/types.ts'
import { openNative } from '../../src/sys/native.ts'
import { testContext } from '../ops/support/context.ts'
import { writeTree } from '../ops/support/rig.ts'
import { amd64, optionsWith, stagesOf } from '../plan/support.ts'
import { writeHint } from '../support/write-hint.ts'

const fixture = resolve(import.meta.dirname, '../../fixtures/remote-cache')
const diffId = parseDigest('sha256:653b986d642051a935c012f76d2befdfeeefc03dce12feea1f03bd3e6b657399')
const pins = {
  'docker.io/library/base:latest linux/amd64': {
    kind: 'image' as const,
    manifest: parseDigest('sha256:192a90aa67e2b5ab4c40c6b6cb6694e8344eddf7c258cfa7ee2db19619b43c72'),
    layers: 1,
    config: {
      ...amd64,
      config: { Env: ['PATH=/bin:/usr/bin'], Cmd: ['/bin/sh'], WorkingDir: '/' },
      rootfs: { type: 'layers' as const, diff_ids: [diffId] },
    },
  },
}
const ignoreText = 'ignored\n*.md\nDockerfile\n'
const context = mkdtempSync(join(tmpdir(), 'slipway-buildkit-'))
writeTree(context, {
  '.dockerignore': ignoreText,
  'dir/': '',
  'dir/a.txt': 'a\n',
  'dir/sub/': ['', 0o700],
  'dir/sub/b.txt': 'b\n',
  'dir/sub/run.sh': ['#!/bin/sh\necho hi\n', 0o755],
  'dir/l': '-> sub/b.txt',
  linkdir: '-> dir',
  'deep/a/b/x.go': 'x\n',
  'deep/a/y.go': 'y\n',
  'deep/z.md': 'z\n',
  empty: '',
  'one.txt': '1\n',
  'two.txt': ['2\n', 0o600],
  'arc.tar': 'not a tar\n',
  ignored: 'no\n',
  'sp ace/f g': ['s\n', 0o4755],
})
afterAll(() => rmSync(context, { recursive: true }))

function graphOf(
  text: string,
  change: Partial<PlanOptions>,
): { readonly graph: Graph; readonly root: OpRef } {
  const { stages, files } = stagesOf(text)
  const ignore = parseIgnoreFile(ignoreText, '.dockerignore').value.map(({ pattern }) => pattern)
  const options = optionsWith({ ignore, allow: ['network.host'], ...change }, files)
  const { value, diagnostics } = plan(stages, options, pins)
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([])
  if (value?.kind !== 'ready' || value.target.root === null) throw new Error('the plan is not ready')
  return { graph: value.graph, root: value.target.root }
}

describe("BuildKit's records", () => {
  it.each([
    ['0.34.2, the last stage', 'Dockerfile', 'buildkit-0.34.2.json', undefined, 27],
    ['0.34.2, the other stage', 'Dockerfile', 'buildkit-0.34.2.json', 'build', 17],
    ["docker 20.10's, all of it", 'Dockerfile.docker', 'docker-20.10.json', undefined, 20],
  ])(
    '%s: every step is found, by definition and by content',
    async (_name, file, written, target, atLeast) => {
      const dockerfile = readFileSync(join(fixture, file), 'utf8')
      const records = indexRecords(parseCacheConfig(readFileSync(join(fixture, written), 'utf8')))
      // Made with --network=host, as there was no other one.
      const network = written.startsWith('docker') ? 'host' : 'default'
      const { graph, root } = graphOf(dockerfile, { network, ...(target === undefined ? {} : { target }) })
      const cx = testContext()
      const sources = openSources({
        native: openNative(resolve(import.meta.dirname, '../../dist')),
        writeHint,
        layers: {
          snapshots: () => Promise.reject(new Error('no layer is needed')),
          directories: () => Promise.reject(new Error('no layer is needed')),
        },
        directoryOf: () => context,
        statCacheDirectory: join(context, '../unused'),
      })
      const nodes = new Map<OpRef, ReadonlySet<number>>()
      const missed: string[] = []
      for (const ref of walk((at) => graph.ops[at], [root])) {
        const op = graph.ops[ref]
        const note = graph.notes[ref]
        if (op === undefined || note === undefined) continue
        const vertex = await vertexOf(op, note, { graph, platform: amd64, diffIds: async () => [diffId] })
        if (vertex === undefined) continue
        const found = await matchRecords(vertex, records, {
          nodesOf: ({ from }) => (from.kind === 'op' ? (nodes.get(from.ref) ?? new Set()) : new Set()),
          async *contentsOf({ from, content }) {
            const input = from.kind === 'op' ? graph.ops[from.ref] : undefined
            if (input?.kind !== 'local' || content === undefined) return
            const result: Result = {
              id: ref,
              layers: [{ kind: 'directory', name: input.name, ignore: input.ignore }],
            }
            yield* await (await sources(result, cx)).buildkitDigests(content, cx.signal)
          },
        })
        nodes.set(ref, found)
        if (found.size === 0) missed.push(note.title)
      }
      expect(missed).toEqual([])
      expect(nodes.size).toBeGreaterThanOrEqual(atLeast)
    },
  )
})
