// RUN --mount: what steps see of mounts, and what stays of them.
import type { PeerCase, PeerCases } from './case.ts'
import { smallCases } from './small.ts'

/** Old BuildKit leaves the directories it made to mount on. */
const mountPoints = /^(a|b|c|k\w*|new|other|s|t|x|xy|y|w\/deep)$/

const more: Readonly<Record<string, Partial<PeerCase>>> = {}

/** What every builder must do alike. */
export const mountCases: PeerCases = Object.fromEntries(
  Object.entries(smallCases('mounts', more)).map(([name, peerCase]) => [
    name,
    { apart: mountPoints, ...peerCase },
  ]),
)

/** What dockerd 20.10 does not know, or does otherwise. */
export const mountNewerCases: PeerCases = smallCases('mounts-newer')

/** What every builder must refuse. */
export const mountRefusals: PeerCases = smallCases('mount-refusals')
