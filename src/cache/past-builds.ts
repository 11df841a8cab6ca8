// The last build of each name and the file lists it is explained with, on disk: `builds/` and `files/`. Both stay within
// bounds, the longest unused goes first. Losing any of it costs an explanation and nothing else.

import { closeSync, constants, openSync, readSync } from 'node:fs'
import { type Digest, digestOf, hexOf } from '../core/digest.ts'
import { decodeFiles, encodeFiles } from '../explain/file-list.ts'
import {
  decodePast,
  encodePast,
  headLength,
  markOf,
  type PastBuild,
  type PastStore,
} from '../explain/past.ts'
import type { WriteHint } from '../store/hints.ts'
import { attempt, type HintLimits, hintsIn, keepHint, readHint, touchHint } from './hint-directory.ts'

const usualLimits: HintLimits = { files: 1000, bytes: 256 << 20 }

/** The past builds of the state directory `root`; nothing is touched before it is needed. */
export function openPastBuilds(root: string, writeHint: WriteHint, limits = usualLimits): PastStore {
  const builds = `${root}/builds`
  const lists = `${root}/files`
  const bounded = { writeHint, limits }
  const nameOf = (build: string): string => `${hexOf(digestOf(build))}.json`
  const pathOf = (build: string): string => `${builds}/${nameOf(build)}`
  return {
    read: (build) => readPast(pathOf(build)),
    confirm(build, mark) {
      const path = pathOf(build)
      if (attempt(() => beginningOf(path)) !== mark) return false
      touchHint(path)
      return true
    },
    write: (past, mark) =>
      keepHint({ directory: builds, name: nameOf(past.build) }, encodePast(past, mark), bounded),
    files(content) {
      const path = `${lists}/${hexOf(content)}`
      const text = readHint(path)
      const files = text === undefined ? undefined : readList(text)
      if (files !== undefined) touchHint(path)
      return files
    },
    keepFiles(content, files) {
      const text = encodeFiles(files)
      if (text === undefined) return
      keepHint({ directory: lists, name: hexOf(content) }, `${listHead(text)}\n${text}`, bounded)
    },
  }
}

/** A past build and when it ended. */
export interface EndedBuild extends PastBuild {
  readonly endedMs: number
}

/** The last build of each name that is known, the newest first. */
export function* pastBuilds(root: string): Generator<EndedBuild> {
  for (const { path, usedMs } of hintsIn(`${root}/builds`)) {
    const past = readPast(path)
    if (past !== undefined) yield { ...past, endedMs: usedMs }
  }
}

/** Whether the text of a file in `builds/` is whole, or of a version that only others understand. */
export function isSoundPast(text: string): boolean {
  return decodePast(text) !== undefined || isForeign(/^\{"version":(\d+),/.exec(text)?.[1], '1')
}

/** Likewise in `files/`. */
export function isSoundFileList(text: string): boolean {
  return readList(text) !== undefined || isForeign(/^slipway files (\d+) /.exec(text)?.[1], '1')
}

function isForeign(version: string | undefined, own: string): boolean {
  return version !== undefined && version !== own
}

function readPast(path: string): PastBuild | undefined {
  const text = readHint(path)
  return text === undefined ? undefined : decodePast(text)
}

function beginningOf(path: string): Digest | undefined {
  const bytes = Buffer.alloc(headLength)
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return markOf(bytes.toString('utf8', 0, readSync(file, bytes)))
  } finally {
    closeSync(file)
  }
}

function listHead(text: string): string {
  return `slipway files 1 ${digestOf(text)}`
}

function readList(text: string) {
  const end = text.indexOf('\n')
  const list = text.slice(end + 1)
  return text.slice(0, end) === listHead(list) ? decodeFiles(list) : undefined
}
