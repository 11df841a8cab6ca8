// The op of a git repository's files.
import type { Diagnostic } from '../core/diagnostic.ts'
import { redact } from '../core/error.ts'
import type { GitReference } from '../core/git-reference.ts'
import { cleanPath } from '../core/path.ts'
import type { Span } from '../core/span.ts'
import type { GraphBuilder } from '../graph/builder.ts'
import type { GitOp, OpRef } from '../graph/op.ts'
import type { RemotePins } from './remote-pins.ts'
import type { GitPin } from './types.ts'

/** A git repository as an instruction or a flag names it. */
export interface GitSource {
  readonly reference: GitReference
  /** Where it is named; absent: on the command line. */
  readonly span?: Span
}

/** The git op of a source in `graph`; undefined when its checksum is another, which is reported. */
export function addGit(
  { reference, span }: GitSource,
  cx: {
    readonly graph: GraphBuilder
    readonly pins: RemotePins
    report(diagnostic: Diagnostic): void
  },
): OpRef | undefined {
  const url = addressOf(reference)
  const pin = pinOf(reference, span, cx.pins)
  const mistake = mistakeOf(pin, reference)
  if (mistake !== undefined) {
    cx.report({ code: 'ChecksumMismatch', severity: 'error', message: mistake, ...(span && { span }) })
    return undefined
  }
  const { commit, ref, tag } = pin
  const { submodules = true, mtime = 'checkout', keepGitDir = false, fetchByCommit } = reference
  const subdir = cleanPath(reference.subdir ?? '')
  const op: GitOp = {
    kind: 'git',
    inputs: [],
    commit,
    subdir,
    submodules,
    mtime,
    ...(keepGitDir && subdir === ''
      ? {
          gitDir: {
            remote: redact(url),
            ...(ref === undefined ? {} : { ref }),
            ...(tag === undefined ? {} : { tag }),
          },
        }
      : {}),
  }
  const shown = `${redact(url)}${reference.ref === undefined ? '' : `#${reference.ref}`}`
  return cx.graph.add(op, {
    slot: { stage: subdir === '' ? shown : `${shown}:${subdir}`, ordinal: 0 },
    label: '[internal]',
    title: `load git source ${shown}`,
    ...(span === undefined ? {} : { span }),
    remote: {
      url,
      ...(ref === undefined ? {} : { ref }),
      ...(fetchByCommit ? { fetchByCommit: true as const } : {}),
    },
  })
}

/** What git is given: a name without a scheme is one of the web. */
export function addressOf({ remote, isAmbiguous }: GitReference): string {
  return isAmbiguous ? `https://${remote}` : remote
}

/** A commit that is named by its whole id is what it is; of anything else the host is asked. */
function pinOf(reference: GitReference, span: Span | undefined, pins: RemotePins): GitPin {
  const { ref, checksum, fetchByCommit } = reference
  if (ref !== undefined && isCommit(ref)) return { kind: 'git', commit: ref }
  if (fetchByCommit && checksum !== undefined) {
    const full = ref === undefined || ref.startsWith('refs/') ? ref : `refs/heads/${ref}`
    return { kind: 'git', commit: checksum, ...(full === undefined ? {} : { ref: full }) }
  }
  const remote = addressOf(reference)
  return pins.pinOf({ kind: 'git', remote, ...(ref === undefined ? {} : { ref }), ...(span && { span }) })
}

/** In BuildKit's words. */
function mistakeOf({ commit, tag, isStandIn }: GitPin, { checksum }: GitReference): string | undefined {
  if (checksum === undefined || isStandIn) return undefined
  const found = [commit, ...(tag === undefined ? [] : [tag])]
  if (found.some((object) => object.startsWith(checksum.toLowerCase()))) return undefined
  return `expected checksum to match ${checksum}, got ${found.join(' or ')}`
}

function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text)
}
