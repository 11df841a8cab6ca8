// A process as native/run-request.h wants it on the wire. What the fields mean is said in types.ts.
import { posix } from 'node:path'
import { limitsOf } from './rlimits.ts'
import type { Mount, ProcessSpec } from './types.ts'

const opcodes = {
  end: 0,
  lower: 1,
  root: 2,
  arg: 3,
  env: 4,
  process: 5,
  bind: 6,
  tmpfs: 7,
  file: 8,
  runtimeCreate: 9,
  runtimeStart: 10,
  config: 11,
  filter: 12,
  limit: 13,
  cgroup: 14,
  network: 15,
  layers: 16,
} as const

/** Instead of a tmpfs's mode: that of the directory it is mounted on. */
const modeOfPlace = 1 << 16

type Field = string | Uint8Array | number | bigint

export interface RunRequestOptions {
  /** As in ProcessIo. */
  readonly stdio: 'pipe' | 'inherit'
  /** Directories of cgroups that the container joins. */
  readonly cgroups?: readonly string[]
  /** The system call filter, as struct sock_filter; an insecure process has none, a runtime makes its own. */
  readonly filter?: Uint8Array
  /** The commands of an OCI runtime that is to make the container. The helper asks for its config.json later. */
  readonly runtime?: RuntimeCommands
}

/** Programs by absolute path with their arguments. */
export interface RuntimeCommands {
  readonly create: readonly string[]
  readonly start: readonly string[]
}

/** What the helper waits for when it has asked for the config.json of a runtime. */
export function encodeConfig(config: string): Buffer {
  return encodeRecord(opcodes.config, [config])
}

/** The whole request for `spec`. */
export function encodeRunRequest(
  spec: ProcessSpec,
  { stdio, cgroups = [], runtime, filter }: RunRequestOptions,
): Buffer {
  const records: Buffer[] = []
  const add = (opcode: number, ...fields: Field[]): void => {
    records.push(encodeRecord(opcode, fields))
  }
  for (const lower of spec.root.lower) add(opcodes.lower, lower)
  add(opcodes.root, spec.root.upper, spec.root.work)
  for (const arg of spec.args) add(opcodes.arg, arg)
  for (const variable of spec.env) add(opcodes.env, variable)
  add(
    opcodes.process,
    posix.resolve('/', spec.cwd),
    spec.user,
    spec.hostname,
    Number(spec.network === 'none'),
    Number(spec.security === 'insecure'),
    Number(stdio === 'inherit'),
    spec.shmSizeBytes ?? 0,
  )
  if (filter !== undefined) add(opcodes.filter, filter)
  for (const { resource, soft, hard, isRequired } of limitsOf(spec.rlimits ?? [])) {
    add(opcodes.limit, resource, soft, hard, Number(isRequired))
  }
  if (spec.network === 'default' && spec.networkNamespace !== undefined) {
    add(opcodes.network, spec.networkNamespace.path)
  }
  for (const mount of spec.mounts) {
    const [opcode, ...fields] = mountFields(mount)
    add(opcode, posix.resolve('/', mount.target), ...fields)
  }
  for (const directory of cgroups) add(opcodes.cgroup, directory)
  for (const argument of runtime?.create ?? []) add(opcodes.runtimeCreate, argument)
  for (const argument of runtime?.start ?? []) add(opcodes.runtimeStart, argument)
  add(opcodes.end)
  return Buffer.concat(records)
}

function mountFields(mount: Mount): [number, ...Field[]] {
  switch (mount.kind) {
    case 'bind':
      return [opcodes.bind, mount.source, Number(mount.readOnly)]
    case 'tmpfs':
      return [opcodes.tmpfs, mount.mode ?? modeOfPlace, mount.sizeBytes ?? 0, Number(mount.readOnly ?? false)]
    case 'layers':
      return [opcodes.layers, mount.source, Number(mount.readOnly), ...mount.lower]
    case 'file':
      return [opcodes.file, mount.mode, mount.uid ?? 0, mount.gid ?? 0, mount.content]
  }
}

function encodeRecord(opcode: number, fields: readonly Field[]): Buffer {
  // In one piece: a step on many layers has as many records, with the next process waiting for them.
  const length = fields.reduce<number>((sum, field) => sum + lengthOf(field), 1)
  const record = Buffer.allocUnsafe(4 + length)
  record.writeUInt32LE(length)
  record[4] = opcode
  let at = 5
  for (const field of fields) at = put(record, at, field)
  return record
}

function lengthOf(field: Field): number {
  if (typeof field === 'string') return 4 + Buffer.byteLength(field)
  return field instanceof Uint8Array ? 4 + field.length : 8
}

/** Writes a field and returns where it ends. */
function put(record: Buffer, at: number, field: Field): number {
  if (typeof field === 'string') {
    const length = record.write(field, at + 4)
    record.writeUInt32LE(length, at)
    return at + 4 + length
  }
  if (!(field instanceof Uint8Array)) return record.writeBigUInt64LE(BigInt(field), at)
  record.writeUInt32LE(field.length, at)
  record.set(field, at + 4)
  return at + 4 + field.length
}
