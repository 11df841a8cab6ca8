import { describe, expect, it } from 'vitest'
import { errnoOf } from '../../src/core/error.ts'

describe('errnoOf', () => {
  it.each([
    ['ENOENT', 'ENOENT'],
    ['Unknown system error -122', 'EDQUOT'],
    ['Unknown system error -117', 'EUCLEAN'],
    ['Unknown system error -9999', 'EUNKNOWN'],
    ['ERR_STORE_FULL', undefined],
    [5, undefined],
  ])('of %j is %j', (code, errno) => expect(errnoOf({ code })).toBe(errno))
})
