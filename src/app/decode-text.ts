// Bytes of the user's files to text, or what they are instead.
import { SlipwayError } from '../core/error.ts'

/**
 * The text of UTF-8 bytes, a byte order mark included. Comments of a Dockerfile may be in any encoding: what is not UTF-8
 * there becomes U+FFFD. Throws ERR_FILE_ENCODING, which tells what the file is and where. Differs: BuildKit takes any bytes;
 * what is not UTF-8 comes out changed in its images, and a NUL stops the step.
 */
export function decodeText(bytes: Buffer, what: string, path: string): string {
  const nul = bytes.indexOf(0)
  if (isUtf16(bytes, nul)) {
    throw wrong(what, path, 'it is UTF-16 text', 'save it as UTF-8; PowerShell: Set-Content -Encoding utf8')
  }
  if (nul !== -1) {
    throw wrong(
      what,
      path,
      `it is no text: there is a NUL byte in line ${lineOf(bytes, nul)}`,
      otherFile(what),
    )
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    if (what === 'Dockerfile' && isInCommentsAlone(bytes)) return lossy(bytes)
    const at = firstInvalid(bytes)
    const byte = (bytes[at] ?? 0).toString(16).toUpperCase().padStart(2, '0')
    const reason = `it is not UTF-8 text: byte 0x${byte} in line ${lineOf(bytes, at)}`
    throw wrong(what, path, reason, 'save it as UTF-8', cause)
  }
}

/** With its byte order mark, or as what it mostly is: ASCII with every second byte 0. */
function isUtf16(bytes: Buffer, nul: number): boolean {
  const mark = bytes.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff') return true
  if (nul !== 0 && nul !== 1) return false
  const begin = bytes.subarray(0, 256)
  return bytes.length > 3 && begin.every((byte, index) => (byte === 0) === (index % 2 === nul))
}

function otherFile(what: string): string {
  return what === 'Dockerfile' ? 'name the Dockerfile with --file' : 'write it anew'
}

function lineOf(bytes: Buffer, at: number): number {
  let line = 1
  for (let i = bytes.indexOf(10); i !== -1 && i < at; i = bytes.indexOf(10, i + 1)) line++
  return line
}

/**
 * Whether all that is not UTF-8 stands in lines that are comments wherever they stand. In a file with here-documents
 * such a line may be content.
 */
function isInCommentsAlone(bytes: Buffer): boolean {
  if (bytes.includes('<<')) return false
  const lines = lossy(bytes).split('\n')
  return lines.every((line) => /^\s*#/.test(line) || !line.includes('\ufffd'))
}

function lossy(bytes: Buffer): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/** The first byte that does not fit what is before it. */
function firstInvalid(bytes: Buffer): number {
  const text = lossy(bytes)
  let end = text.length
  // A replacement character stands in the file itself where three bytes say so.
  for (let at = text.indexOf('\ufffd'); at !== -1; at = text.indexOf('\ufffd', at + 1)) {
    const offset = Buffer.byteLength(text.slice(0, at))
    if (bytes.subarray(offset, offset + 3).toString('hex') === 'efbfbd') continue
    end = at
    break
  }
  return Buffer.byteLength(text.slice(0, end))
}

function wrong(what: string, path: string, reason: string, hint: string, cause?: unknown): SlipwayError {
  return new SlipwayError({
    code: 'ERR_FILE_ENCODING',
    message: `read ${what} ${path}: ${reason}`,
    hint,
    cause,
  })
}
