// GitHub's Actions cache in this process, both versions of its protocol; keys are made once and found by how they begin.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collect } from '../../src/store/collect.ts'

export interface ActionsServer extends AsyncDisposable {
  readonly url: string
  /** What is committed, by key, in the order of time. */
  readonly entries: Map<string, Buffer>
  /** A token that may read and write. */
  readonly token: string
}

interface Making {
  readonly key: string
  readonly parts: Map<string, Buffer>
}

const claims = {
  ac: JSON.stringify([
    { Scope: 'refs/heads/main', Permission: 3 },
    { Scope: 'refs/heads/old', Permission: 1 },
  ]),
}

export async function startActions(): Promise<ActionsServer> {
  const token = `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`
  const entries = new Map<string, Buffer>()
  const making = new Map<string, Making>()
  let home = ''
  const newest = (prefix: string) => [...entries.keys()].filter((key) => key.startsWith(prefix)).at(-1)
  const begin = (key: string): string | undefined => {
    if (entries.has(key) || [...making.values()].some((other) => other.key === key)) return undefined
    making.set(String(making.size + 1), { key, parts: new Map() })
    return String(making.size)
  }
  const commit = (id: string, order: readonly string[], size: number): boolean => {
    const made = making.get(id)
    const bytes = Buffer.concat(order.map((part) => made?.parts.get(part) ?? Buffer.alloc(0)))
    if (made === undefined || bytes.length !== size) return false
    entries.set(made.key, bytes)
    return true
  }
  const committed = new Map<string, readonly string[]>()
  const server = createServer(async (request, response) => {
    const body = await collect(request)
    const url = new URL(request.url ?? '', home)
    const answer = (status: number, value?: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(value === undefined ? undefined : JSON.stringify(value))
    }
    const stored = /^\/(blob|upload)\/(.+)$/.exec(url.pathname)
    if (stored !== null) {
      // Addresses are signed: whoever sends the token there gives it away.
      if (request.headers.authorization !== undefined || url.searchParams.get('sig') !== 'ok')
        return answer(403)
      const name = decodeURIComponent(stored[2] ?? '')
      if (stored[1] === 'blob') {
        const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
        response.writeHead(from === 0 ? 200 : 206)
        return response.end(entries.get(name)?.subarray(from))
      }
      const id = url.searchParams.get('blockid')
      if (id !== null) making.get(name)?.parts.set(id, body)
      else
        committed.set(
          name,
          [...body.toString().matchAll(/<Latest>([^<]+)</g)].map(([, part = '']) => part),
        )
      return answer(201)
    }
    if (request.headers.authorization !== `Bearer ${token}`) return answer(401, { message: 'no token' })
    const download = (key: string): string => `${home}/blob/${encodeURIComponent(key)}?sig=ok`
    const json = request.headers['content-type'] === 'application/json' ? JSON.parse(body.toString()) : {}
    const v1 = /^\/_apis\/artifactcache\/(cache|caches)(?:\/(\d+))?$/.exec(url.pathname)
    if (v1 !== null) {
      const [, name, id = ''] = v1
      if (name === 'cache') {
        const key = newest(url.searchParams.get('keys') ?? '')
        return key === undefined
          ? answer(204)
          : answer(200, { cacheKey: key, archiveLocation: download(key) })
      }
      if (request.method === 'PATCH') {
        making.get(id)?.parts.set(String(request.headers['content-range']).padStart(40), body)
        return answer(204)
      }
      if (id !== '') {
        const order = [...(making.get(id)?.parts.keys() ?? [])].sort((a, b) => start(a) - start(b))
        return answer(commit(id, order, json.size) ? 204 : 400)
      }
      const made = begin(json.key)
      return made === undefined ? answer(409, { typeKey: 'x' }) : answer(200, { cacheId: Number(made) })
    }
    switch (url.pathname.split('/').at(-1)) {
      case 'GetCacheEntryDownloadURL': {
        const key = newest(json.key)
        return key === undefined
          ? answer(200, { ok: false })
          : answer(200, { ok: true, matched_key: key, signed_download_url: download(key) })
      }
      case 'CreateCacheEntry': {
        const made = begin(json.key)
        return made === undefined
          ? answer(409, { code: 'already_exists' })
          : answer(200, { ok: true, signed_upload_url: `${home}/upload/${made}?sig=ok` })
      }
      case 'FinalizeCacheEntryUpload': {
        const id = [...making].find(([, { key }]) => key === json.key)?.[0] ?? ''
        return answer(200, { ok: commit(id, committed.get(id) ?? [], Number(json.size_bytes)) })
      }
      default:
        return answer(404)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  home = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: home,
    entries,
    token,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function start(range: string): number {
  return Number(/bytes (\d+)-/.exec(range)?.[1])
}
