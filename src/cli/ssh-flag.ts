// `--ssh default[=SOCKET]`: the agents that steps and git may use, as buildx reads it.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { SlipwayError } from '../core/error.ts'
import { usageError } from './command.ts'

const wanted = 'default, default=SOCKET or ID=SOCKET'

/** The id and the socket a `--ssh` names; without a socket that of the environment's agent. */
export function sshFlag(text: string): { readonly id: string; readonly socket: string } {
  const [, id = '', given] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? []
  if (id === '' || given === '') throw usageError('--ssh', text, wanted)
  const socket = given ?? process.env.SSH_AUTH_SOCK
  if (socket === undefined || socket === '') {
    throw new SlipwayError({
      code: 'ERR_SSH_AGENT',
      message: `--ssh ${text}: there is no SSH agent, SSH_AUTH_SOCK is not set`,
      hint: 'start one: eval "$(ssh-agent)" && ssh-add',
    })
  }
  const path = resolve(socket)
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw usageError('--ssh', text, `${wanted}: there is no ${path}`)
  if (!found.isSocket()) {
    throw new SlipwayError({
      code: 'ERR_SSH_AGENT',
      message: `--ssh ${text}: ${path} is not the socket of an agent, and keys in files are not supported yet`,
      hint: 'give the key to an agent: ssh-add FILE',
    })
  }
  return { id, socket: path }
}
