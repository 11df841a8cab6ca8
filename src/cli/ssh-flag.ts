// `--ssh default`, `--ssh ID=SOCKET`, `--ssh ID=KEY[,KEY…]`: the agents that steps and git may use, as buildx reads it.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { AgentSource } from '../app/ssh-agents.ts'
import { SlipwayError } from '../core/error.ts'
import { usageError } from './command.ts'

const wanted = 'default, ID=SOCKET or ID=KEYFILE[,KEYFILE]'

/** The agent a `--ssh` names; without a socket or keys that of the environment. */
export function sshFlag(text: string): AgentSource {
  const [, id = '', given] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? []
  if (id === '' || given === '') throw usageError('--ssh', text, wanted)
  const paths = given === undefined ? [agentOfEnvironment(text)] : given.split(',')
  const keys: string[] = []
  const sockets: string[] = []
  for (const path of paths.map((one) => resolve(one))) {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) throw usageError('--ssh', text, `${wanted}: there is no ${path}`)
    if (found.isDirectory()) throw usageError('--ssh', text, `${wanted}: ${path} is a directory`)
    if (found.isSocket()) sockets.push(path)
    else keys.push(path)
  }
  const [socket] = sockets
  if (socket === undefined) return { id, from: { keys } }
  if (paths.length > 1) throw usageError('--ssh', text, `${wanted}: a socket stands alone`)
  return { id, from: { socket } }
}

function agentOfEnvironment(text: string): string {
  const socket = process.env.SSH_AUTH_SOCK
  if (socket !== undefined && socket !== '') return socket
  throw new SlipwayError({
    code: 'ERR_SSH_AGENT',
    message: `--ssh ${text}: there is no SSH agent, SSH_AUTH_SOCK is not set`,
    hint: 'start one: eval "$(ssh-agent)" && ssh-add',
  })
}
