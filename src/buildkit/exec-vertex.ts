// RUN as BuildKit's exec op: its process and mounts, without what is no part of its key.
import { type Digest, digestOf } from '../core/digest.ts'
import type { Platform } from '../core/platform.ts'
import type { ExecMount, OpNote, OpOf, OpRef } from '../graph/op.ts'
import { type Dialect, inDialects } from './dialect.ts'
import { filled, goJson } from './go-json.ts'
import { directoryAlone, fileAlone } from './mkfile-vertex.ts'
import type { Selector, Vertex, VertexInput } from './vertex.ts'

/** What of the build reaches every exec op of BuildKit. */
export interface ExecFacts {
  /** What the process runs on. */
  readonly platform: Platform
  readonly shmSizeBytes?: number
  readonly cgroupParent?: string
}

/** BuildKit's numbers. */
const networks = { default: 0, host: 1, none: 2 } as const
const sharings = { shared: 0, private: 1, locked: 2 } as const
const mountTypes = { secret: 1, ssh: 2, cache: 3, tmpfs: 4 } as const
const noIndex = -1

/** The vertex of an exec op. */
export function execVertex(op: OpOf<'exec'>, note: OpNote, facts: ExecFacts): Vertex {
  const sources: VertexInput['from'][] = []
  const reads = new Map<number, Reading>()
  const mounts = mountsOf(op, facts).map(({ from, path, isContent, json }) => {
    if (from === undefined) return { input: noIndex, json }
    const known = sources.findIndex((source) => isSame(source, from))
    const input = known === -1 ? sources.push(from) - 1 : known
    reads.set(input, { paths: [...(reads.get(input)?.paths ?? []), path], isContent })
    return { input, json }
  })
  const inputs = sources.map((from, input): VertexInput => {
    const { paths, isContent } = reads.get(input) ?? { paths: [], isContent: false }
    const content = isContent ? { content: contentOf(paths) } : {}
    return { from, selectors: selectorsOf(paths), ...content }
  })
  const digests = inDialects((dialect) => {
    const shown = [...mounts.map(({ input, json }) => json(input, dialect)), ...secretsOf(op, dialect)]
    // A RUN with nothing but its root is known without its mounts.
    return digestOfExec(op, note, shown.length === 1 ? [] : shown, { ...facts, ...dialect })
  })
  return { digests, inputs }
}

/** Versions before 0.12 do not name the root of an input, if that is what is mounted. */
function selectorsOf(paths: readonly string[]): readonly string[] {
  const named = paths.filter((path) => path !== '/')
  return [...new Set([digestOf(paths.join('\0')), named.length === 0 ? '' : digestOf(named.join('\0'))])]
}

interface Reading {
  readonly paths: readonly string[]
  /** As the last mount of the input has it. */
  readonly isContent: boolean
}

function isSame(a: VertexInput['from'], b: VertexInput['from']): boolean {
  if (a.kind === 'op') return b.kind === 'op' && a.ref === b.ref
  return b.kind === 'vertex' && a.vertex.digests[0] === b.vertex.digests[0]
}

function contentOf(paths: readonly string[]): readonly Selector[] {
  const everything = { path: '/', wildcard: false, followLinks: false, include: [], exclude: [] }
  if (paths.includes('/')) return [everything]
  const distinct = [...new Set(paths)]
    .filter((path) => !paths.some((other) => other !== path && path.startsWith(`${other}/`)))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return distinct.map((path) => ({ ...everything, path, followLinks: true }))
}

function digestOfExec(
  op: OpOf<'exec'>,
  note: OpNote,
  mounts: readonly unknown[],
  { platform, cgroupParent, removesStubs }: ExecFacts & Dialect,
): Digest {
  const meta = filled({
    args: op.args,
    env: op.env,
    cwd: op.cwd,
    user: op.user,
    extraHosts: (note.unkeyed?.hosts ?? []).map(({ name }) => ({ Host: name })),
    // The name that a sandbox has when nobody says another.
    hostname: op.hostname === 'buildkitsandbox' ? '' : op.hostname,
    ulimit: (op.ulimits ?? []).map(({ name, soft, hard }) => filled({ Name: name, Soft: soft, Hard: hard })),
    cgroupParent: cgroupParent ?? '',
    removeMountStubsRecursive: removesStubs,
  })
  const secrets = op.mounts.flatMap((mount) =>
    mount.kind === 'secret' && mount.env !== undefined
      ? [filled({ ID: mount.id, name: mount.env, optional: !mount.required })]
      : [],
  )
  const exec = filled({
    meta,
    mounts,
    network: networks[op.network],
    security: op.security === 'insecure' ? 1 : 0,
    secretenv: secrets,
  })
  const { os, architecture, variant } = platform
  const value = { Type: 'buildkit.exec.v0', Exec: exec, OS: os, Arch: architecture }
  return digestOf(goJson({ ...value, ...filled({ Variant: variant ?? '' }) }))
}

interface MountOf {
  readonly target: string
  readonly from?: VertexInput['from']
  /** What it shows of its input. */
  readonly path: string
  readonly isContent: boolean
  json(input: number, dialect: Dialect): unknown
}

