// RUN: a process on the root file system so far. A sole here-document is a script; one that begins with
// `#!` is a file of its own; otherwise here-documents are handed to the shell as they were written.
import type { Diagnostic } from '../../core/diagnostic.ts'
import type { Heredoc, Run } from '../../dockerfile/ast.ts'
import { readHeredocWord } from '../../dockerfile/heredoc.ts'
import { printBody } from '../../dockerfile/print.ts'
import type { ExecMount, ExecOp, NetworkMode, OpNote } from '../../graph/op.ts'
import { predefinedProxies } from '../proxies.ts'
import {
  argEntries,
  argsSince,
  type Lower,
  type LowerContext,
  noteOf,
  type StageState,
  titleOf,
  withHistory,
  withStep,
} from '../state.ts'
import type { Entitlement, PlanOptions } from '../types.ts'
import { lowerMounts } from './mounts.ts'
import { behindShell } from './shell.ts'
import { unsupported } from './unsupported.ts'

export const lowerRun: Lower<Run> = (state, instruction, cx) => {
  if (!checkRun(instruction, cx.options, cx.report)) return state
  const { args, mounts } = commandOf(instruction, state)
  const lowered = lowerMounts(instruction, state, state.root === null ? [] : [state.root], cx)
  // In the order of canonical JSON, like all ops: those are not copied for their digests.
  const op: ExecOp = {
    args,
    cwd: state.config.WorkingDir || '/',
    env: [...[...state.env].map(([key, value]) => `${key}=${value}`), ...lowered.env],
    hostname: cx.options.buildArgs.BUILDKIT_SANDBOX_HOSTNAME || 'buildkitsandbox',
    inputs: lowered.inputs,
    kind: 'exec',
    mounts: [...mounts, ...lowered.mounts],
    network: networkOf(instruction, cx),
    root: state.root === null ? null : 0,
    security: instruction.security?.text === 'insecure' ? 'insecure' : 'sandbox',
    user: state.config.User ?? '',
    ...ulimitsOf(cx.options),
  }
  const after = withStep(state, op, runNote(state, instruction, cx), cx)
  return withHistory(after, `RUN ${[...argsText(state), ...args].join(' ')} # buildkit`, cx, 'layer')
}

/** Whether there is a process to run and its flags can be honoured; what is in the way is reported. */
export function checkRun(
  { command, devices, security, network }: Run,
  options: PlanOptions,
  report: (diagnostic: Diagnostic) => void,
): boolean {
  const isNothing = command.form === 'exec' && command.args.length === 0
  if (isNothing) {
    report({
      code: 'MissingArgument',
      severity: 'error',
      message: 'RUN requires at least one argument',
      span: command.span,
      hint: 'name a program: RUN ["executable", "parameter"]',
    })
  }
  for (const device of devices) {
    report(unsupported('RUN --device', device.span, 'leave the flag out'))
  }
  const isGranted = checkEntitlements({ security, network }, options, report)
  return !isNothing && isGranted && devices.length === 0
}

function checkEntitlements(
  {
    security,
    network,
  }: { readonly security: Run['security'] | undefined; readonly network: Run['network'] | undefined },
  options: PlanOptions,
  report: (diagnostic: Diagnostic) => void,
): boolean {
  const wanted = [
    ...(security?.text === 'insecure'
      ? [{ flag: '--security=insecure', name: 'security.insecure', span: security.span } as const]
      : []),
    ...(network?.text === 'host'
      ? [{ flag: '--network=host', name: 'network.host', span: network.span } as const]
      : []),
  ]
  const denied = wanted.filter(({ name }) => !options.allow.includes(name))
  for (const { flag, name, span } of denied) {
    report({
      code: 'MissingEntitlement',
      severity: 'error',
      message: `RUN ${flag} needs the entitlement ${name}`,
      span,
      hint: `pass --allow ${name} if you trust this Dockerfile with ${trustOf[name]}`,
    })
  }
  return denied.length === 0
}

const trustOf: Readonly<Record<Entitlement, string>> = {
  'security.insecure': 'the whole machine',
  'network.host': "the machine's network",
}

function ulimitsOf({ ulimits = [] }: PlanOptions): Pick<ExecOp, 'ulimits'> {
  return ulimits.length === 0 ? {} : { ulimits }
}

function networkOf({ network }: Run, cx: LowerContext): NetworkMode {
  // The parser has seen to it that it is one of the three.
  return network?.text === 'none' || network?.text === 'host' ? network.text : cx.options.network
}

function commandOf(
  { command, heredocs }: Run,
  state: StageState,
): { args: readonly string[]; mounts: readonly ExecMount[] } {
  if (command.form === 'exec') return { args: command.args, mounts: [] }
  const [first] = heredocs
  if (first === undefined) return { args: behindShell(command.text, state.config), mounts: [] }
  if (!isSoleHeredoc(command.text)) {
    const whole = command.text + heredocs.map((doc) => `\n${printBody(doc)}`).join('')
    return { args: behindShell(whole, state.config), mounts: [] }
  }
  if (!first.content.startsWith('#!')) return { args: behindShell(first.content, state.config), mounts: [] }
  const target = `/dev/pipes/${first.name}`
  return {
    args: behindShell(target, state.config),
    mounts: [{ kind: 'file', target, mode: 0o755, content: first.content }],
  }
}

/** Whether the whole command is one `<<EOF`; `<<EOF python3` is not. */
function isSoleHeredoc(text: string): boolean {
  return readHeredocWord(text) !== undefined
}

/** `|2 A=1 B=2`: the ARGs in scope, each once where it was first declared, with the value it has now. */
function argsText(state: StageState): string[] {
  const values = new Map<string, string>()
  for (const { key, value } of argsSince(state.args)) values.set(key, value ?? '')
  for (const key of values.keys()) {
    const value = state.env.get(key)
    if (value !== undefined) values.set(key, value)
  }
  return values.size === 0 ? [] : [`|${values.size}`, ...[...values].map(([key, value]) => `${key}=${value}`)]
}

function runNote(state: StageState, instruction: Run, cx: LowerContext): OpNote {
  const isForeign = state.platform.architecture !== cx.options.buildPlatform.architecture
  const note = {
    ...noteOf(state, titleWithHeredoc(instruction), instruction.span, cx),
    ...(isForeign ? { platform: state.platform } : {}),
  }
  const args = argEntries(state)
  const named = args.length === 0 ? note : { ...note, args }
  // What ENV or ARG says is part of the key and wins; the rest reaches the process unseen by the cache.
  const env = predefinedProxies(cx.options).filter((entry) => !state.env.has(entry.split('=', 1)[0] ?? ''))
  const { hosts } = cx.options
  if (env.length === 0 && hosts.length === 0) return named
  return {
    ...named,
    unkeyed: { ...(env.length === 0 ? {} : { env }), ...(hosts.length === 0 ? {} : { hosts }) },
  }
}

/** `RUN <<EOF (apt-get update...)`: a here-document is told by its first line. */
function titleWithHeredoc(instruction: Run): string {
  const title = titleOf(instruction)
  const [first] = instruction.heredocs
  if (first === undefined || instruction.command.form !== 'shell') return title
  return isSoleHeredoc(instruction.command.text) ? `${title} (${summaryOf(first)})` : title
}

function summaryOf(heredoc: Heredoc): string {
  const [line = '', ...more] = heredoc.content.trim().split(/\r?\n/)
  return more.length === 0 ? line : `${line}...`
}
