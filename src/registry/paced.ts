// How slowly an answer may come in: pauses are bounded elsewhere, but a byte now and then would keep a build
// waiting for ever.
import { SlipwayError } from '../core/error.ts'

const patienceMs = 60_000
const leastBytesPerSecond = 1024

/**
 * The same chunks; throws ERR_REGISTRY_TIMEOUT when, after a minute of waiting for them, less than a KiB a second has
 * come on average. `now` is in milliseconds.
 */
export async function* paced(
  body: AsyncIterable<Buffer>,
  act: string,
  now: () => number = () => performance.now(),
): AsyncGenerator<Buffer, void, undefined> {
  let waitedMs = 0
  let received = 0
  // The reader's own time does not count.
  let since = now()
  for await (const chunk of body) {
    waitedMs += now() - since
    received += chunk.byteLength
    if (waitedMs > patienceMs && received < (waitedMs / 1000) * leastBytesPerSecond) {
      throw new SlipwayError({
        code: 'ERR_REGISTRY_TIMEOUT',
        message: `${act}: the registry sends too slowly (${received} bytes in ${Math.round(waitedMs / 1000)} s)`,
      })
    }
    yield chunk
    since = now()
  }
}
