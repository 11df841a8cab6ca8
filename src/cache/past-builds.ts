// The last build of each name and the file lists it is explained with, on disk: `builds/` and `files/`. Both stay within
// bounds, the longest unused goes first. Losing any of it costs an explanation and nothing else.

import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { performance } from 'node:perf_hooks'
import { type Digest, digestOf, hexOf } from '../core/digest.ts'
import { errnoOf } from '../core/error.ts'
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

export interface PastLimits {
  readonly files: number
  readonly bytes: number
}

const usualLimits: PastLimits = { files: 1000, bytes: 256 << 20 }

/** The past builds of the state directory `root`; nothing is touched before it is needed. */
export function openPastBuilds(root: string, writeHint: WriteHint, limits = usualLimits): PastStore {
  const builds = `${root}/builds`
  const lists = `${root}/files`
  const keep = (directory: string, path: string, text: string): void => {
    attempt(() => {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      writeHint(path, text)
      bound(directory, limits)
    })
  }
  const pathOf = (build: string): string => `${builds}/${hexOf(digestOf(build))}.json`
  return {
    read: (build) => readPast(pathOf(build)),
    confirm(build, mark) {
      const path = pathOf(build)
      if (attempt(() => beginningOf(path)) !== mark) return false
      touch(path)
      return true
    },
    write: (past, mark) => keep(builds, pathOf(past.build), encodePast(past, mark)),
    files(content) {
      const path = `${lists}/${hexOf(content)}`
      const text = attempt(() => readFileSync(path, 'utf8'))
      const files = text === undefined ? undefined : readList(text)
      if (files !== undefined) touch(path)
      return files
    },
    keepFiles(content, files) {
      const path = `${lists}/${hexOf(content)}`
      const text = encodeFiles(files)
      if (text !== undefined) keep(lists, path, `${listHead(text)}\n${text}`)
    },
  }
}

/** A past build and when it ended. */
export interface EndedBuild extends PastBuild {
  readonly endedMs: number
}

/** The last build of each name that is known, the newest first. */
export function* pastBuilds(root: string): Generator<EndedBuild> {
  for (const { path, usedMs } of filesIn(`${root}/builds`)) {
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
  const text = attempt(() => readFileSync(path, 'utf8'))
  return text === undefined ? undefined : decodePast(text)
}

function beginningOf(path: string): Digest | undefined {
  const bytes = Buffer.alloc(headLength)
  const file = openSync(path, 'r')
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

interface Found {
  readonly path: string
  readonly size: number
  readonly usedMs: number
}

/** The last used one first. */
function filesIn(directory: string): Found[] {
  const names = attempt(() => readdirSync(directory)) ?? []
  const found = names.flatMap((name): Found[] => {
    const path = `${directory}/${name}`
    const state = attempt(() => statSync(path, { throwIfNoEntry: false }))
    return state?.isFile() ? [{ path, size: state.size, usedMs: state.mtimeMs }] : []
  })
  return found.sort((a, b) => b.usedMs - a.usedMs)
}

function bound(directory: string, { files, bytes }: PastLimits): void {
  let total = 0
  for (const [index, { path, size }] of filesIn(directory).entries()) {
    total += size
    if (index >= files || total > bytes) attempt(() => rmSync(path, { force: true }))
  }
}

function touch(path: string): void {
  const seconds = (performance.timeOrigin + performance.now()) / 1000
  attempt(() => utimesSync(path, seconds, seconds))
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown
    return undefined
  }
}
