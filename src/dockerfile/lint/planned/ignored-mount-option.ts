// An option of RUN --mount that changes nothing for its kind of mount.
import type { Rule } from '../rule.ts'

/** Differs: BuildKit takes `id` of a bind mount or `source` of a tmpfs and forgets it. */
export const ignoredMountOption: Rule = {
  name: 'IgnoredMountOption',
  description: 'RUN --mount should only have options that its type of mount makes use of',
  origin: 'slipway',
}
