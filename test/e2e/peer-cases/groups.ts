// All cases, by subject.
import { archiveCases, refusedArchives } from './archives.ts'
import type { PeerGroup } from './case.ts'
import { configCases } from './config.ts'
import { copyCases } from './copy.ts'
import { copyNewerCases, copyNewerRefusals, copyPlainCases, copyRefusals } from './copy-small.ts'
import { mountCases, mountNewerCases, mountRefusals } from './mounts.ts'
import { refusalCases } from './refusals.ts'
import { runCases } from './run.ts'
import { smallCases } from './small.ts'

/** BuildKit may give a directory the time at which it received or made what is in it. */
const timedWithin = { differs: /^to(\/d)?(\/sub)?$/ }

const filesMore = { 'a directory and a file': timedWithin }

const newerMore = {
  'COPY --parents': timedWithin,
  'COPY --parents with a pivot': timedWithin,
  'COPY --parents with a pattern': timedWithin,
  'COPY --parents of a directory': timedWithin,
  'COPY --exclude': timedWithin,
  'COPY --exclude twice': timedWithin,
  'COPY --exclude with a pattern': timedWithin,
  'ADD --exclude': timedWithin,
  // BuildKit mounts the script below /dev, so that this directory is not one the step made.
  'heredoc with an interpreter': { differs: /^dev$/ },
  // BuildKit pins the last directory of a WORKDIR, not its parents nor those of a COPY or an archive.
  'SOURCE_DATE_EPOCH for new directories': { differs: /^(pinned|c|c\/d)$/ },
  // Nor the text of a heredoc.
  'SOURCE_DATE_EPOCH for heredocs': { differs: /^a$/ },
  'SOURCE_DATE_EPOCH for files': { differs: /^t(\/d)?$/ },
}

export const groups: Readonly<Record<string, PeerGroup>> = {
  config: { cases: configCases, hasTrees: true },
  'COPY and ADD': { cases: copyCases, hasTrees: true },
  archives: { cases: archiveCases, hasTrees: true },
  'refused archives': { cases: refusedArchives, isRefused: true },
  RUN: { cases: runCases, hasTrees: true, isLocal: true },
  mounts: { cases: mountCases },
  'mounts newer': { cases: mountNewerCases, isNewer: true },
  'mount refusals': { cases: mountRefusals, isRefused: true },
  variables: { cases: smallCases('variables') },
  settings: { cases: smallCases('settings') },
  stages: { cases: smallCases('stages') },
  files: { cases: smallCases('files', filesMore) },
  newer: { cases: smallCases('newer', newerMore), isNewer: true },
  copy: { cases: copyPlainCases },
  'copy refusals': { cases: copyRefusals, isRefused: true },
  'copy newer refusals': { cases: copyNewerRefusals, isRefused: true, isNewer: true },
  'copy newer': { cases: copyNewerCases, isNewer: true },
  older: { cases: smallCases('older'), isOlder: true },
  refusals: { cases: refusalCases, isRefused: true },
}

/** The name of a case as files and images can have it. */
export function slugOf(group: string, name: string): string {
  return `${group}-${name}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '')
}
