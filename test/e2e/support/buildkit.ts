// A buildkitd somebody has started for these tests, newer than dockerd's BuildKit. SLIPWAY_TEST_BUILDKIT is its address, and
// buildctl is on PATH or SLIPWAY_TEST_BUILDCTL. Shared images reach it as named contexts in OCI layouts.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Peer } from './peer.ts'
import { finish, tool } from './slipway.ts'

export interface Buildkit extends Peer {
  /** `v0.34.2`, as the workers name it. */
  readonly version: string
}

/** The buildkitd that SLIPWAY_TEST_BUILDKIT names. */
export function connectBuildkit(): Buildkit {
  const buildctl = process.env.SLIPWAY_TEST_BUILDCTL ?? 'buildctl'
  const address = `--addr=${process.env.SLIPWAY_TEST_BUILDKIT}`
  const workers = spawnSync(buildctl, [address, 'debug', 'workers', '--format', '{{json .}}'], {
    encoding: 'utf8',
  })
  const version = /"version":"([^"]+)"/.exec(workers.stdout)?.[1]
  if (version === undefined) throw new Error(`buildctl debug workers: ${workers.stdout}${workers.stderr}`)
  // Steps and contexts that were known from an earlier run would come with the times of that run.
  tool(buildctl, [address, 'prune', '--all'])
  const layouts = new Map<string, string>()
  return {
    version,
    async share(reference, _archive, layout) {
      layouts.set(reference, layout)
    },
    async build({ slug, context, args, images, hasTree, directory, reader }) {
      const file = join(directory, `${slug}-buildkit`)
      const contexts = images.flatMap((reference, index) => {
        const layout = layouts.get(reference)
        if (layout === undefined) throw new Error(`${reference} was not shared`)
        const [manifest] = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests
        const source = `oci-layout://image-${index}@${manifest.digest}`
        return [`--oci-layout=image-${index}=${layout}`, `--opt=context:${reference}=${source}`]
      })
      const { status, stderr } = await finish(buildctl, [
        address,
        'build',
        '--progress=plain',
        '--frontend=dockerfile.v0',
        `--local=context=${context}`,
        `--local=dockerfile=${context}`,
        ...contexts,
        ...frontendOptions(args),
        `--output=type=docker,dest=${file},compression=uncompressed,force-compression=true`,
        ...(hasTree ? [`--output=type=tar,dest=${file}.tree`] : []),
      ])
      if (status !== 0) return { kind: 'refused', message: stderr }
      return {
        kind: 'built',
        archive: await reader.archive(file),
        tree: hasTree ? await reader.tar(`${file}.tree`) : [],
      }
    },
    async stop() {
      // Whoever started it stops it.
    },
  }
}

/** Flags of `docker build` as the frontend's options. */
function frontendOptions(args: readonly string[]): string[] {
  const several = { type: 'string', multiple: true } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      'build-arg': several,
      label: several,
      'build-context': several,
      'add-host': several,
      target: { type: 'string' },
      file: { type: 'string', short: 'f' },
      platform: { type: 'string' },
    },
  })
  const each = (prefix: string, list: readonly string[] = []) => list.map((text) => `--opt=${prefix}:${text}`)
  const one = (key: string, value: string | undefined) =>
    value === undefined ? [] : [`--opt=${key}=${value}`]
  const hosts = values['add-host']?.map((text) => text.replace(':', '=')).join(',')
  return [
    ...each('build-arg', values['build-arg']),
    ...each('label', values.label),
    ...each('context', values['build-context']),
    ...one('add-hosts', hosts),
    ...one('target', values.target),
    ...one('filename', values.file),
    ...one('platform', values.platform),
  ]
}
