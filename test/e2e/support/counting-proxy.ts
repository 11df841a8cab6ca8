// A registry behind a server that writes down what it is asked for.
import { createServer, request } from 'node:http'

export interface CountingProxy {
  /** `127.0.0.1:port`. */
  readonly host: string
  /** `GET /v2/…`, in the order of the requests; to be emptied by who looks at them. */
  readonly asked: string[]
  stop(): Promise<void>
}

/** Passes everything on to `target`, `host:port`, under its own name, so that uploads come by here, too. */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const [hostname, port] = target.split(':')
  const asked: string[] = []
  const server = createServer((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    const { method, url, headers } = incoming
    const passed = request({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  await new Promise<void>((ready) => {
    server.listen(0, '127.0.0.1', ready)
  })
  const address = server.address()
  return {
    host: `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    asked,
    async stop() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
