// Git repositories made by a test and served over HTTP by git's own http-backend, from inside the test process.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import { type WebServer, webServer } from './web-server.ts'

const identity = {
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.com',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
}

export interface TestRepository {
  readonly path: string
  /** Runs git in it; fails the test unless it exits 0. The answer has no line end. */
  git(...args: readonly string[]): string
  /** Commits these files (`-> target` for a link) on top of the current branch; the answer is the commit's id. */
  commit(files: Readonly<Record<string, string>>, seconds?: number): string
}

/** An empty repository `name` (`a.git`) below `root`, whose branch is main. */
export function testRepository(root: string, name: string, format = 'sha1'): TestRepository {
  const path = join(root, name)
  const run = (args: readonly string[], seconds: number): string => {
    const date = `${seconds} +0000`
    const env = { ...process.env, ...identity, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }
    const { status, stdout, stderr } = spawnSync('git', args, { cwd: path, env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }
  const git = (...args: readonly string[]): string => run(args, 1_000_000_000)
  mkdirSync(path, { recursive: true })
  git('init', '-q', '-b', 'main', `--object-format=${format}`)
  return {
    path,
    git,
    commit(files, seconds = 1_000_000_000) {
      for (const [file, content] of Object.entries(files)) {
        const full = join(path, file)
        mkdirSync(dirname(full), { recursive: true })
        if (content.startsWith('-> ')) symlinkSync(content.slice(3), full)
        else writeFileSync(full, content, { mode: file.endsWith('.sh') ? 0o755 : 0o644 })
      }
      git('add', '-A', '-f')
      run(['commit', '-q', '--allow-empty', '-m', 'commit'], seconds)
      return git('rev-parse', 'HEAD')
    },
  }
}

export interface GitServer extends WebServer {
  /** Answers 401 to who has not this Authorization header. */
  authorization?: string
  /** Whether it speaks only the first protocol, which gives no commits that are not the tip of a branch. */
  isOld: boolean
}

/** Serves every repository below `root`. */
export async function gitServer(root: string): Promise<GitServer> {
  const server = await webServer()
  const git: GitServer = Object.assign(server, { isOld: false })
  server.fallback = (request, response) => {
    if (git.authorization !== undefined && request.headers.authorization !== git.authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
    } else backend(root, git.isOld, request, response)
  }
  return git
}

function backend(root: string, isOld: boolean, request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  const { 'git-protocol': protocol, 'content-encoding': encoding, 'content-type': type } = request.headers
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: decodeURIComponent(path).replace(/^(\/[^/]*)\.git\//, '$1.git/.git/'),
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: type ?? '',
      ...(encoding === undefined ? {} : { HTTP_CONTENT_ENCODING: encoding }),
      ...(isOld || typeof protocol !== 'string' ? {} : { GIT_PROTOCOL: protocol }),
      ...identity,
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.on('error', () => undefined)
  request.pipe(child.stdin)
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.on('close', () => {
    const all = Buffer.concat(chunks)
    const end = all.indexOf('\r\n\r\n')
    let status = 200
    for (const line of all.subarray(0, end).toString().split('\r\n')) {
      const [, name = '', value = ''] = /^([^:]+): (.*)$/.exec(line) ?? []
      if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10)
      else if (name !== '') response.setHeader(name, value)
    }
    response.writeHead(status).end(all.subarray(end + 4))
  })
}
