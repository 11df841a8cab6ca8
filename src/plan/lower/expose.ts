// EXPOSE: ports the image listens on, as metadata. Grammar: `[ip:][host:]port[-end][/tcp|udp|sctp]`,
// of which only the container's ports are kept.
import type { Span } from '../../core/span.ts'
import type { Expose, Word } from '../../dockerfile/ast.ts'
import { noComment } from '../../dockerfile/instruction-text.ts'
import { mappedPort } from '../../dockerfile/lint/planned/expose-invalid-format.ts'
import { upperCaseProtocol } from '../../dockerfile/lint/planned/expose-proto-casing.ts'
import { expandAllIn } from '../expand.ts'
import { goList } from '../go-format.ts'
import { type Lower, type LowerContext, withAddition, withHistory } from '../state.ts'

export const lowerExpose: Lower<Expose> = (state, instruction, cx) => {
  // BuildKit sorts the words as written, before variables are expanded: history texts follow that order.
  const comment = instruction.ports.findIndex(({ text }) => text.startsWith('#'))
  const [hash] = comment === -1 ? [] : instruction.ports.slice(comment)
  const last = instruction.ports.at(-1)
  if (hash !== undefined && last !== undefined) {
    const span = { ...hash.span, end: last.span.end }
    cx.report(invalid(`invalid containerPort: ${hash.text}`, span, noComment))
    return state
  }
  // Differs: BuildKit does not look whether the variables of EXPOSE are defined (UndefinedVar).
  const words = [...instruction.ports].sort((a, b) => compareBytes(a.text, b.text))
  const ports = words.flatMap((word) =>
    expandAllIn(word, state, cx).flatMap((text) => portsOf(text, word, cx)),
  )
  const after = withAddition(state, { member: 'ExposedPorts', entries: ports.map((port) => [port, {}]) })
  return withHistory(after, `EXPOSE ${goList(ports)}`, cx)
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** `8000-8002/UDP` → `8000/udp`, `8001/udp`, `8002/udp`; nothing, and a diagnostic, for anything else. */
function portsOf(text: string, word: Word, cx: LowerContext): string[] {
  const fail = (message: string, hint?: string): string[] => {
    cx.report(invalid(message, word.span, hint))
    return []
  }
  const parts = text.split(':')
  const container = parts.at(-1) ?? ''
  const host = parts.at(-2) ?? ''
  const ip = parts.slice(0, -2).join(':')
  const slash = container.indexOf('/')
  const range = slash === -1 ? container : container.slice(0, slash)
  const protocol = slash === -1 ? '' : container.slice(slash + 1)
  if (range === '') return fail(`invalid port: "${text}": no port specified`)
  if (!/^(|tcp|udp|sctp)$/i.test(protocol)) {
    return fail(`invalid port: "${text}": invalid proto: ${protocol}`)
  }
  if (protocol !== protocol.toLowerCase()) {
    cx.report(upperCaseProtocol(text, word.span))
  }
  if (host !== '' || ip !== '') {
    cx.report(mappedPort(text, word.span))
  }
  if (ip !== '' && !isAddress(ip)) return fail(`invalid IP address: ${ip}`)
  const ports = rangeOf(range)
  if (ports === undefined) return fail(`invalid containerPort: ${range}`)
  if (host !== '') {
    const hostPorts = rangeOf(host)
    if (hostPorts === undefined) return fail(`invalid hostPort: ${host}`)
    if (ports.length !== 1 && ports.length !== hostPorts.length) {
      const message = `invalid ranges specified for container and host Ports: ${range} and ${host}`
      return fail(message, 'leave the host ports out: EXPOSE does not publish any')
    }
  }
  return ports.map((port) => `${port}/${protocol === '' ? 'tcp' : protocol.toLowerCase()}`)
}

function rangeOf(text: string): number[] | undefined {
  const [start, end = start, ...more] = text.split('-')
  const first = numberOf(start)
  const last = numberOf(end)
  if (first === undefined || last === undefined || last < first || more.length > 0) return undefined
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\+?\d+$/.test(text)) return undefined
  const port = Number(text)
  return port <= 65535 ? port : undefined
}

/** What Go's net.ParseIP takes: no leading zeros, no zones; in brackets or not. */
function isAddress(text: string): boolean {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const four = bare.split('.')
  if (four.length === 4 && four.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return true
  return bare.includes(':') && URL.canParse(`http://[${bare}]/`)
}

const usual = 'write a port such as 80, 53/udp or 8000-8010/tcp, from 0 to 65535'

function invalid(message: string, span: Span, hint = usual) {
  return {
    code: 'InvalidPort',
    severity: 'error' as const,
    message,
    span,
    hint,
  }
}
