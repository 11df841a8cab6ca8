// A web server inside the test process: files by path, and whatever else a test wants to answer.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface WebServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly url: string
  /** `GET /path 304`, in the order of the answers. */
  readonly log: string[]
  readonly requests: IncomingMessage[]
  /** What answers each path; more can be added at any time. */
  readonly handlers: Map<string, Handler>
  /** What answers everything else; 404 without it. */
  fallback?: Handler
}

/** A server on a port of its own; a path without a handler is 404. */
export async function webServer(handlers: Readonly<Record<string, Handler>> = {}): Promise<WebServer> {
  const table = new Map(Object.entries(handlers))
  const log: string[] = []
  const requests: IncomingMessage[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    requests.push(request)
    response.on('close', () => log.push(`${request.method} ${request.url} ${response.statusCode}`))
    const handler = table.get((request.url ?? '').replace(/\?.*/, '')) ?? web.fallback
    if (handler === undefined) response.writeHead(404).end('nothing here')
    else handler(request, response)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const web: WebServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    requests,
    handlers: table,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
  return web
}

/** Answers with a file and obeys its conditions as web servers do. */
export function file(content: string | Buffer, headers: Readonly<Record<string, string>> = {}): Handler {
  return (request, response) => {
    const { 'if-none-match': tag, 'if-modified-since': since } = request.headers
    const isSame =
      tag === undefined ? since !== undefined && since === headers['last-modified'] : tag === headers.etag
    if (isSame) response.writeHead(304, headers).end()
    else response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(content) }).end(content)
  }
}
