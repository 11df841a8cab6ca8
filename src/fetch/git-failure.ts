// What git says went wrong, as one line for a person.
import { SlipwayError } from '../core/error.ts'
import type { GitEnd } from './git-command.ts'

interface Kind {
  readonly says: RegExp
  readonly code: string
  readonly reason?: string
  readonly hint?: string
}

const tokenHint =
  'give a token with --secret id=GIT_AUTH_TOKEN, and check the address: hosts also answer this for what does not exist'

const kinds: readonly Kind[] = [
  {
    says: /could not read Username|could not read Password|Authentication failed|terminal prompts disabled/,
    code: 'ERR_GIT_UNAUTHORIZED',
    reason: 'the host asks for a user name and password',
    hint: tokenHint,
  },
  {
    says: /returned error: 40[13]/,
    code: 'ERR_GIT_UNAUTHORIZED',
    reason: 'the host refuses access',
    hint: tokenHint,
  },
  {
    says: /Permission denied \((?:publickey|password|keyboard)/,
    code: 'ERR_GIT_UNAUTHORIZED',
    reason: 'the host accepts none of the keys it was shown',
    hint: 'let git use your SSH agent: --ssh default',
  },
  {
    says: /Too many authentication failures/,
    code: 'ERR_GIT_UNAUTHORIZED',
    reason: 'the host was shown more keys than it looks at',
    hint: 'use an agent that has only the right one: --ssh default=SOCKET',
  },
  {
    says: /\bssh: (?:not found|command not found)/,
    code: 'ERR_GIT_SSH_MISSING',
    reason: 'there is no ssh on this machine',
    hint: 'install the client of OpenSSH',
  },
  {
    says: /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed/,
    code: 'ERR_GIT_HOST_KEY',
    reason: 'the host has not the key it had before',
    hint: 'if that is right, remove its line from git/known_hosts in the state directory',
  },
  {
    says: /transport '[^']*' not allowed/,
    code: 'ERR_GIT_PROTOCOL',
    hint: 'only http, https, git and ssh addresses are fetched',
  },
  {
    says: /[Rr]epository .*not found|returned error: 404|not appear to be a git repository|no such repository|repository not exported/,
    code: 'ERR_GIT_NOT_FOUND',
    reason: 'there is no such repository',
    hint: 'check the address; a private repository needs --secret id=GIT_AUTH_TOKEN',
  },
  {
    says: /Could not resolve host(?:name)?|unable to look up|Name or service not known/,
    code: 'ERR_GIT_UNREACHABLE',
    reason: 'no such host',
  },
  {
    says: /Connection refused|Failed to connect|Couldn't connect|unable to connect|No route to host|Network is unreachable/,
    code: 'ERR_GIT_UNREACHABLE',
    reason: 'could not connect',
  },
  {
    // What ssh says; git's own words for http come above and below.
    says: /Connection timed out|Connection to \S+ port \d+ timed out|Operation timed out|Timeout, server/,
    code: 'ERR_GIT_TIMEOUT',
    reason: 'the host does not answer',
  },
  {
    says: /kex_exchange_identification|ssh_dispatch_run_fatal|banner exchange:|no matching \S+.* found/,
    code: 'ERR_GIT_SSH',
    reason: 'the host ended the connection, or does not speak SSH as this machine does',
    hint: 'check the port; ssh -v to the same address tells more',
  },
  {
    says: /SSL certificate problem|server certificate verification failed|certificate verify failed/,
    code: 'ERR_GIT_CERTIFICATE',
    hint: 'trust its CA: SLIPWAY_EXTRA_CA_CERTS=file.pem',
  },
  { says: /Operation too slow|timed out/, code: 'ERR_GIT_TIMEOUT', reason: 'the host sends too slowly' },
]

/** The failure of a git that ended badly, opened by `act`. */
export function gitFailure(act: string, { stderr, isSilent, code }: GitEnd): SlipwayError {
  if (isSilent) {
    return new SlipwayError({ code: 'ERR_GIT_TIMEOUT', message: `${act}: the host does not answer` })
  }
  const kind = kinds.find(({ says }) => says.test(stderr))
  const said = kind?.code === 'ERR_GIT_PROTOCOL' ? kind.says.exec(stderr)?.[0] : undefined
  const reason = kind?.reason ?? said ?? reasonIn(stderr, code)
  return new SlipwayError({
    code: kind?.code ?? 'ERR_GIT_FAILED',
    message: `${act}: ${reason}`,
    ...(kind?.hint === undefined ? {} : { hint: kind.hint }),
  })
}

/** Git's own last words, or those of the ssh that ended under it. */
function reasonIn(stderr: string, code: number | null): string {
  const all = stderr.split(/[\r\n]+/).filter((line) => line.trim() !== '')
  const ended = all.findIndex((line) => line.startsWith('fatal: Could not read from remote repository'))
  const lines = ended > 0 ? all.slice(0, ended) : all
  const said =
    lines.findLast((line) => /^(?:fatal|error|remote: (?:fatal|error)):/i.test(line)) ?? lines.at(-1)
  return said?.replace(/^(?:fatal|error): /, '').slice(0, 500) ?? `git ended with ${code ?? 'a signal'}`
}
