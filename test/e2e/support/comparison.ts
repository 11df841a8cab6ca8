// slipway's side of a comparison with other builders: the shared base, and every case built once for all peers.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { PeerCase } from '../peer-cases/case.ts'
import { type Archive, archiveReader } from './archive.ts'
import { busyboxTar, imageFromTar } from './bases.ts'
import type { Peer, PeerBuild, PeerResult } from './peer.ts'
import { executable, finish, tool, type Workspace, workspace } from './slipway.ts'

export interface Comparison {
  readonly ws: Workspace
  /** Seconds since 1970; what has a later time was made by a build. */
  readonly since: number
  /** The shared images that a case can stand on, base first. */
  bases(peerCase: PeerCase): Promise<readonly Archive[]>
  /** Gives an image that slipway has as `reference` to a peer. */
  share(reference: string, peer: Peer): Promise<void>
  /** What slipway makes of a case. */
  ours(slug: string, peerCase: PeerCase): Promise<PeerResult>
  /** What a peer makes of it; the tree costs a second build. */
  theirs(peer: Peer, slug: string, peerCase: PeerCase, hasTree: boolean): Promise<PeerResult>
  [Symbol.dispose](): void
}

export function comparison(): Comparison {
  const ws = workspace()
  imageFromTar(ws, 'base', busyboxTar())
  const reader = archiveReader()
  const slipway = (...args: readonly string[]) => finish(executable, args, ws.env)
  const exported = new Map<string, Promise<{ archive: string; layout: string }>>()
  const prepared = new Map<string, Promise<Omit<PeerBuild, 'hasTree'>>>()
  const built = new Map<string, Promise<PeerResult>>()
  const sharedWith = new WeakMap<Peer, Map<string, Promise<void>>>()

  const ok = async (...args: readonly string[]): Promise<void> => {
    const { status, stderr } = await slipway(...args)
    if (status !== 0) throw new Error(`slipway ${args.join(' ')}: exit ${status}\n${stderr}`)
  }

  /** An image as files, made from `dockerfile` first unless it is there already. */
  const exportImage = once(exported, async (reference: string, dockerfile?: string) => {
    const slug = `shared-${reference}`
    const context = ws.context(slug, { Dockerfile: dockerfile ?? `FROM ${reference}\n` })
    const [archive, layout] = [join(ws.directory, `${slug}.tar`), join(ws.directory, `${slug}-layout`)]
    await ok('build', '-q', '-t', reference, context)
    const outputs = [
      `type=docker,dest=${archive}`,
      `type=oci,tar=false,compression=uncompressed,dest=${layout}`,
    ]
    for (const output of outputs) await ok('build', '-q', '-t', reference, '-o', output, context)
    return { archive, layout }
  })

  const prepare = once(
    prepared,
    async (slug: string, peerCase: PeerCase): Promise<Omit<PeerBuild, 'hasTree'>> => {
      const { dockerfile, files, prepare, args = [], images = {} } = peerCase
      for (const [reference, text] of Object.entries(images)) await exportImage(reference, text)
      const context = ws.context(`context-${slug}`, { ...files, Dockerfile: dockerfile })
      const script = `cd ${context}; ${prepare ?? ':'}; find . -exec touch -h -d @1500000000 {} +`
      const { status, stderr } = await finish('sh', ['-ec', script])
      if (status !== 0) throw new Error(`prepare ${slug}: ${stderr}`)
      const directory = join(ws.directory, 'results')
      mkdirSync(directory, { recursive: true })
      return { slug, context, args, images: ['base', ...Object.keys(images)], directory, reader }
    },
  )

  const buildOurs = once(built, async (slug: string, peerCase: PeerCase): Promise<PeerResult> => {
    const { context, args, directory } = await prepare(slug, peerCase)
    const file = join(directory, `${slug}-slipway`)
    const outputs = ['-o', `type=docker,dest=${file}`, '-o', `type=tar,dest=${file}.tree`]
    const result = await slipway('build', '--progress=plain', '-t', slug, ...args, ...outputs, context)
    if (result.status !== 0) {
      // A crash is no refusal.
      if (result.status !== 1)
        throw new Error(`slipway: exit ${result.status ?? result.signal}\n${result.stderr}`)
      return { kind: 'refused', message: result.stderr }
    }
    return { kind: 'built', archive: await reader.archive(file), tree: await reader.tar(`${file}.tree`) }
  })

  const readBase = once(new Map<string, Promise<Archive>>(), async (reference: string) => {
    const { archive } = await exportImage(reference)
    return reader.archive(archive)
  })

  const share = async (reference: string, peer: Peer): Promise<void> => {
    const known = sharedWith.get(peer) ?? new Map<string, Promise<void>>()
    sharedWith.set(peer, known)
    const shared = known.get(reference) ?? give(reference, peer)
    known.set(reference, shared)
    await shared
  }
  const give = async (reference: string, peer: Peer): Promise<void> => {
    const { archive, layout } = await exportImage(reference)
    await peer.share(reference, archive, layout)
  }

  return {
    ws,
    since: Math.floor(Date.now() / 1000),
    bases: ({ images = {} }) => Promise.all(['base', ...Object.keys(images)].map((name) => readBase(name))),
    share,
    ours: buildOurs,
    async theirs(peer, slug, peerCase, hasTree) {
      const build = await prepare(slug, peerCase)
      for (const reference of Object.keys(peerCase.images ?? {})) await share(reference, peer)
      return peer.build({ ...build, hasTree })
    },
    [Symbol.dispose]() {
      tool('rm', ['-rf', join(ws.directory, 'results')])
      ws[Symbol.dispose]()
    },
  }
}

/** A function that does its work once for a key. */
function once<A extends readonly unknown[], T>(
  known: Map<string, Promise<T>>,
  work: (key: string, ...rest: A) => Promise<T>,
): (key: string, ...rest: A) => Promise<T> {
  return (key, ...rest) => {
    const result = known.get(key) ?? work(key, ...rest)
    known.set(key, result)
    return result
  }
}
