// Small ops for graph tests.
import { digestOf } from '../../src/core/digest.ts'
import type { ExecOp, FileOp, ImageOp, OpNote, OpRef } from '../../src/graph/op.ts'

export const note: OpNote = { slot: { stage: '0', ordinal: 0 }, label: '[1/1]', title: 'RUN true' }

export function image(name: string): ImageOp {
  return {
    kind: 'image',
    inputs: [],
    manifest: digestOf(name),
    platform: { os: 'linux', architecture: 'amd64' },
  }
}

export function run(root: OpRef, ...args: string[]): ExecOp {
  return {
    kind: 'exec',
    inputs: [root],
    root: 0,
    args,
    env: ['PATH=/bin'],
    cwd: '/',
    user: '',
    network: 'default',
    security: 'sandbox',
    hostname: 'buildkitsandbox',
    mounts: [],
  }
}

export function copy(base: OpRef, from: OpRef, path: string): FileOp {
  return {
    kind: 'file',
    inputs: [base, from],
    base: 0,
    actions: [
      {
        kind: 'copy',
        from: 1,
        sources: [path],
        destination: '/',
        exclude: [],
        parents: false,
        unpack: false,
        instruction: 'COPY',
      },
    ],
  }
}
