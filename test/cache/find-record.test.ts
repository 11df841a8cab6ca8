import { describe, expect, it } from 'vitest'
import { findRecord } from '../../src/cache/find-record.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { LayerRef } from '../../src/solve/types.ts'
import { sampleRecord } from './samples.ts'

const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf('a'), size: 1 }
const archive: LayerRef = { kind: 'archive', descriptor, diffId: descriptor.digest, created: '' }
const blob: LayerRef = { kind: 'blob', descriptor, diffId: descriptor.digest, source: 'registry.test/x' }

describe('findRecord', () => {
  it.each([
    ['snapshot', [], false, true, false],
    ['snapshot', [], true, false, true],
    ['archive', [archive], true, false, false],
    ['archive', [archive], true, true, true],
    ['blob', [blob], true, false, true],
  ] as const)(
    'a record with a %s is only there with what was made here',
    async (_, more, snapshot, is, found) => {
      const sample = sampleRecord('x')
      const result = { ...sample.result, layers: [...sample.result.layers, ...more] }
      const record = { ...sample, result }
      const presence = { hasSnapshot: async () => snapshot, hasArchive: async () => is }
      const read = async () => ({ record })
      expect(await findRecord(record.id, read, presence)).toEqual(found ? record : undefined)
    },
  )
})
