// Files and directories that BuildKit makes on an empty root before something uses them: here-documents, the start
// of a cache mount.
import { digestOf } from '../core/digest.ts'
import { inDialects } from './dialect.ts'
import { filled, goJson } from './go-json.ts'
import { ownerJson } from './owner.ts'
import type { Vertex } from './vertex.ts'

/** A file alone at `path` of an empty root. */
export function fileAlone(path: string, mode: number, content: string): Vertex {
  const data = Buffer.from(content).toString('base64')
  const action = goJson(filled({ path, mode: mode & 0o777, data, timestamp: -1 }))
  return { digests: [fileOpDigest([action], alone)], inputs: [] }
}

/** A directory alone at `path` of an empty root. */
export function directoryAlone(path: string, mode: number, owner: string): Vertex {
  const members = filled({ path, mode: mode & 0o777 })
  const digests = inDialects((dialect) =>
    fileOpDigest([goJson({ ...members, owner: ownerJson(owner, -1, dialect), timestamp: -1 })], alone),
  )
  return { digests, inputs: [] }
}

/** Of one action, on nothing. */
const alone = [[-1, -1, 0]]

/** The digest of a file op: its actions' JSON, and how they are chained where that is not the usual way. */
export function fileOpDigest(actions: readonly string[], indexes: readonly (readonly number[])[]) {
  const value = {
    Type: 'buildkit.file.v0',
    Actions: actions.map((action) => Buffer.from(action).toString('base64')),
    ...(isUsual(indexes) ? {} : { indexes }),
  }
  return digestOf(goJson(value))
}

/** Each action on what the one before made, the first on input 0, copying from input 1; only the last is the result. */
function isUsual(indexes: readonly (readonly number[])[]): boolean {
  const last = indexes.length - 1
  return (
    indexes.length > 0 &&
    indexes.every(
      ([base, from, output], i) =>
        base === (i === 0 ? 0 : indexes.length + i - 1) &&
        (from === -1 || from === 1) &&
        output === (i === last ? 0 : -1),
    )
  )
}
