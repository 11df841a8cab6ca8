// What `slipway du --verbose` prints of things that Dockerfiles have named.
import { expect, it } from 'vitest'
import type { UsageRow } from '../../src/app/disk.ts'
import { usageDetails } from '../../src/cli/disk-text.ts'

it('no description drives the terminal', () => {
  const row: UsageRow = {
    bytes: 0,
    inodes: 0,
    item: {
      ...{ id: 'x', type: 'regular', description: 'RUN echo \u001b]0;title\u0007\u001b[2J\nID: y' },
      ...{ parents: [], names: [], layers: [], parts: [], own: { bytes: 0, inodes: 0 } },
      ...{ createdMs: 0, lastUsedMs: 0, isMutable: false, isShared: false, isInUse: false },
      removal: { kind: 'parts' },
    },
  }
  expect(usageDetails([row], 0)).toContain('Description:  RUN echo ID: y\n')
})
