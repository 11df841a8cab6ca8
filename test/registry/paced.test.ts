import { describe, expect, it } from 'vitest'
import { paced } from '../../src/registry/paced.ts'

describe('paced', () => {
  /** Chunks of `bytes`, each `waitMs` after it was asked for, by a clock of the test's own. */
  const slowly = (count: number, bytes: number, waitMs: number) => {
    const clock = { ms: 0 }
    async function* body() {
      for (let i = 0; i < count; i++) {
        clock.ms += waitMs
        yield Buffer.alloc(bytes)
      }
    }
    return { clock, chunks: paced(body(), 'fetch x', () => clock.ms) }
  }
  const length = async (chunks: AsyncIterable<Buffer>, onChunk = (): void => undefined): Promise<number> => {
    let bytes = 0
    for await (const chunk of chunks) {
      bytes += chunk.byteLength
      onChunk()
    }
    return bytes
  }

  it('refuses an answer that drips', async () => {
    await expect(length(slowly(1e6, 1, 500).chunks)).rejects.toMatchObject({
      code: 'ERR_REGISTRY_TIMEOUT',
      message: expect.stringMatching(/^fetch x: the registry sends too slowly \(1\d\d bytes in 6\d s\)$/),
    })
  })

  it('leaves a slow line, a late start and a slow reader alone', async () => {
    expect(await length(slowly(1000, 1200, 1000).chunks)).toBe(1_200_000)
    expect(await length(slowly(5, 10, 10_000).chunks)).toBe(50)
    const { clock, chunks } = slowly(100, 10, 1)
    const onChunk = (): void => {
      clock.ms += 60_000
    }
    expect(await length(chunks, onChunk)).toBe(1000)
  })
})
