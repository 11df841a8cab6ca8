// The value of --chmod: octal between 0 and 07777, or symbolic as chmod(1) takes it.

/** The mode as file ops keep it: octal without leading zeros, or symbolic as written; undefined when it is neither. */
export function parseChmod(text: string): string | undefined {
  if (/^[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8)
    return mode <= 0o7777 ? mode.toString(8) : undefined
  }
  return symbolic.test(text) ? text : undefined
}

const symbolic = /^[ugoa]*(?:[-+=][rwxXstugo]*)+(?:,[ugoa]*(?:[-+=][rwxXstugo]*)+)*$/

/** The permission bits a regular file of mode `from` has after `chmod mode`; `mode` comes from `parseChmod`. */
export function applyChmod(mode: string, from: number): number {
  if (/^[0-7]+$/.test(mode)) return Number.parseInt(mode, 8)
  return mode.split(',').reduce(applyClause, from)
}

function applyClause(from: number, clause: string): number {
  const who = /^[ugoa]*/.exec(clause)?.[0] ?? ''
  const everyone = who === '' || who.includes('a')
  const classes = [
    ...(everyone || who.includes('u') ? [{ shift: 6, special: 0o4000 }] : []),
    ...(everyone || who.includes('g') ? [{ shift: 3, special: 0o2000 }] : []),
    ...(everyone || who.includes('o') ? [{ shift: 0, special: 0 }] : []),
  ]
  let mode = from
  for (const [, operator = '', permissions = ''] of clause
    .slice(who.length)
    .matchAll(/([-+=])([rwxXstugo]*)/g)) {
    let bits = 0
    let range = 0
    for (const { shift, special } of classes) {
      bits |= classBits(permissions, mode) << shift
      if (permissions.includes('s')) bits |= special
      range |= (0o7 << shift) | special
    }
    if (permissions.includes('t') && everyone) bits |= 0o1000
    if (everyone) range |= 0o1000
    if (operator === '+') mode |= bits
    else if (operator === '-') mode &= ~bits
    else mode = (mode & ~range) | bits
  }
  return mode
}

/** rwx of one class; `u`, `g`, `o` copy that class's bits of `mode`. */
function classBits(permissions: string, mode: number): number {
  let bits = 0
  for (const letter of permissions) {
    if (letter === 'r') bits |= 4
    else if (letter === 'w') bits |= 2
    else if (letter === 'x' || (letter === 'X' && (mode & 0o111) !== 0)) bits |= 1
    else if (letter === 'u') bits |= (mode >> 6) & 7
    else if (letter === 'g') bits |= (mode >> 3) & 7
    else if (letter === 'o') bits |= mode & 7
  }
  return bits
}
