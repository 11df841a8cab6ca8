// All cases, by subject.
import type { PeerGroup } from './case.ts'
import { configCases } from './config.ts'
import { copyCases } from './copy.ts'
import { refusalCases } from './refusals.ts'
import { runCases } from './run.ts'

export const groups: Readonly<Record<string, PeerGroup>> = {
  config: { cases: configCases, hasTrees: true },
  'COPY and ADD': { cases: copyCases, hasTrees: true },
  RUN: { cases: runCases, hasTrees: true, isLocal: true },
  refusals: { cases: refusalCases, isRefused: true },
}

/** The name of a case as files and images can have it. */
export function slugOf(group: string, name: string): string {
  return `${group}-${name}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '')
}
