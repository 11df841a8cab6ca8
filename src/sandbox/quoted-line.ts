// What a program wrote to standard error, as it is quoted in an error of one line.

const longestQuote = 600

/** pasta says it once a line where no syslog runs. */
const syslogNoise = /^Failed to send \d+ bytes to syslog$/

/** The text with its lines joined, cut at a length that can be read; lines of a log in logrus's format (runc) show their message only. */
export function quotedLine(text: string): string {
  const lines = text.split('\n').map((line) => {
    const quoted = /\blevel=\w+ msg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1]
    return quoted === undefined ? line : unquoted(quoted)
  })
  const line = lines
    .map((part) => part.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim())
    .filter((part) => part !== '' && !syslogNoise.test(part))
    .join('; ')
  return line.length > longestQuote ? `${line.slice(0, longestQuote)}…` : line
}

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text))
  } catch {
    // Go escapes a few characters in its own way.
    return text.slice(1, -1)
  }
}