/** Those that are directories of something, by target, as BuildKit numbers inputs in that order. */
function mountsOf(op: OpOf<'exec'>, { shmSizeBytes }: ExecFacts): readonly MountOf[] {
  const { root } = op
  const rootFrom = root === null ? undefined : opFrom(op.inputs, root)
  const all: MountOf[] = [
    {
      target: '/',
      ...(rootFrom === undefined ? {} : { from: rootFrom }),
      path: '/',
      isContent: false,
      json: (input, dialect) => mountJson({ input, dest: '/' }, dialect),
    },
    ...op.mounts.flatMap((mount) => mountOf(mount, op.inputs)),
    ...(shmSizeBytes === undefined ? [] : [tmpfsOf('/dev/shm', false, shmSizeBytes)]),
  ]
  // Sorting is stable, as is that of BuildKit for lists this short.
  return all.sort((a, b) => Buffer.compare(Buffer.from(a.target), Buffer.from(b.target)))
}

interface MountMembers {
  readonly input: number
  readonly dest: string
  readonly output?: number
  readonly readonly?: boolean
  readonly mountType?: number
}

function mountJson(
  { input, dest, output = 0, readonly = false, mountType = 0 }: MountMembers,
  { isGogo }: Dialect,
): Readonly<Record<string, unknown>> {
  const rest = filled({ readonly, mountType })
  return isGogo ? { input, dest, output, ...rest } : { ...filled({ input, dest, output }), ...rest }
}

function opFrom(inputs: readonly OpRef[], index: number): VertexInput['from'] | undefined {
  const ref = inputs[index]
  return ref === undefined ? undefined : { kind: 'op', ref, index }
}

function mountOf(mount: ExecMount, inputs: readonly OpRef[]): readonly MountOf[] {
  switch (mount.kind) {
    case 'file': {
      const at = mount.target.lastIndexOf('/') + 1
      const vertex = fileAlone(`/${mount.target.slice(at)}`, mount.mode, mount.content)
      const target = mount.target.slice(0, at)
      const json: MountOf['json'] = (input, dialect) =>
        mountJson({ input, dest: target, output: noIndex, readonly: true }, dialect)
      return [{ target, from: { kind: 'vertex', vertex }, path: '/', isContent: true, json }]
    }
    case 'bind': {
      const from = opFrom(inputs, mount.input)
      const { target, readonly, source } = mount
      const json: MountOf['json'] = (input, dialect) =>
        mountJson({ input, dest: target, output: noIndex, readonly }, dialect)
      return [{ target, ...(from === undefined ? {} : { from }), path: source, isContent: true, json }]
    }
    case 'cache':
      return [cacheOf(mount, inputs)]
    case 'tmpfs':
      return [tmpfsOf(mount.target, mount.readonly, mount.sizeBytes)]
    case 'secret':
    case 'ssh':
      return []
  }
}

function tmpfsOf(target: string, readonly: boolean, sizeBytes = 0): MountOf {
  const json: MountOf['json'] = (input, dialect) => ({
    ...mountJson({ input, dest: target, output: noIndex, readonly, mountType: mountTypes.tmpfs }, dialect),
    TmpfsOpt: filled({ size: sizeBytes }),
  })
  return { target, path: '/', isContent: false, json }
}

function cacheOf(mount: Extract<ExecMount, { kind: 'cache' }>, inputs: readonly OpRef[]): MountOf {
  const { target, start, readonly, sharing, id } = mount
  const isDefault =
    sharing === 'shared' && (id === target || (id.includes('/') && id.slice(id.indexOf('/') + 1) === target))
  const json: MountOf['json'] = (input, dialect) => ({
    ...mountJson({ input, dest: target, output: noIndex, readonly, mountType: mountTypes.cache }, dialect),
    cacheOpt: isDefault || dialect.keepsCacheIds ? filled({ ID: id, sharing: sharings[sharing] }) : {},
  })
  if ('input' in start) {
    const from = opFrom(inputs, start.input)
    return { target, ...(from === undefined ? {} : { from }), path: start.source, isContent: true, json }
  }
  const { mode, uid, gid } = start
  if (mode === 0o755 && uid === undefined && gid === undefined) {
    return { target, path: '/', isContent: false, json }
  }
  const vertex = directoryAlone('/cache', mode, `${uid ?? 0}:${gid ?? 0}`)
  return { target, from: { kind: 'vertex', vertex }, path: '/cache', isContent: true, json }
}

/** Secrets and agents follow the other mounts, in the order of the Dockerfile as far as slipway keeps it. */
function secretsOf({ mounts }: OpOf<'exec'>, dialect: Dialect): unknown[] {
  const of = (mount: Extract<ExecMount, { kind: 'secret' | 'ssh' }>, id: string) =>
    filled({
      ID: id,
      uid: mount.uid,
      gid: mount.gid,
      mode: mount.mode,
      optional: !mount.required,
    })
  const secrets = mounts.flatMap((mount) =>
    mount.kind === 'secret' && mount.target !== undefined
      ? [
          {
            ...mountJson({ input: noIndex, dest: mount.target, mountType: mountTypes.secret }, dialect),
            secretOpt: of(mount, mount.id),
          },
        ]
      : [],
  )
  const agents = mounts.flatMap((mount) =>
    mount.kind === 'ssh'
      ? [
          {
            ...mountJson({ input: noIndex, dest: mount.target, mountType: mountTypes.ssh }, dialect),
            // BuildKit leaves out the name of the agent that is meant without one.
            SSHOpt: of(mount, mount.id === 'default' ? '' : mount.id),
          },
        ]
      : [],
  )
  return [...secrets, ...agents]
}
