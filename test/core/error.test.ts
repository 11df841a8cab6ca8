import { describe, expect, it } from 'vitest'
import { errnoOf, errorJson, firstFailure, SlipwayError } from '../../src/core/error.ts'

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

describe('a failure behind which clearing up fails, too', () => {
  const own = new SlipwayError({ code: 'ERR_PROCESS_EXIT', message: 'exit code: 1' })
  const failing = async (): Promise<void> => {
    const busy = (): Promise<void> => Promise.reject(new Error('busy'))
    await using _outer = { [Symbol.asyncDispose]: busy }
    await using _inner = { [Symbol.asyncDispose]: busy }
    throw own
  }

  it('is what is told', async () => {
    const thrown = await failing().catch((failure: unknown) => failure)
    expect(thrown).not.toBe(own)
    expect(firstFailure(thrown)).toBe(own)
    expect(errorJson(thrown)).toEqual(own.toJSON())
    expect(firstFailure(own)).toBe(own)
  })
})
