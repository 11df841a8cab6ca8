// STOPSIGNAL: the signal that asks the image's process to end, by name or number.
import { nearest } from '../../core/diagnostic.ts'
import type { Stopsignal } from '../../dockerfile/ast.ts'
import { noComment } from '../../dockerfile/instruction-text.ts'
import { expandKnown } from '../expand.ts'
import { type Lower, withConfig, withHistory } from '../state.ts'

export const lowerStopsignal: Lower<Stopsignal> = (state, instruction, cx) => {
  const signal = expandKnown(instruction.signal, state, cx)
  if (signal === undefined) return state
  if (!isSignal(signal)) {
    const close = nearest(
      signal,
      [...signalNames].map((name) => `SIG${name}`),
    )
    cx.report({
      code: 'InvalidSignal',
      severity: 'error',
      message: `invalid signal: ${signal}`,
      span: instruction.signal.span,
      hint: /\s#/.test(signal)
        ? noComment
        : close === undefined
          ? 'write a name such as SIGTERM, or a number'
          : `did you mean ${close}?`,
    })
    return state
  }
  return withHistory(withConfig(state, { StopSignal: signal }), `STOPSIGNAL ${signal}`, cx)
}

function isSignal(text: string): boolean {
  if (/^[+-]?\d+$/.test(text)) return Number(text) !== 0 && Math.abs(Number(text)) < 2 ** 63
  const name = text.toUpperCase().replace(/^SIG/, '')
  return signalNames.has(name) || /^RTMIN\+([1-9]|1[0-5])$/.test(name) || /^RTMAX-([1-9]|1[0-4])$/.test(name)
}

const signalNames: ReadonlySet<string> = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT ' +
    'STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
)
