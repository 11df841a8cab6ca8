// A cache in GitHub's Actions cache, with the names and versions that BuildKit uses there. What a key holds never changes:
// a text is written under a number that grows, and read by the newest.
import type { Context } from '../core/context.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { digestOf, hexOf } from '../core/digest.ts'
import { SlipwayError } from '../core/error.ts'
import { limit } from '../core/limit.ts'
import type { Exchange, RawAnswer } from '../registry/exchange.ts'
import type { ContentReader } from '../store/types.ts'
import { clientV1, clientV2, type Entry } from './github-client.ts'
import { ask, readLayer, readText } from './object-requests.ts'
import type { ObjectStore, TextKind } from './object-store.ts'

export interface GithubPlace {
  readonly url: string
  readonly token: string
  readonly scope: string
  readonly api: 1 | 2
}

interface Scope {
  readonly name: string
  readonly isWritable: boolean
}

const maxTextBytes = 32 << 20
/** BuildKit knows the first. */
const prefixes: Readonly<Record<TextKind, string>> = { config: 'index', mounts: 'slipway-mounts' }
/** Somebody else may be writing the config, or have ended in the middle of it. */
const mostNumbers = 10
const parallelUploads = 4

/** The cache of a workflow run. Throws ERR_CACHE_TOKEN. */
export function openGithub(place: GithubPlace, exchange: Exchange): ObjectStore {
  const scopes = scopesOf(place.token)
  const slots = limit(parallelUploads)
  const client = place.api === 2 ? clientV2(place, exchange) : clientV1(place, exchange)
  const indexKey = (kind: TextKind, scope: string): string =>
    `${prefixes[kind]}-${place.scope}-1-${hexOf(digestOf(scope)).slice(0, 8)}`

  const read = (act: string, { url }: Entry, from: number, signal: AbortSignal): Promise<RawAnswer> =>
    // Its address is signed: the token is for the cache's own service.
    ask(exchange, {
      act,
      method: 'GET',
      url,
      headers: () => (from === 0 ? {} : { range: `bytes=${from}-` }),
      wanted: from === 0 ? [200] : [200, 206],
      signal,
    })
  const newest = (key: string, signal: AbortSignal): Promise<Entry | undefined> =>
    client.find(`${key}#`, signal)

  return {
    name: `github ${place.scope}`,
    async readTexts(kind, { signal }) {
      const texts = await Promise.all(
        scopes.map(async ({ name }) => {
          const entry = await newest(indexKey(kind, name), signal)
          if (entry === undefined) return []
          const act = `read github cache ${entry.key}`
          return [await readText(act, await read(act, entry, 0, signal), maxTextBytes)]
        }),
      )
      return texts.flat()
    },
    async writeText(kind, text, { signal }) {
      const index = indexKey(kind, scopes.find(({ isWritable }) => isWritable)?.name ?? '')
      const bytes = Buffer.from(text)
      // Whoever may write there names entries as he likes: a number too large to be counted on from is none.
      const last = Number(/#(\d{1,15})$/.exec((await newest(index, signal))?.key ?? '')?.[1] ?? 0)
      for (let number = last + 1; number <= last + mostNumbers; number++) {
        const key = `${index}#${number}`
        const isWritten = await client.write(key, bytes.byteLength, async () => once(bytes), signal)
        if (isWritten) return
      }
      throw new SlipwayError({
        code: 'ERR_CACHE_BUSY',
        message: `write github cache ${index}: others are writing it`,
      })
    },
    layers: {
      has: async (layer, { signal = new AbortController().signal } = {}) =>
        (await client.find(blobKey(layer), signal)) !== undefined,
      async open(layer, { signal = new AbortController().signal } = {}) {
        const act = `read github cache ${blobKey(layer)}`
        const request = async (from: number): Promise<RawAnswer> => {
          // Asked for again each time: the address may have expired.
          const entry = await client.find(blobKey(layer), signal)
          if (entry === undefined) throw gone(layer)
          return read(act, entry, from, signal)
        }
        return readLayer(act, layer, request, signal)
      },
    },
    putLayer: (layer: Descriptor, from: ContentReader, { signal }: Context) =>
      slots(async () => {
        const key = blobKey(layer)
        if ((await client.find(key, signal))?.key === key) return
        // Another job may be writing the same one, which is as good.
        await client.write(key, layer.size, () => from.open(layer, { signal }), signal)
      }, signal),
  }
}

function blobKey({ digest }: Descriptor): string {
  return `buildkit-blob-1-${digest}`
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

function gone({ digest }: Descriptor): SlipwayError {
  return new SlipwayError({
    code: 'ERR_BLOB_MISSING',
    message: `read github cache: layer ${digest} is not there any more`,
  })
}

/** What a token allows, as its claims say. They are not verified: whoever made them up is refused by the service. */
function scopesOf(token: string): readonly Scope[] {
  const claims = objectOf(() =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')),
  )
  const list: unknown = objectOf(() => ({ list: JSON.parse(String(claims?.ac)) }))?.list
  if (!Array.isArray(list)) {
    throw new SlipwayError({
      code: 'ERR_CACHE_TOKEN',
      message: 'open github cache: the token says nothing of scopes',
      hint: 'ACTIONS_RUNTIME_TOKEN of the workflow run is what is wanted',
    })
  }
  return list.flatMap((item: { Scope?: unknown; Permission?: unknown } | null) =>
    typeof item?.Scope === 'string'
      ? [{ name: item.Scope, isWritable: (Number(item.Permission) & 2) !== 0 }]
      : [],
  )
}

function objectOf(parse: () => unknown): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = parse()
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}
